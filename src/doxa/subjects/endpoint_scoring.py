"""Options without generating: what servers say of the probability of a text, and how exactly.

Two ways are known, and found out with the first question that is scored:

``prompt``  vLLM gives the log-probabilities of the prompt's own tokens (``prompt_logprobs``) and lets a message be left
            open (``continue_final_message``). Each option is put at the end of an open reply and its tokens are summed:
            exact for options of any length, one request each.
``top``     Others list the likeliest first tokens of the reply (``top_logprobs``). An option that is one of them is
            read exactly; of any other it is only known how much probability was not listed.

vLLM's ``/generative_scoring`` gives one number for one token of known id, which ``prompt`` gives too. llama.cpp's
server refuses ``echo``, by which ``/completions`` would tell the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.subjects.base import Conversation, Message, Query
from doxa.subjects.endpoint_transport import Response
from doxa.subjects.endpoint_wire import (
    TOP_LOG_PROBS,
    FaultError,
    count,
    encoded,
    mapping,
    messages,
    read_choice,
)

ScoringWay: TypeAlias = Literal["prompt", "top"]


class Scores(NamedTuple):
    """What a server says of a query's options.

    Attributes:
        log_probs: nats; NaN for an option that could not be read.
        unseen: probability mass on what was not listed: the most that all NaN options can have together; 1 after a
            fault, 0 where every option was read for itself.
        fault: why nothing was read, empty otherwise.
    """

    log_probs: Float[np.ndarray, " options"]
    unseen: float
    fault: str = ""


class TopTokens(NamedTuple):
    """The likeliest first tokens of a reply, log-probabilities in nats, and what they cost in tokens."""

    log_probs: Mapping[str, float]
    tokens_in: int = 0
    tokens_out: int = 0

    def unseen(self) -> float:
        """Return the probability mass on tokens that were not listed, in [0, 1]."""
        return min(1.0, max(0.0, 1.0 - math.fsum(math.exp(x) for x in self.log_probs.values())))


class PromptTokens(NamedTuple):
    """The tokens at the end of a prompt, last first, each with its log-probability in nats; what they cost."""

    tokens: tuple[tuple[str, float], ...]
    tokens_in: int = 0
    tokens_out: int = 0


def score_body(model: str, conversation: Conversation, *, of_prompt: bool = False) -> bytes:
    """Return the request for the likeliest first tokens of a reply.

    Args:
        model: the model's name on the server.
        conversation: what comes before the reply.
        of_prompt: ask for those of the prompt's own tokens too, which few servers give.
    """
    body: dict[str, Json] = {
        "model": model,
        "messages": messages(conversation),
        "temperature": 0.0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": TOP_LOG_PROBS,
    }
    return encoded(body | ({"prompt_logprobs": 0} if of_prompt else {}))


def option_body(model: str, conversation: Conversation, text: str) -> bytes:
    """Return the request for the log-probabilities of a reply's beginning, put into the prompt."""
    said = (*conversation, Message("assistant", text))
    return encoded(
        {
            "model": model,
            "messages": messages(said),
            "temperature": 0.0,
            "max_tokens": 1,
            "prompt_logprobs": 0,
            "add_generation_prompt": False,
            "continue_final_message": True,
        }
    )


def read_top_tokens(response: Response) -> TopTokens:
    """Return the likeliest first tokens; one without a text of its own is left out.

    Raises:
        FaultError: the response holds no choice, or no log-probabilities, or what cannot be one.
    """
    body, choice = read_choice(response)
    content: object = mapping(choice.get("logprobs")).get("content")
    first = mapping(content[0]) if isinstance(content, list) and content else {}
    listed: object = first.get("top_logprobs")
    found: dict[str, float] = {}
    for entry in cast(list[Any], listed) if isinstance(listed, list) else []:
        log_prob = as_log_prob(mapping(entry).get("logprob"))
        token = _token(mapping(entry))
        if token is not None:
            found.setdefault(token, log_prob)
    if not found:
        raise FaultError("log-probabilities", "the response holds no log-probabilities", again=True)
    usage = mapping(body.get("usage"))
    return TopTokens(found, count(usage.get("prompt_tokens")), count(usage.get("completion_tokens")))


def _token(entry: Mapping[str, Any]) -> str | None:
    """Return a token's text, from its bytes where they are given: part of a character has no text of its own."""
    raw: object = entry.get("bytes")
    if isinstance(raw, list):
        try:
            return bytes(cast(list[int], raw)).decode()
        except (ValueError, TypeError):
            return None
    token: object = entry.get("token")
    return token if isinstance(token, str) else None


def as_log_prob(value: Any) -> float:
    """Return a log-probability in nats, at most 0.

    Raises:
        FaultError: it is none.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value) or value > 1e-6:
        raise FaultError("log-probabilities", f"{value!r} is no log-probability", again=True)
    return min(float(value), 0.0)


def read_first(response: Response) -> TopTokens | None:
    """Read the answer to the question by which the way is found: None where prompts can be read.

    A server that refuses the question because it does not know ``prompt_logprobs`` gives an empty list.
    """
    if response.status in (400, 422) and b"prompt_logprobs" in response.body:
        return TopTokens({})
    body, _ = read_choice(response)
    return None if isinstance(body.get("prompt_logprobs"), list) else read_top_tokens(response)


def read_prompt_tokens(response: Response) -> PromptTokens:
    """Return the tokens of a prompt from its end, as far as each position names one token alone.

    Raises:
        FaultError: there are none, or one has no log-probability.
    """
    body, _ = read_choice(response)
    listed: object = body.get("prompt_logprobs")
    found: list[tuple[str, float]] = []
    for entry in reversed(listed) if isinstance(listed, list) else []:
        named = mapping(entry)
        token: Any = next(iter(named.values()), None) if len(named) == 1 else None
        text: object = mapping(token).get("decoded_token")
        if not isinstance(text, str):
            break
        found.append((text, as_log_prob(mapping(token).get("logprob"))))
    if not found:
        raise FaultError("log-probabilities", "the response holds none of the prompt", again=True)
    usage = mapping(body.get("usage"))
    return PromptTokens(
        tuple(found), count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    )


def option_log_prob(option: str, found: PromptTokens) -> float:
    """Return the log-probability of a text at the end of a prompt, in nats.

    NaN where no token begins where the text begins: then its probability was not given.

    >>> tokens = PromptTokens(((" yes", -1.0), ("is", -0.25), (" answer", -0.5)))
    >>> option_log_prob(" yes", tokens), option_log_prob("is yes", tokens), option_log_prob("yes", tokens)
    (-1.0, -1.25, nan)
    """
    tail, total = "", 0.0
    for text, log_prob in found.tokens:
        tail, total = text + tail, total + log_prob
        if tail == option:
            return total
        if len(tail) >= len(option):
            break
    return math.nan


def from_top(query: Query, found: TopTokens | FaultError) -> Scores:
    """Return the scores that the likeliest first tokens give."""
    if isinstance(found, FaultError):
        return Scores(np.full(len(query.options), math.nan), 1.0, str(found))
    log_probs = [found.log_probs.get(option, math.nan) for option in query.options]
    return Scores(np.array(log_probs, dtype=np.float64), found.unseen())


def from_prompts(query: Query, found: Sequence[PromptTokens | FaultError]) -> Scores:
    """Return the scores of a query from the prompts that end in its options; a fault of one is one of all."""
    fault = next((one for one in found if isinstance(one, FaultError)), None)
    if fault is not None:
        return Scores(np.full(len(query.options), math.nan), 1.0, str(fault))
    log_probs = [
        option_log_prob(option, one)
        for option, one in zip(query.options, found, strict=True)
        if isinstance(one, PromptTokens)
    ]
    scores = np.array(log_probs, dtype=np.float64)
    read = float(np.exp(scores[~np.isnan(scores)]).sum())
    return Scores(scores, max(0.0, 1.0 - read) if np.isnan(scores).any() else 0.0)

"""A planted subject: a mind with known dynamics, answering in text and in log-probabilities like any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.dynamics import dynamics
from doxa.errors import InputError, did_you_mean
from doxa.streams import stream
from doxa.subjects.base import Capability, Conversation, Message, Query, Reply, Sampling, Tool, ToolCall
from doxa.subjects.planted.asking import Asked, asked, events
from doxa.subjects.planted.expression import (
    MALFORMED,
    REFUSAL,
    Answer,
    answers,
    text_log_probability,
    text_probabilities,
)
from doxa.subjects.planted.mind import Mind, Sound, State
from doxa.subjects.planted.minds import GarblerConfig, RefuserConfig
from doxa.subjects.planted.parameters import read_parameters
from doxa.subjects.planted.tool_calls import tool_call

SCHEMA = 2
"""Version of what planted subjects say; a change of any answer raises it."""

_STILL = stream(0, "planted", "dynamics")
"""What a mind's ``init`` and ``step`` are given; none draws from it."""

_PLANTED = "planted-"
"""What the names of planted subjects' dynamics begin with."""


def planted_names() -> list[str]:
    """Return the names of all planted subjects, sorted."""
    return [name.removeprefix(_PLANTED) for name in dynamics.names() if name.startswith(_PLANTED)]


@dataclass(frozen=True)
class PlantedSubject:
    """A scripted subject: it reads the user's turns, moves its log-odds, and says what it believes.

    Greedy replies are the likeliest answer, the first of equals. At temperature t an answer of probability p is
    drawn with weight p^(1/t), so at 1 with its own probability, by a stream of the seed, the conversation, the
    sample and the branch; it never depends on the batch.
    """

    name: str
    config: Sound

    @classmethod
    def open(cls, name: str, params: Mapping[str, str]) -> PlantedSubject:
        """Return the planted subject of a name with parameters as texts.

        Raises:
            InputError: unknown name or parameter, or a value out of range.
        """
        if f"{_PLANTED}{name}" not in dynamics:
            raise InputError(f"no planted subject called '{name}'; {did_you_mean(name, planted_names())}")
        return cls(name, read_parameters(_mind(name).config, name, params))

    @property
    def mind(self) -> Mind[Any]:
        """Its dynamics."""
        return _mind(self.name)

    @property
    def address(self) -> str:
        """The address with every parameter that is not at its default."""
        default = asdict(self.mind.config())
        changed = [f"{key}={value:g}" for key, value in asdict(self.config).items() if value != default[key]]
        return f"planted:{self.name}" + (f"?{'&'.join(changed)}" if changed else "")

    @property
    def identity(self) -> str:
        """Digest of name, parameters and schema."""
        values = {key: float(value) for key, value in asdict(self.config).items()}
        return digest({"planted": self.name, "parameters": values, "schema": SCHEMA})

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything but weights."""
        return frozenset({Capability.REPLY, Capability.SCORE, Capability.TOOLS, Capability.SAMPLE})

    @property
    def form(self) -> Literal["micro", "published"]:
        """The micro world's English."""
        return "micro"

    @property
    def context_tokens(self) -> int | None:
        """No limit."""
        return None

    def state(self, conversation: Conversation) -> State[Any]:
        """Return its log-odds after what the user's turns tell."""
        answered = max((at + 1 for at, one in enumerate(conversation) if one.role == "assistant"), default=0)
        before = tuple(Message(one.role, one.content) for one in conversation[:answered])
        mind = self.mind
        state = _heard(mind, _remembered(type(mind), self.config, before), conversation[answered:])
        if self.config.jitter == 0.0:
            return state
        words = digest([message.as_json() for message in conversation])
        normal = float(stream(0, "planted", self.identity, words, "jitter").normal())
        return replace(state, shift=self.config.jitter * normal)

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation once; with tools it calls one, unless it refuses or garbles."""
        return [self._reply(conversation, sampling, tools) for conversation in conversations]

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " options"]]:
        """Return the log-probability in nats of each option's text, given what came before it."""
        return [self._score(query) for query in queries]

    def _score(self, query: Query) -> Float[np.ndarray, " options"]:
        if not query.options:
            raise InputError("a query has no options; give at least one text to score")
        found = answers(self.mind, self.state(query.conversation), asked(query.conversation))
        probabilities = text_probabilities(found, query.opening)
        return np.array([text_log_probability(probabilities, option) for option in query.options])

    def _reply(self, conversation: Conversation, sampling: Sampling, tools: Sequence[Tool]) -> Reply:
        state, question = self.state(conversation), asked(conversation)
        found = answers(self.mind, state, question)
        chosen = found[self._draw(conversation, sampling, [answer.probability for answer in found])]
        words = sum(len(message.content.split()) for message in conversation)
        odd = chosen.text in MALFORMED and isinstance(self.config, GarblerConfig)
        if tools and chosen.text != REFUSAL and not odd:
            call = self._call(conversation, state, question, sampling, tools)
            return Reply("", "tool_call", words, 1, (call,))
        return _cut(chosen, sampling, words)

    def _call(
        self,
        conversation: Conversation,
        state: State[Any],
        question: Asked,
        sampling: Sampling,
        tools: Sequence[Tool],
    ) -> ToolCall:
        used = [call.name for message in conversation for call in message.tool_calls]
        calls = tool_call(self.mind, state, question, tools, used)
        return calls[self._draw(conversation, sampling, [share for _, share in calls], "tool")][0]

    def _draw(
        self, conversation: Conversation, sampling: Sampling, probabilities: Sequence[float], *names: str
    ) -> int:
        """Return the index of the answer: the likeliest at temperature 0, else drawn; faults are always drawn."""
        rng = stream(
            sampling.seed,
            "planted",
            self.identity,
            digest([message.as_json() for message in conversation]),
            sampling.sample,
            sampling.branch,
            *names,
        )
        weights = np.asarray(probabilities, dtype=np.float64)
        faults = self._faults(len(weights)) if not names else np.zeros(len(weights), dtype=np.bool_)
        share = float(weights[faults].sum())
        if rng.random() < share:
            return _pick(rng.random(), np.where(faults, weights, 0.0))
        weights = np.where(faults, 0.0, weights)
        if sampling.temperature == 0.0:
            return int(np.argmax(weights))
        with np.errstate(divide="ignore"):
            logs = np.log(weights) / sampling.temperature
        return _pick(rng.random(), _nucleus(np.exp(logs - logs.max()), sampling.top_p))

    def _faults(self, count: int) -> np.ndarray:
        """Return which answers are refusals or malformed: they come at their rate, at any temperature."""
        faults = np.zeros(count, dtype=np.bool_)
        if count > 1 and isinstance(self.config, RefuserConfig):
            faults[0] = True
        if count > 1 and isinstance(self.config, GarblerConfig):
            faults[count - len(MALFORMED) :] = True
        return faults


def _mind(name: str) -> Mind[Any]:
    mind = dynamics.get(f"{_PLANTED}{name}")()
    if not isinstance(mind, Mind):
        raise InputError(f"dynamics '{_PLANTED}{name}' is no Mind, so there is no planted:{name}")
    return cast(Mind[Any], mind)


@lru_cache(maxsize=4096)
def _remembered(kind: type[Mind[Any]], config: Sound, conversation: Conversation) -> State[Any]:
    """Return the state after what ends with an answer: many questions are asked at the same place."""
    mind = kind()
    return _heard(mind, mind.init(_STILL, config), conversation)


def _heard(mind: Mind[Any], state: State[Any], conversation: Conversation) -> State[Any]:
    for event in events(conversation):
        state, _ = mind.step(_STILL, state, event)
    return state


def _pick(draw: float, weights: np.ndarray) -> int:
    """Return the index at which the running sum of the weights passes the draw in [0, 1)."""
    running = np.cumsum(weights)
    return int(min(np.searchsorted(running, draw * running[-1], side="right"), np.flatnonzero(weights)[-1]))


def _nucleus(weights: np.ndarray, top_p: float) -> np.ndarray:
    """Return the weights with all but the likeliest answers that together reach ``top_p`` set to 0."""
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    kept = np.zeros(len(weights), dtype=np.bool_)
    kept[order[before < top_p * weights.sum()]] = True
    return np.where(kept, weights, 0.0)


def _cut(chosen: Answer, sampling: Sampling, words_in: int) -> Reply:
    """Return the reply, ended before a stop text and after at most ``max_tokens`` words."""
    text = chosen.text
    ends = [place for stop in sampling.stop if stop and (place := text.find(stop)) >= 0]
    text = text[: min(ends)] if ends else text
    words = text.split()
    if len(words) > sampling.max_tokens:
        return Reply(" ".join(words[: sampling.max_tokens]), "length", words_in, sampling.max_tokens)
    return Reply(text, "stop", words_in, len(words))

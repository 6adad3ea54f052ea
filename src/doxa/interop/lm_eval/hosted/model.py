"""``--model doxa --model_args address=organism:sound``: every subject of doxa as a model of the harness's.

The subject puts a question in its own way (``framing``): a context becomes the user's turn, or with
``--apply_chat_template`` the turns it was made of. Behind a chat turn a continuation stands without its leading space,
as in ``doxa run kable``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from doxa.canonical import digest
from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.protocols.kable.asking import framing_of
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Capability, Conversation, Message, Query, Sampling, Subject, require, user

TURNS = "doxa turns "
"""What the text begins with into which a chat history is put."""

LONGEST = 256
"""Tokens of a reply where a task does not say, as with the harness's own models."""

TAKEN = {"until", "max_gen_toks", "max_tokens", "temperature", "do_sample", "top_p", "seed"}
"""Settings of a generation that a subject has."""


@register_model("doxa")
class DoxaLM(LM):
    """A subject of doxa, asked in one call for all requests of a kind.

    Args:
        address: which subject.
        subject: one that is open already, instead of an address.
        batch_size, max_batch_size, device: accepted and not used; a subject makes its own batches.
    """

    def __init__(
        self,
        address: str = "",
        *,
        subject: Subject | None = None,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: Any = None,
    ) -> None:
        del batch_size, max_batch_size, device
        super().__init__()
        if subject is None and not address:
            raise InputError("name the subject: --model_args address=organism:sound")
        self.subject = subject or open_subject(address)
        self._chat = framing_of(self.subject) == "chat"

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Return the log-probability of each continuation in nats, and whether a greedy reply begins with it.

        The second is found out, by a reply, where a document has one continuation only; of the options of a multiple
        choice it says False, which the harness does not use.

        Raises:
            CapabilityError: the subject gives no log-probabilities.
        """
        require(self.subject, Capability.SCORE)
        grouped: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            grouped.setdefault(str(request.args[0]), []).append(place)
        queries = [
            Query(self._conversation(context), tuple(self._option(_args(requests[one])[1]) for one in places))
            for context, places in grouped.items()
        ]
        scores: dict[int, float] = {}
        for places, found in zip(grouped.values(), self.subject.score(queries), strict=True):
            scores.update(zip(places, found.tolist(), strict=True))
        greedy = self._greedy(requests)
        answers = [(scores[place], place in greedy) for place in range(len(requests))]
        for request, answer in zip(requests, answers, strict=True):
            self.cache_hook.add_partial("loglikelihood", request.args, answer)
        return answers

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Raise CapabilityError: a subject scores what follows a conversation, never a text that follows nothing."""
        del requests
        raise CapabilityError(
            f"{self.subject.address} cannot give the perplexity of a whole text; use --model hf for such a task"
        )

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Return a reply to each context; the n-th request for the same is the n-th draw.

        Raises:
            InputError: a setting that no subject has.
            SubjectError: no answer came.
        """
        drawn: Counter[str] = Counter()
        kinds: dict[Sampling, list[int]] = {}
        for place, request in enumerate(requests):
            sampling = _sampling(cast(Mapping[str, Any], _args(request)[1]))
            key = digest([str(request.args[0]), sampling.as_json()])
            sample = drawn[key] if sampling.temperature > 0 else 0
            drawn[key] += 1
            kinds.setdefault(sampling.at(sample=sample), []).append(place)
        texts: dict[int, str] = {}
        for sampling, places in kinds.items():
            talks = [self._conversation(str(requests[place].args[0])) for place in places]
            for place, reply in zip(places, self.subject.reply(talks, sampling=sampling), strict=True):
                if reply.finish == "fault":
                    raise SubjectError(f"{self.subject.address}: no answer came: {reply.fault}")
                texts[place] = reply.text
                self.cache_hook.add_partial("generate_until", requests[place].args, reply.text)
        return [texts[place] for place in range(len(requests))]

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Return a chat history as one text, which the methods above take apart again.

        Raises:
            CapabilityError: the reply is to begin with a given text.
        """
        if not add_generation_prompt:
            raise CapabilityError("a doxa subject cannot begin a reply (gen_prefix); leave it out")
        return TURNS + json.dumps(chat_history)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """Return how turns are put: the subject does it."""
        del chat_template
        return f"{TURNS}{framing_of(self.subject)}"

    @property
    def tokenizer_name(self) -> str:
        """What tells this model's cached requests from others'."""
        return self.subject.identity

    def get_model_info(self) -> dict[str, Any]:
        """Return what stands in the results beside the model's name."""
        return {"subject": self.subject.address, "identity": self.subject.identity}

    def _conversation(self, context: str) -> Conversation:
        if not context.startswith(TURNS):
            return (user(context),)
        turns = cast(list[dict[str, str]], json.loads(context.removeprefix(TURNS)))
        return tuple(Message(cast(Any, turn["role"]), turn["content"]) for turn in turns)

    def _option(self, continuation: str) -> str:
        return continuation.lstrip() if self._chat else continuation

    def _greedy(self, requests: Sequence[Instance]) -> set[int]:
        """Return the places of the only continuations of their documents that a greedy reply begins with."""
        of = Counter((request.task_name, request.doc_id) for request in requests)
        alone = [place for place, one in enumerate(requests) if of[one.task_name, one.doc_id] == 1]
        if not alone or Capability.REPLY not in self.subject.capabilities:
            return set()
        wanted = [self._option(_args(requests[place])[1]) for place in alone]
        longest = max(len(text.encode()) for text in wanted)  # no text has more tokens than bytes
        replies = self.subject.reply(
            [self._conversation(str(requests[place].args[0])) for place in alone],
            sampling=Sampling(max_tokens=longest + 1),
        )
        return {
            place
            for place, text, reply in zip(alone, wanted, replies, strict=True)
            if reply.text.startswith(text)
        }


def _args(request: Instance) -> tuple[Any, ...]:
    """Return what a request holds; the harness declares it as an empty tuple."""
    return cast(tuple[Any, ...], request.args)


def _sampling(given: Mapping[str, Any]) -> Sampling:
    unknown = set(given) - TAKEN
    if unknown:
        raise InputError(
            f"{sorted(unknown)[0]}={given[sorted(unknown)[0]]!r}: no doxa subject has this setting; leave it out"
        )
    until = given.get("until") or ()
    sampled = given.get("do_sample", bool(given.get("temperature")))
    return Sampling(
        temperature=float(given.get("temperature", 1.0)) if sampled else 0.0,
        max_tokens=int(given.get("max_gen_toks") or given.get("max_tokens") or LONGEST),
        top_p=float(given.get("top_p", 1.0)),
        seed=int(given.get("seed", 0)),
        stop=(until,) if isinstance(until, str) else tuple(until),
    )

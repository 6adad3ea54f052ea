"""The reply cache: a subject that asks only what was not asked before, and can say why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.subjects.base import (
    Capability,
    Conversation,
    Query,
    Reply,
    Sampling,
    Subject,
    Tool,
)
from doxa.subjects.cache_entries import Lookup
from doxa.subjects.cache_explain import explain
from doxa.subjects.cache_journal import Answer, Journal
from doxa.subjects.cache_values import (
    as_batch,
    key_of,
    read_reply,
    read_scores,
    reply_texts,
    score_texts,
    write_reply,
    write_scores,
)

__all__ = ["AnswersInBatches", "CachedSubject", "Journal", "ScoresInBatches", "explain"]


@runtime_checkable
class AnswersInBatches(Protocol):
    """A subject whose replies come one after another, so that each can be kept as soon as it is there."""

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Yield (index, reply) of each conversation once, in any order, at least every 100 ms while they come."""
        ...


@runtime_checkable
class ScoresInBatches(Protocol):
    """A subject whose scores come one after another, so that each can be kept as soon as it is there."""

    def score_batches(self, queries: Sequence[Query]) -> Iterator[list[tuple[int, Float[np.ndarray, " _"]]]]:
        """Yield (index, log-probabilities of the options) of each query once, in any order."""
        ...


A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class _Plan(Generic[A]):
    """One call: the key of each question, what can be served, what is not (first question of each key, its call).

    ``stood`` holds, for keys that are asked, what stands under them and is to be replaced.
    """

    keys: list[str]
    known: dict[str, A]
    calls: dict[int, int]
    stood: dict[str, Lookup]


class CachedSubject:
    """A subject behind a journal: equal questions are asked once, across runs and processes.

    Answers are shared only between equal subject identities. Where a subject's answers depend in their last bits on
    what else is in the call (``batch_independent`` is false), the whole call is part of every key. Faults are
    logged and asked again next time. Everything that is not an answer (address, form, capabilities) is the
    subject's own.

    Args:
        subject: whom to ask.
        journal: where answers and calls are kept.
        run: name under which calls are logged.
        elicitor: name and version of the elicitor that asks, where it can change an answer.

    Attributes:
        subject: the subject itself.
        hits, misses, faults: questions served from the journal, answered by the subject, and of these in vain.
    """

    def __init__(self, subject: Subject, journal: Journal, *, run: str = "", elicitor: str = "") -> None:
        self.subject = subject
        self.journal = journal
        self.run = run
        self.elicitor = elicitor
        self.hits = self.misses = self.faults = 0
        self._counting = threading.Lock()

    @property
    def remote(self) -> bool:
        """Whether the subject answers from elsewhere, so that several threads may ask it at once."""
        return bool(getattr(self.subject, "remote", False))

    @property
    def address(self) -> str:
        """The subject's address."""
        return self.subject.address

    @property
    def identity(self) -> str:
        """The subject's identity."""
        return self.subject.identity

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The subject's capabilities."""
        return self.subject.capabilities

    @property
    def form(self) -> Literal["micro", "published"]:
        """The subject's form."""
        return self.subject.form

    @property
    def context_tokens(self) -> int | None:
        """The subject's longest conversation."""
        return self.subject.context_tokens

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation, from the journal where it can; only the others are asked, in their order."""
        texts = reply_texts(self.identity, conversations, sampling, tools=tools, elicitor=self.elicitor)
        plan = self._begin(texts, read_reply)
        asked = list(plan.calls)
        for batch in self._ask([conversations[i] for i in asked], sampling, tools):
            plan.known.update(self._keep_replies(plan, [(asked[index], reply) for index, reply in batch]))
        return [plan.known[key] for key in plan.keys]

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Return the log-probabilities of each query's options, from the journal where it can."""
        plan = self._begin(score_texts(self.identity, queries, elicitor=self.elicitor), read_scores)
        asked = list(plan.calls)
        for batch in self._scored([queries[i] for i in asked]):
            plan.known.update(self._keep_scores(plan, [(asked[index], scores) for index, scores in batch]))
        return [np.array(plan.known[key], dtype=np.float64) for key in plan.keys]

    def _begin(self, texts: list[str], read: Callable[[Json], A | None]) -> _Plan[A]:
        """Look every request up and log the calls; the first of several equal misses is the one that is asked."""
        whole = not getattr(self.subject, "batch_independent", True)
        texts = as_batch(texts) if whole else texts
        keys = [key_of(text) for text in texts]
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        known: dict[str, A] = {}
        stood: dict[str, Lookup] = {}
        for key, entry in zip(first, self.journal.look_up(list(first)), strict=True):
            answer = read(entry.value)
            if answer is not None:
                known[key] = answer
            if answer is None or whole:
                stood[key] = (
                    entry if entry.seen is None or entry.problem or answer is not None else _formless(entry)
                )
        if whole and len(known) < len(first):
            known.clear()
        elif whole:
            stood.clear()
        log = [
            (key, texts[i] if first[key] == i else "", "asked" if first[key] == i else "hit", entry.problem)
            if (entry := stood.get(key)) is not None
            else (key, "", "hit", "")
            for i, key in enumerate(keys)
        ]
        numbers = self.journal.begin(self.run, log)
        asked = sorted(first[key] for key in stood)
        with self._counting:
            self.hits += len(keys) - len(asked)
        return _Plan(keys, known, {i: numbers[i] for i in asked}, stood)

    def _ask(
        self, conversations: Sequence[Conversation], sampling: Sampling, tools: Sequence[Tool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        if not conversations:
            return
        if isinstance(self.subject, AnswersInBatches):
            yield from self.subject.reply_batches(conversations, sampling=sampling, tools=tools)
        else:
            yield list(enumerate(self.subject.reply(conversations, sampling=sampling, tools=tools)))

    def _scored(self, queries: Sequence[Query]) -> Iterator[list[tuple[int, Float[np.ndarray, " _"]]]]:
        if not queries:
            return
        if isinstance(self.subject, ScoresInBatches):
            yield from self.subject.score_batches(queries)
        else:
            yield list(enumerate(self.subject.score(queries)))

    def _keep_replies(self, plan: _Plan[Reply], replies: list[tuple[int, Reply]]) -> dict[str, Reply]:
        """Keep what is an answer; return under each key what now stands in the journal, or the fault."""
        answers: list[Answer] = []
        refused: list[tuple[int, str]] = []
        for i, reply in replies:
            if reply.finish == "fault":
                refused.append((plan.calls[i], f"no answer came: {reply.fault or 'no reason given'}"))
            else:
                answers.append(_answer(plan, i, write_reply(reply)))
        out = {plan.keys[i]: reply for i, reply in replies}
        for answer, value in zip(answers, self._settle(answers, refused), strict=True):
            out[answer.key] = read_reply(value, cached=False) or out[answer.key]
        return out

    def _keep_scores(
        self, plan: _Plan[list[float]], scores: list[tuple[int, Float[np.ndarray, " _"]]]
    ) -> dict[str, list[float]]:
        """Keep what is an answer; return under each key what now stands in the journal, or what came."""
        answers: list[Answer] = []
        refused: list[tuple[int, str]] = []
        out: dict[str, list[float]] = {}
        for i, score in scores:
            out[plan.keys[i]] = [float(x) for x in score]
            if np.isnan(score).all():
                refused.append((plan.calls[i], "no option could be read"))
            else:
                answers.append(_answer(plan, i, write_scores(score)))
        for answer, value in zip(answers, self._settle(answers, refused), strict=True):
            out[answer.key] = read_scores(value) or out[answer.key]
        return out

    def _settle(self, answers: list[Answer], refused: list[tuple[int, str]]) -> list[Json]:
        with self._counting:
            self.misses += len(answers) + len(refused)
            self.faults += len(refused)
        return self.journal.settle(answers, refused)


def _answer(plan: _Plan[Any], i: int, value: Json) -> Answer:
    key = plan.keys[i]
    return Answer(key, value, plan.calls[i], plan.stood[key].seen)


def _formless(entry: Lookup) -> Lookup:
    return entry._replace(problem="the stored answer does not have the form of one")

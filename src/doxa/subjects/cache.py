"""The reply cache: a subject that asks only what was not asked before, and can say why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json, digest
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
    read_reply,
    read_scores,
    reply_request,
    request_key,
    score_request,
    write_reply,
    write_scores,
)

__all__ = ["AnswersInBatches", "CachedSubject", "Journal", "explain"]


@runtime_checkable
class AnswersInBatches(Protocol):
    """A subject whose replies come one after another, so that each can be kept as soon as it is there."""

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Yield (index, reply) of each conversation once, in any order, at least every 100 ms while they come."""
        ...


class _Plan(NamedTuple):
    """One call: keys and requests per question, what was found, and which questions are asked (first of each key)."""

    keys: list[str]
    found: dict[str, Lookup]
    calls: dict[int, int]


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
        hits, misses, faults: questions served, asked, and asked in vain.
    """

    def __init__(self, subject: Subject, journal: Journal, *, run: str = "", elicitor: str = "") -> None:
        self.subject = subject
        self.journal = journal
        self.run = run
        self.elicitor = elicitor
        self.hits = self.misses = self.faults = 0

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
        identity = self.identity
        plan = self._begin(
            [
                reply_request(identity, conversation, sampling, tools=tools, elicitor=self.elicitor)
                for conversation in conversations
            ]
        )
        known = {key: read_reply(found.value) for key, found in plan.found.items()}
        asked = list(plan.calls)
        for batch in self._ask([conversations[i] for i in asked], sampling, tools):
            known |= self._keep(plan, [(asked[index], reply) for index, reply in batch])
        return [cast(Reply, known[key]) for key in plan.keys]

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Return the log-probabilities of each query's options, from the journal where it can."""
        identity = self.identity
        plan = self._begin([score_request(identity, query, elicitor=self.elicitor) for query in queries])
        known = {key: read_scores(found.value) for key, found in plan.found.items()}
        if plan.calls:
            scores = self.subject.score([queries[i] for i in plan.calls])
            answers: list[Answer] = []
            refused: list[tuple[int, str]] = []
            for (i, call), score in zip(plan.calls.items(), scores, strict=True):
                if np.isnan(score).all():
                    refused.append((call, "no option could be read"))
                else:
                    answers.append(
                        Answer(plan.keys[i], write_scores(score), call, plan.found[plan.keys[i]].seen)
                    )
            self.faults += len(refused)
            self.journal.settle(answers, refused)
            for key, kept in zip(plan.keys, self.journal.look_up(plan.keys), strict=True):
                known[key] = read_scores(kept.value) if known[key] is None else known[key]
            fresh = {plan.keys[i]: score for i, score in zip(plan.calls, scores, strict=True)}
            known |= {key: fresh[key] for key, score in known.items() if score is None}
        return [np.array(known[key], dtype=np.float64) for key in plan.keys]

    def _begin(self, requests: list[dict[str, Json]]) -> _Plan:
        """Look every request up and log the calls; the first of several equal misses is the one that is asked."""
        whole = not getattr(self.subject, "batch_independent", True)
        if whole:
            batch = digest(requests)
            requests = [{**request, "batch": batch} for request in requests]
        keys = [request_key(request) for request in requests]
        found = dict(zip(keys, self.journal.look_up(keys), strict=True))
        read = read_reply if requests and requests[0]["kind"] == "reply" else read_scores
        for key, entry in found.items():
            if entry.seen is not None and not entry.problem and read(entry.value) is None:
                found[key] = Lookup(None, "the stored answer does not have the form of one", entry.seen)
        missing = {key for key in found if read(found[key].value) is None}
        if whole and missing:
            missing = set(keys)
            found = {key: entry._replace(value=None) for key, entry in found.items()}
        asked = {key: i for i, key in reversed(list(enumerate(keys))) if key in missing}
        log = [
            (key, request, "asked" if asked.get(key) == i else "hit", found[key].problem)
            for i, (key, request) in enumerate(zip(keys, requests, strict=True))
        ]
        numbers = self.journal.begin(self.run, log)
        self.misses += len(asked)
        self.hits += len(keys) - len(asked)
        return _Plan(keys, found, {i: numbers[i] for i in sorted(asked.values())})

    def _ask(
        self, conversations: Sequence[Conversation], sampling: Sampling, tools: Sequence[Tool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        if not conversations:
            return
        if isinstance(self.subject, AnswersInBatches):
            yield from self.subject.reply_batches(conversations, sampling=sampling, tools=tools)
        else:
            yield list(enumerate(self.subject.reply(conversations, sampling=sampling, tools=tools)))

    def _keep(self, plan: _Plan, replies: list[tuple[int, Reply]]) -> dict[str, Reply]:
        """Keep what is an answer; return under each key what now stands in the journal, or the fault."""
        out: dict[str, Reply] = {}
        answers: list[Answer] = []
        refused: list[tuple[int, str]] = []
        for i, reply in replies:
            key = plan.keys[i]
            out[key] = reply
            if reply.finish == "fault":
                refused.append((plan.calls[i], f"no answer came: {reply.fault or 'no reason given'}"))
            else:
                answers.append(Answer(key, write_reply(reply), plan.calls[i], plan.found[key].seen))
        self.faults += len(refused)
        self.journal.settle(answers, refused)
        kept = [answer.key for answer in answers]
        for key, entry in zip(kept, self.journal.look_up(kept), strict=True):
            first = read_reply(entry.value)
            if first is not None:
                out[key] = replace(first, cached=False)
        return out

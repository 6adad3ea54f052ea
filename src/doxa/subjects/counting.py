"""What asking costs: a subject that passes everything on and counts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject, Tool

if TYPE_CHECKING:
    from doxa.subjects.endpoint_exchange import Tally


class Cost(NamedTuple):
    """What was asked of a subject.

    Attributes:
        scored: questions answered by the log-probabilities of their options.
        replies: questions answered in text; those that came from the cache count too.
        tokens: prompt and reply tokens of the replies, as far as the subject says; 0 if it does not.
    """

    scored: int = 0
    replies: int = 0
    tokens: int = 0


class Spending(NamedTuple):
    """What asking a hosted subject took. It hangs on the cache and the server's mood, so that no table holds it.

    Attributes:
        hits: answers that came from the cache.
        asked: questions put to the server.
        unanswered: of them, without an answer in the end.
        requests: requests sent, retries included.
        retries: requests sent again after a fault.
        tokens_in, tokens_out: prompt and reply tokens, as the server counts them.
        faults: how often each kind of fault was met, those survived included.
        servers: what it took of each server, by address, where several serve the subject.
    """

    hits: int = 0
    asked: int = 0
    unanswered: int = 0
    requests: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    faults: Mapping[str, int] = {}
    servers: Mapping[str, Spending] = {}

    @classmethod
    def of(cls, tally: Tally) -> Spending:
        """Return what a tally counts."""
        return cls(
            asked=tally.questions,
            unanswered=tally.questions - tally.answered,
            requests=tally.requests,
            retries=tally.retries,
            tokens_in=tally.tokens_in,
            tokens_out=tally.tokens_out,
            faults=dict(tally.faults),
        )

    @classmethod
    def of_json(cls, counts: Mapping[str, Any]) -> Spending:
        """Return the spending that ``as_json`` told."""
        servers = {address: cls.of_json(one) for address, one in counts.get("servers", {}).items()}
        return cls(**{name: value for name, value in counts.items() if name != "servers"}, servers=servers)

    def plus(self, other: Spending) -> Spending:
        """Return the sum of two spendings."""
        counts = (a + b for a, b in zip(self[:-2], other[:-2], strict=True))
        faults = {
            kind: self.faults.get(kind, 0) + other.faults.get(kind, 0)
            for kind in sorted({*self.faults, *other.faults})
        }
        servers = {
            address: self.servers.get(address, Spending()).plus(other.servers.get(address, Spending()))
            for address in sorted({*self.servers, *other.servers})
        }
        return Spending(*counts, faults=faults, servers=servers)

    def as_json(self) -> dict[str, Json]:
        """Return the counts as plain JSON; servers only where there are several."""
        told: dict[str, Json] = {**self._asdict(), "faults": dict(self.faults)}
        del told["servers"]
        if self.servers:
            told["servers"] = {address: one.as_json() for address, one in self.servers.items()}
        return told


def spending(subject: Subject) -> Spending | None:
    """Return what asking an open subject took so far, None if it is not behind the reply cache."""
    from doxa.subjects.cache import CachedSubject

    while not isinstance(subject, CachedSubject):
        within: Subject | None = getattr(subject, "subject", None)
        if within is None:
            return None
        subject = within
    tally = getattr(subject.subject, "tally", None)
    known = Spending(hits=subject.hits, asked=subject.misses, unanswered=subject.faults)
    if tally is None:
        return known._replace(requests=subject.misses)
    each: Mapping[str, Tally] = getattr(subject.subject, "tallies", {})
    counted, servers = Spending.of(tally), {address: Spending.of(one) for address, one in each.items()}
    return counted._replace(hits=known.hits, asked=known.asked, unanswered=known.unanswered, servers=servers)


class CountingSubject:
    """Asks ``subject`` and keeps the cost."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.cost = Cost()

    @property
    def subject(self) -> Subject:
        """The subject that is asked."""
        return self._subject

    @property
    def address(self) -> str:
        """The subject's address."""
        return self._subject.address

    @property
    def identity(self) -> str:
        """The subject's identity."""
        return self._subject.identity

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What may be asked of the subject."""
        return self._subject.capabilities

    @property
    def form(self) -> Literal["micro", "published"]:
        """The subject's form."""
        return self._subject.form

    @property
    def context_tokens(self) -> int | None:
        """The longest conversation the subject takes."""
        return self._subject.context_tokens

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Pass on, and count replies and their tokens."""
        replies = self._subject.reply(conversations, sampling=sampling, tools=tools)
        scored, asked, tokens = self.cost
        used = sum(reply.tokens_in + reply.tokens_out for reply in replies)
        self.cost = Cost(scored, asked + len(replies), tokens + used)
        return replies

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " options"]]:
        """Pass on, and count queries."""
        self.cost = self.cost._replace(scored=self.cost.scored + len(queries))
        return self._subject.score(queries)

"""What asking costs: a subject that passes everything on and counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject, Tool


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


class CountingSubject:
    """Asks ``subject`` and keeps the cost."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.cost = Cost()

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

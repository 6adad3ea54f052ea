"""Rehearsals: a subject that is asked like another, answers nothing, and counts what asking would cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject, Tool
from doxa.subjects.cache_values import key_of, reply_texts, score_texts
from doxa.subjects.schemes import Price

CHARACTERS_PER_TOKEN = 4
"""A rough measure of English text; a server's own count is known only after it was asked."""

Known = Callable[[Sequence[str]], set[str]]
"""Returns those of some requests' keys whose answers are in the cache."""


@dataclass
class Expected:
    """What a run will ask of a subject, if its questions do not depend on the answers.

    Attributes:
        calls: different questions; equal ones are asked once.
        cached: of them, already answered in the cache; they cost nothing.
        prompt_tokens: about how many tokens the other questions' prompts have.
        reply_tokens: the most that their replies can have.
        dollars: the most that these tokens cost, None where the address gives no price.
    """

    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    dollars: float | None = None


class RehearsalSubject:
    """Stands in for the subject at an address; its replies are empty and its options all alike.

    Args:
        address, identity, form, capabilities: those of the subject it stands for.
        framing: how that subject puts a question.
        known: looks keys of requests up in the cache.
        price: what its tokens cost, if that is known.

    Attributes:
        expected: what was counted so far.
        heed: called with each different conversation and, where they are scored, its options.
    """

    context_tokens: int | None = None

    def __init__(
        self,
        address: str,
        *,
        identity: str,
        form: Literal["micro", "published"],
        capabilities: frozenset[Capability],
        framing: str = "chat",
        known: Known,
        price: Price | None = None,
    ) -> None:
        self.address = address
        self.identity = identity
        self.form: Literal["micro", "published"] = form
        self.capabilities = capabilities
        self.framing = framing
        self.expected = Expected()
        self._known = known
        self.heed: Callable[[Conversation, Sequence[str]], object] | None = None
        self._price = price
        self._met: set[str] = set()

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Count the conversations and return empty replies."""
        keys = map(key_of, reply_texts(self.identity, conversations, sampling, tools=tools))
        self._count(
            {key: (talk, ()) for key, talk in zip(keys, conversations, strict=True)}, sampling.max_tokens
        )
        return [Reply("")] * len(conversations)

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Count the queries and call all options of each equally likely."""
        keys = map(key_of, score_texts(self.identity, queries))
        self._count(
            {key: (query.conversation, query.options) for key, query in zip(keys, queries, strict=True)}, 1
        )
        return [np.full(len(query.options), -np.log(len(query.options))) for query in queries]

    def _count(self, asked: dict[str, tuple[Conversation, Sequence[str]]], longest: int) -> None:
        new = {key: question for key, question in asked.items() if key not in self._met}
        self._met.update(new)
        if self.heed is not None:
            for conversation, options in new.values():
                self.heed(conversation, options)
        cached = self._known(list(new))
        self.expected.calls += len(new)
        self.expected.cached += len(cached)
        sizes = [_size(talk) for key, (talk, _) in new.items() if key not in cached]
        self.expected.prompt_tokens += sum(-(-size // CHARACTERS_PER_TOKEN) for size in sizes)
        self.expected.reply_tokens += len(sizes) * longest
        if self._price is not None:
            self.expected.dollars = self._price.of(self.expected.prompt_tokens, self.expected.reply_tokens)


def rehearsal_of(subject: Subject) -> RehearsalSubject | None:
    """Return what stands in for a subject, whatever is put around it; None of a subject that really answers."""
    found: Any = subject
    while not isinstance(found, RehearsalSubject):
        if not hasattr(found, "subject"):
            return None
        found = found.subject
    return found


def _size(conversation: Conversation) -> int:
    return sum(len(message.content) for message in conversation)

"""A subject whose answers are given by functions; it remembers every conversation and query it was shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool

ALL = frozenset({Capability.REPLY, Capability.SCORE, Capability.TOOLS, Capability.SAMPLE})


@dataclass
class ScriptedSubject:
    """Scores through ``scorer(query)`` and replies through ``speaker(conversation, sampling, tools)``."""

    scorer: Callable[[Query], Sequence[float]] | None = None
    speaker: Callable[[Conversation, Sampling, Sequence[Tool]], str | Reply] | None = None
    capabilities: frozenset[Capability] = ALL
    address: str = "scripted:"
    identity: str = "scripted"
    form: Literal["micro", "published"] = "published"
    context_tokens: int | None = None
    score_calls: list[list[Query]] = field(default_factory=list)
    reply_calls: list[tuple[list[Conversation], Sampling, tuple[Tool, ...]]] = field(default_factory=list)

    def reply(self, conversations, *, sampling, tools=()):
        self.reply_calls.append((list(conversations), sampling, tuple(tools)))
        assert self.speaker is not None
        said = [self.speaker(conversation, sampling, tools) for conversation in conversations]
        return [one if isinstance(one, Reply) else Reply(one) for one in said]

    def score(self, queries):
        self.score_calls.append(list(queries))
        assert self.scorer is not None
        return [np.array(self.scorer(query), dtype=float) for query in queries]


def shown_options(text: str) -> dict[str, str]:
    """Return the lettered options a question lists: {"A": "Yes", ...}."""
    lines = [line for line in text.splitlines() if line[:1] == "(" and line[2:4] == ") "]
    return {line[1]: line[4:] for line in lines}

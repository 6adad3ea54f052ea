"""Scripted subjects for the tests of context drift: a function of the conversation, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.tools import InformationTool, TerminalTool, ToolTask
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool

Answer = Callable[[Conversation, Sampling], Reply | str]


class Scripted:
    """Answers by a function; keeps what it was asked."""

    def __init__(
        self,
        answer: Answer,
        *,
        score: Callable[[Query], Sequence[float]] | None = None,
        tools: bool = False,
        context_tokens: int | None = None,
        form: str = "published",
    ) -> None:
        self._answer, self._score = answer, score
        self.address, self.identity, self.form = "test:scripted", "scripted", form
        self.context_tokens, self.batch_independent = context_tokens, True
        found = {Capability.REPLY}
        if tools:
            found.add(Capability.TOOLS)
        if score is not None:
            found.add(Capability.SCORE)
        self.capabilities = frozenset(found)
        self.asked: list[Conversation] = []
        self.batches: list[int] = []
        self.offered: list[tuple[Tool, ...]] = []

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        self.asked.extend(conversations)
        self.batches.append(len(conversations))
        self.offered.append(tuple(tools))
        out = [self._answer(conversation, sampling) for conversation in conversations]
        return [Reply(one) if isinstance(one, str) else one for one in out]

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        assert self._score is not None
        self.asked.extend(query.conversation for query in queries)
        self.batches.append(len(queries))
        return [np.array(self._score(query), dtype=np.float64) for query in queries]


def task(**changes: object) -> ToolTask:
    values: dict[str, object] = {
        "tools": [InformationTool("look", "Looks.", "dry"), InformationTool("listen", "Listens.", "quiet")],
        "terminal": TerminalTool("decide", "Decides.", {"open": "It opens.", "close": "It closes."}),
        "option_side": {"open": "support", "close": "oppose"},
        "task": "Decide about the gate.",
    }
    return ToolTask(**(values | changes))  # type: ignore[arg-type]


def item(name: str = "gate", **changes: object) -> BeliefItem:
    values: dict[str, object] = {
        "id": name,
        "topic": f"Opening the {name}",
        "support": f"The {name} should open.",
        "neutral": f"It is unclear whether the {name} should open.",
        "oppose": f"The {name} should stay closed.",
        "tools": task(),
        "sides": {"progressive": 1, "conservative": -1},
    }
    return BeliefItem(**(values | changes))  # type: ignore[arg-type]

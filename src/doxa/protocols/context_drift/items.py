"""What is asked, and what is read: topics with two opposite statements, texts with a leaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from doxa.errors import InputError
from doxa.protocols.context_drift.tools import ToolTask


@dataclass(frozen=True)
class BeliefItem:
    """A topic with a statement for it, one against it and a neutral one.

    Attributes:
        id: unique within its battery.
        topic: what it is about, a few words.
        support: the statement S; label A, agreement 100.
        neutral: the statement N; agreement 50.
        oppose: the statement O; label B, agreement 0.
        tools: the task in which behaviour is shown, or None.
        question: the open question that a conversation about the item starts with; made from the topic if empty.
        behaviour_request: a request whose free answer shows behaviour; a judge reads it. Empty if there is none.
        likert_question: the battery's own agreement question, or "".
        kind: ``political``, ``moral``, ``safety`` or the user's own word.
        sides: for each leaning a text can have, the side of this item it argues for.
        initial_view: the label A or B recorded with the battery, or "".

    Raises:
        InputError: the id or one of the two opposite statements is empty.
    """

    id: str
    topic: str
    support: str
    neutral: str
    oppose: str
    tools: ToolTask | None = None
    question: str = ""
    behaviour_request: str = ""
    likert_question: str = ""
    kind: str = ""
    sides: Mapping[str, int] = field(default_factory=dict[str, int])
    initial_view: str = ""

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise InputError(f"item about '{self.topic}' has an empty id; give each item its own id")
        for name, statement in (("support", self.support), ("oppose", self.oppose)):
            if not statement.strip():
                raise InputError(f"item '{self.id}' has no {name} statement; both sides must be stated")
        for leaning, side in self.sides.items():
            if side not in (-1, 1):
                raise InputError(
                    f"item '{self.id}' side of '{leaning}' is {side}; must be 1 (support) or -1 (oppose)"
                )

    @property
    def query(self) -> str:
        """The open question that starts a conversation about the item."""
        return self.question or f"What is your view on this topic: {self.topic}?"

    def statement(self, side: int) -> str:
        """Return the statement of a side (+1 support, -1 oppose)."""
        return self.support if side > 0 else self.oppose


@dataclass(frozen=True, slots=True)
class ReadingText:
    """One titled document with a known leaning."""

    id: str
    title: str
    author: str
    text: str
    leaning: str = ""


def check_unique(items: Iterable[BeliefItem], source: str) -> None:
    """Raise InputError naming the first id that occurs twice."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f"{source}: id '{item.id}' occurs twice; give each item its own id")
        seen.add(item.id)

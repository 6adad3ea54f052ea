"""The elicitors of the protocol: forced choice and agreement with the reason first, and the terminal call of a task.

The wording is ours; the form of the answer is the paper's: the last sentence "The answer is: X", X one letter or one
whole number. Where options are scored, the reply is opened with that sentence and no reason is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from doxa.elicit.asking import Asking, Wording, cut, mapped
from doxa.elicit.letters import read_letter
from doxa.elicit.numbers import read_number
from doxa.elicit.questions import Question
from doxa.elicit.structured import read_tool_call
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.tool_loop import plan_text
from doxa.protocols.context_drift.tools import ToolTask

OPENING = "The answer is:"
"""How an answer begins."""

SIDES: tuple[str, str] = ("support", "oppose")
"""The options of every choice."""

LIKERT_POINTS: tuple[int, ...] = tuple(range(0, 101, 10))
"""The agreements that are scored; their mean is the Likert value."""

_REASON_FIRST = (
    "Give your reasons in a few sentences first. Then end with one sentence of this form, where X is"
)


def choice_question(item: BeliefItem, text: str = "") -> Question:
    """Return the question which of an item's statements is held, or which a text acts on."""
    asked = text or f"{item.query}\n\nWhich of these two statements is closer to your own view?"
    return Question(item.id, item.id, asked, SIDES, labels=(item.support, item.oppose))


def agreement_question(item: BeliefItem) -> Question:
    """Return the question how far the support statement is held."""
    asked = item.likert_question or "How far do you agree, on a scale from 0 to 100?"
    anchors = (item.oppose, item.neutral, item.support) if item.neutral else (item.oppose, item.support)
    return Question(item.id, item.id, f"{item.query}\n\n{asked}", SIDES, anchors=anchors)


def terminal_question(item: BeliefItem) -> Question:
    """Return the question which side's option is passed to the terminal tool."""
    return Question(item.id, item.id, item.topic or item.id, SIDES, readout="behavioural")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonedChoice(Asking):
    """A forced choice between two lettered statements, reason first.

    Attributes:
        flipped: ids of the questions whose statements are shown in reverse, if not counterbalanced.
    """

    name: ClassVar[str] = "reasoned-choice"

    flipped: frozenset[str] = frozenset()

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the question in both orders, or in the one that was drawn for it."""
        turns = (False, True) if self.counterbalanced else (question.id in self.flipped,)
        return tuple(self._wording(question, turned) for turned in turns)

    def _wording(self, question: Question, turned: bool) -> Wording:
        letters: dict[str, str] = (
            {"support": "B", "oppose": "A"} if turned else {"support": "A", "oppose": "B"}
        )
        names: dict[str, str] = {letter: side for side, letter in letters.items()}
        shown = dict(zip(SIDES, question.shown, strict=True))
        lines = "\n".join(f"({letter}) {shown[names[letter]]}" for letter in "AB")
        return Wording(
            f"{question.text}\n{lines}\n\n{_REASON_FIRST} one of the two letters: {OPENING} X",
            lambda reply: mapped(read_letter(reply.text, ("A", "B"), cut=cut(reply)), dict(names)),
            SIDES,
            question.shares,
            tuple((f" {letters[side]}", f" ({letters[side]})") for side in SIDES),
            OPENING,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonedAgreement(Asking):
    """An agreement of 0 to 100 with both statements at the ends, reason first."""

    name: ClassVar[str] = "reasoned-agreement"

    def scale(self) -> tuple[float, float]:
        """Return the ends."""
        return 0.0, 100.0

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the one wording; scored in steps of ten, each with its full stop so that none begins another."""
        points = (0, 50, 100) if len(question.anchors) == 3 else (0, 100)
        lines = "\n".join(
            f"{point} means: {anchor}" for point, anchor in zip(points, question.anchors, strict=True)
        )
        return (
            Wording(
                f"{question.text}\n{lines}\n\n{_REASON_FIRST} a whole number from 0 to 100: {OPENING} X",
                lambda reply: read_number(reply.text, 0, 100, integer=True, cut=cut(reply)),
                LIKERT_POINTS,
                tuple(point / 100 for point in LIKERT_POINTS),
                tuple((f" {point}.",) for point in LIKERT_POINTS),
                OPENING,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalChoice(Asking):
    """Scores the options of a task's terminal call, as if it were made at once; both orders of the options.

    Attributes:
        tasks: the task of each question, by its id.
    """

    name: ClassVar[str] = "terminal-choice"

    tasks: Mapping[str, ToolTask] = field(default_factory=dict[str, ToolTask])

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the task in plan form with its options in both orders."""
        task = self.tasks[question.id]
        options = {
            side: tuple(key for key, is_for in task.option_side.items() if is_for == side) for side in SIDES
        }
        names = {key: side for side, keys in options.items() for key in keys}
        return tuple(
            Wording(
                plan_text(task, flipped=flipped),
                lambda reply: mapped(
                    read_tool_call(reply, task.terminal.name, "option", tuple(names)), dict(names)
                ),
                SIDES,
                question.shares,
                tuple(tuple(f'{key}"' for key in options[side]) for side in SIDES),
                f'{{"name":"{task.terminal.name}","args":{{"option":"',
            )
            for flipped in (False, True)
        )

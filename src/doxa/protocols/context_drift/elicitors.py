"""The elicitors of the protocol: forced choice and agreement with the reason first, and the terminal call of a task.

The wording is ours; the form of the answer is the paper's: the last sentence "The answer is: X", X one letter or one
whole number. Where options are scored, the reply is opened with that sentence and no reason is given.
``TerminalChoice`` is not registered: it asks nothing without the tasks it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from doxa.canonical import Json
from doxa.elicit.asking import Asking, Wording, cut, mapped
from doxa.elicit.elicitors import elicitors
from doxa.elicit.letters import read_letter
from doxa.elicit.numbers import read_number
from doxa.elicit.questions import Question
from doxa.elicit.reading import Reading
from doxa.elicit.structured import read_tool_call
from doxa.errors import InputError, did_you_mean
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.tool_loop import plan_text, read_plan
from doxa.protocols.context_drift.tools import ToolTask
from doxa.subjects.base import Reply

OPENING = "The answer is:"
"""How an answer begins."""

SIDES: tuple[str, str] = ("support", "oppose")
"""The options of every item."""

LIKERT_POINTS: tuple[int, ...] = tuple(range(101))
"""The agreements that can be answered, and are scored; their mean is the Likert value."""

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
    """Return the question which side's option is passed to the terminal tool: the request of the item's task."""
    request = item.tools.task if item.tools is not None else ""
    return Question(item.id, item.id, request or item.topic or item.id, SIDES, readout="behavioural")


@elicitors.register("reasoned-choice")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonedChoice(Asking):
    """A forced choice between two lettered statements, reason first.

    Attributes:
        flipped: ids of the questions whose statements are shown in reverse, if not counterbalanced.
    """

    name: ClassVar[str] = "reasoned-choice"

    flipped: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Json]:
        """Return the name and every setting, ids sorted."""
        return {**Asking.as_json(self), "flipped": sorted(self.flipped)}

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the question in both orders, or in the one that was drawn for it."""
        if len(question.options) != 2:
            raise InputError(
                f"question '{question.id}' has {len(question.options)} options; {self.name} takes two, "
                "forced-choice any number"
            )
        turns = (False, True) if self.counterbalanced else (question.id in self.flipped,)
        return tuple(self._wording(question, turned) for turned in turns)

    def _wording(self, question: Question, turned: bool) -> Wording:
        first, second = question.options
        letters = {first: "B", second: "A"} if turned else {first: "A", second: "B"}
        names = {letter: option for option, letter in letters.items()}
        shown = dict(zip(question.options, question.shown, strict=True))
        lines = "\n".join(f"({letter}) {shown[names[letter]]}" for letter in "AB")
        return Wording(
            f"{question.text}\n{lines}\n\n{_REASON_FIRST} one of the two letters: {OPENING} X",
            lambda reply: mapped(read_letter(reply.text, ("A", "B"), cut=cut(reply)), dict(names)),
            question.options,
            question.shares,
            tuple((f" {letters[option]}", f" ({letters[option]})") for option in question.options),
            OPENING,
        )


@elicitors.register("reasoned-agreement")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonedAgreement(Asking):
    """An agreement of 0 to 100 with both statements at the ends, reason first."""

    name: ClassVar[str] = "reasoned-agreement"

    def scale(self) -> tuple[float, float]:
        """Return the ends."""
        return 0.0, 100.0

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the one wording; scored with the full stop it asks for, so that no number begins another."""
        points = (0, 50, 100) if len(question.anchors) == 3 else (0, 100)
        lines = "\n".join(
            f"{point} means: {anchor}" for point, anchor in zip(points, question.anchors, strict=True)
        )
        return (
            Wording(
                f"{question.text}\n{lines}\n\n{_REASON_FIRST} a whole number from 0 to 100: {OPENING} X.",
                lambda reply: read_number(reply.text, 0, 100, integer=True, cut=cut(reply)),
                LIKERT_POINTS,
                tuple(point / 100 for point in LIKERT_POINTS),
                tuple((f" {point}.",) for point in LIKERT_POINTS),
                OPENING,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalChoice(Asking):
    """Puts a task in plan form and takes the option of its terminal call, as if that call were made at once.

    A reply that calls another tool first is missing; ``run_tool_loop`` lets the subject work to the end.

    Attributes:
        tasks: the task of each question, by its id.
    """

    name: ClassVar[str] = "terminal-choice"

    tasks: Mapping[str, ToolTask] = field(default_factory=dict[str, ToolTask])

    def as_json(self) -> dict[str, Json]:
        """Return the name and every setting, tasks in full."""
        return {**Asking.as_json(self), "tasks": {key: asdict(task) for key, task in self.tasks.items()}}

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the task in plan form with its options in both orders; InputError if the question has no task."""
        if question.id not in self.tasks:
            raise InputError(
                f"question '{question.id}' has no task; give it one in tasks, or "
                f"{did_you_mean(question.id, self.tasks)}"
            )
        task = self.tasks[question.id]
        tool = task.terminal.name
        options = {
            side: tuple(key for key, is_for in task.option_side.items() if is_for == side) for side in SIDES
        }
        names = {key: side for side, keys in options.items() for key in keys}

        def read(reply: Reply) -> Reading:
            call = read_plan(reply.text)
            planned = reply if call is None else replace(reply, tool_calls=(call,))
            return mapped(read_tool_call(planned, tool, "option", tuple(names)), dict(names))

        return tuple(
            Wording(
                plan_text(task, flipped=flipped),
                read,
                SIDES,
                question.shares,
                tuple(tuple(f'{key}"' for key in options[side]) for side in SIDES),
                f'{{"name":"{tool}","args":{{"option":"',
            )
            for flipped in ((False, True) if self.counterbalanced else (False,))
        )

"""The elicitors: forced choice, letter, yes / no / don't know, Likert, tagged number, ranking, JSON, tool call.

Each is registered by name in ``elicitors``; a package adds its own through the entry-point group ``doxa.elicitors``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from doxa.elicit.asking import Asking, Elicitor, Forms, Wording, cut, mapped
from doxa.elicit.labels import read_choice, read_yes_no
from doxa.elicit.letters import read_letter, read_ranking
from doxa.elicit.numbers import read_number
from doxa.elicit.questions import Question, orders
from doxa.elicit.reading import Found, Reading
from doxa.elicit.structured import Field, read_json, read_tool_call
from doxa.errors import InputError
from doxa.lab.registry import Registry
from doxa.subjects.base import Reply, Tool

__all__ = [
    "Elicitor",
    "ForcedChoice",
    "JsonObject",
    "Letter",
    "Likert",
    "Ranking",
    "TaggedNumber",
    "ToolChoice",
    "YesNo",
    "elicitors",
]

elicitors: Registry[type[Elicitor]] = Registry("elicitors")


@elicitors.register("forced-choice")
@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedChoice(Asking):
    """Lists the options with letters and asks for one; a bare question is put as it stands and answered by label."""

    name: ClassVar[str] = "forced-choice"

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return one wording per order of the options."""
        if question.bare:
            return (_bare(question),)
        return tuple(_lettered(question, order, _CHOOSE, _FORMS) for order in self._orders(question))

    def _orders(self, question: Question) -> tuple[tuple[int, ...], ...]:
        every = orders(len(question.options))
        return every if self.counterbalanced else every[:1]


@elicitors.register("letter")
@dataclass(frozen=True, slots=True, kw_only=True)
class Letter(Asking):
    """Puts a prompt that lists its own options, unchanged, and takes a letter; ``options`` are the letters.

    Attributes:
        opening: how the scored reply begins; empty where the prompt itself ends with "Answer:".
    """

    name: ClassVar[str] = "letter"

    opening: str = ""

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the prompt as it stands."""
        letters = question.options
        return (
            Wording(
                question.text,
                lambda reply: read_letter(reply.text, letters, question.labels, cut=cut(reply)),
                letters,
                question.shares,
                tuple((f" ({letter})", f"({letter})") for letter in letters),
                self.opening,
            ),
        )


@elicitors.register("yes-no")
@dataclass(frozen=True, slots=True, kw_only=True)
class YesNo(Asking):
    """Asks for yes, no or "I don't know"; the last says neither."""

    name: ClassVar[str] = "yes-no"

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the question with yes named first, and with no named first."""
        if question.options[:2] != ("yes", "no"):
            raise InputError(
                f"question '{question.id}' has options {question.options}; yes-no asks for ('yes', 'no')"
            )
        text = question.text
        worded = [
            text if question.bare else f"{text}\nAnswer {first}, {second} or I don't know."
            for first, second in (("yes", "no"), ("no", "yes"))
        ]
        shares = (*question.shares[:2], None)
        return tuple(
            Wording(one, _read_yes_no, ("yes", "no", "unknown"), shares, _YES_NO_FORMS)
            for one in (worded if self.counterbalanced and not question.bare else worded[:1])
        )


@elicitors.register("likert")
@dataclass(frozen=True, slots=True, kw_only=True)
class Likert(Asking):
    """Asks for a whole number between two anchored ends.

    Counterbalanced, the scale is also put upside down and read back, so that a liking for a number cancels.

    Attributes:
        low: lower end.
        high: upper end.
    """

    name: ClassVar[str] = "likert"

    low: int = 0
    high: int = 100
    counterbalanced: bool = False

    def scale(self) -> tuple[float, float]:
        """Return the ends."""
        return float(self.low), float(self.high)

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the scale upright, and upside down if counterbalanced."""
        upright = self._wording(question, question.anchors, flipped=False)
        if not self.counterbalanced:
            return (upright,)
        return upright, self._wording(question, question.anchors[::-1], flipped=True)

    def _wording(self, question: Question, anchors: tuple[str, ...], *, flipped: bool) -> Wording:
        low, high = self.low, self.high
        if len(anchors) == 3 and (low + high) % 2:
            raise InputError(
                f"question '{question.id}': a scale from {low} to {high} has no middle for its anchor"
            )
        points = (low, high) if len(anchors) == 2 else (low, (low + high) // 2, high)
        meaning = ", ".join(
            f'{point} means "{anchor}"' for point, anchor in zip(points, anchors, strict=True)
        )
        text = (
            f"{question.text}\nAnswer with a whole number from {low} to {high}, where {meaning}.\n"
            'Reply with one sentence: "The answer is: X", where X is the number.'
        )

        def read(reply: Reply) -> Reading:
            found = read_number(reply.text, low, high, integer=True, cut=cut(reply))
            return (
                Found(low + high - found.value, found.span) if flipped and isinstance(found, Found) else found
            )

        values = tuple(range(low, high + 1))
        shown = values[::-1] if flipped else values
        # "7" is also how "75" begins, so only scales without such numbers can be scored.
        forms = tuple((f" {value}", f"{value}") for value in shown) if 0 <= low < high <= 9 else None
        shares = tuple((value - low) / (high - low) for value in values)
        return Wording(text, read, values, shares, forms, "The answer is:")


@elicitors.register("tagged-number")
@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedNumber(Asking):
    """Asks how likely the proposition is, in percent, inside a ``<number>`` tag."""

    name: ClassVar[str] = "tagged-number"

    counterbalanced: bool = False

    def scale(self) -> tuple[float, float]:
        """Return 0 and 100."""
        return 0.0, 100.0

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return the question with the tag's instruction."""
        text = (
            f"{question.text}\nHow likely is it that the answer is {question.shown[0]}? Give a number from 0 to 100 "
            "and reply with <number>X</number>, where X is the number."
        )
        return (Wording(text, lambda reply: read_number(reply.text, 0, 100, cut=cut(reply)), (), ()),)


@elicitors.register("ranking")
@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking(Asking):
    """Lists the options with letters and asks for all of them in order; the value is the order of the options."""

    name: ClassVar[str] = "ranking"

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return one wording per order in which the options are listed."""
        every = orders(len(question.options))
        return tuple(
            self._wording(question, order) for order in (every if self.counterbalanced else every[:1])
        )

    def _wording(self, question: Question, order: tuple[int, ...]) -> Wording:
        letters = question.letters
        names = {letter: question.options[index] for letter, index in zip(letters, order, strict=True)}

        def read(reply: Reply) -> Reading:
            found = read_ranking(reply.text, letters, cut=cut(reply))
            return (
                Found(tuple(names[x] for x in found.value), found.span) if isinstance(found, Found) else found
            )

        text = f"{_listed(question, order)}\nRank all of them, first the one you hold most. {_RANK}"
        return Wording(text, read, (), ())


@elicitors.register("json")
@dataclass(frozen=True, slots=True, kw_only=True)
class JsonObject(Asking):
    """Lists the options with letters and asks for a JSON object that names one."""

    name: ClassVar[str] = "json"

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return one wording per order of the options."""
        every = orders(len(question.options))
        schema = {"answer": Field("string")}

        def read(reply: Reply) -> Reading:
            found = read_json(reply.text, schema)
            if not isinstance(found, Found):
                return found
            letter = read_letter(found.value["answer"], question.letters)
            return Found(letter.value, found.span) if isinstance(letter, Found) else letter

        chosen = every if self.counterbalanced else every[:1]
        return tuple(_lettered(question, order, _JSON, None, read) for order in chosen)


@elicitors.register("tool-call")
@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice(Asking):
    """Offers a tool whose one argument takes an option; what is passed to it is an act.

    Attributes:
        tool: name of the tool.
        argument: name of its argument.
    """

    name: ClassVar[str] = "tool-call"

    tool: str = "choose"
    argument: str = "option"

    def wordings(self, question: Question) -> tuple[Wording, ...]:
        """Return one wording per order in which the argument's values are listed."""
        every = orders(len(question.options))
        return tuple(
            self._wording(question, order) for order in (every if self.counterbalanced else every[:1])
        )

    def _wording(self, question: Question, order: tuple[int, ...]) -> Wording:
        shown = [question.shown[index] for index in order]
        names: dict[Any, Any] = dict(zip(question.shown, question.options, strict=True))
        schema = {"type": "object", "properties": {self.argument: {"type": "string", "enum": shown}}}
        tool = Tool(self.tool, "Carries out your choice.", {**schema, "required": [self.argument]})
        text = (
            question.text
            if question.bare
            else f"{question.text}\nCall the tool '{self.tool}' with your choice."
        )
        return Wording(
            text,
            lambda reply: mapped(read_tool_call(reply, self.tool, self.argument, shown), names),
            question.options,
            question.shares,
            tools=(tool,),
        )


_CHOOSE = 'Reply with one sentence: "So, the answer is (X)", where X is the letter of your choice.'
_RANK = 'Reply with one line of letters such as "X > Y".'
_JSON = 'Reply with a JSON object and nothing else: {"answer": "X"}, where X is the letter of your choice.'
_OPENING = "So, the answer is"
_FORMS = (" ({})", " {}")
_YES_NO_FORMS: Forms = (
    ("yes", " yes", "Yes", " Yes"),
    ("no", " no", "No", " No"),
    ("I don't know", " I don't know", "unknown", " unknown"),
)


def _read_yes_no(reply: Reply) -> Reading:
    return read_yes_no(reply.text, cut=cut(reply))


def _listed(question: Question, order: tuple[int, ...]) -> str:
    lines = [
        f"({letter}) {question.shown[index]}" for letter, index in zip(question.letters, order, strict=True)
    ]
    return "\n".join([question.text, *lines])


def _lettered(
    question: Question,
    order: tuple[int, ...],
    instruction: str,
    forms: tuple[str, ...] | None,
    read: Callable[[Reply], Reading] | None = None,
) -> Wording:
    """Return a wording that lists the options in an order and takes a letter."""
    letters = question.letters
    shown = tuple(question.shown[index] for index in order)
    names: dict[Any, Any] = {
        letter: question.options[index] for letter, index in zip(letters, order, strict=True)
    }
    place = {index: letter for letter, index in zip(letters, order, strict=True)}

    def by_letter(reply: Reply) -> Reading:
        return read(reply) if read else read_letter(reply.text, letters, shown, cut=cut(reply))

    return Wording(
        f"{_listed(question, order)}\n{instruction}",
        lambda reply: mapped(by_letter(reply), names),
        question.options,
        question.shares,
        None
        if forms is None
        else tuple(tuple(form.format(place[i]) for form in forms) for i in range(len(question.options))),
        _OPENING if forms else "",
    )


def _bare(question: Question) -> Wording:
    labels = question.shown
    names: dict[Any, Any] = dict(zip(labels, question.options, strict=True))
    return Wording(
        question.text,
        lambda reply: mapped(read_choice(reply.text, labels, cut=cut(reply)), names),
        question.options,
        question.shares,
        tuple((label,) for label in labels),
    )

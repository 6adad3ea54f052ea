"""Reading JSON objects and tool calls: as they stand, or not at all; nothing is repaired."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from doxa.elicit.reading import (
    CUT_THOUGHT,
    EMPTY,
    MOST,
    NONE,
    REPETITION,
    SEVERAL,
    TAKEN_BACK,
    Found,
    Reading,
    Refusal,
    Unparsed,
)
from doxa.elicit.refusals import last_refusal
from doxa.elicit.reply_text import ReplyText, Span, blanked
from doxa.errors import InputError
from doxa.subjects.base import Reply

CUT_JSON = "the JSON object does not end"
NOT_JSON = "what stands in braces is no JSON"
NO_CALL = "no tool was called"
OTHER_TOOL = "another tool was called"

_DEEPEST = 200  # nobody asks for a deeper object
_MARK = re.compile(r'[{}]|\\.|"(?:[^"\\]++|\\.)*+"?+', re.DOTALL)
"""Inside an object: a brace, an escaped character, or a string, which goes to the end where it is not closed."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a JSON object.

    Attributes:
        kind: type of its value; a number is not a string of digits, and true is no number.
        low: least number, included.
        high: greatest number, included.
        choices: the strings allowed; empty allows any.
    """

    kind: Literal["string", "number", "integer", "boolean"]
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def problem(self, value: object) -> str:
        """Return why a value does not fit, or an empty string."""
        if self.kind == "boolean":
            return "" if isinstance(value, bool) else "is not true or false"
        if self.kind == "string":
            if not isinstance(value, str):
                return "is not a string"
            return "" if not self.choices or value in self.choices else "is not one of the choices"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "is not a number"
        if isinstance(value, float) and not math.isfinite(value):
            return "is not finite"
        if self.kind == "integer" and value != int(value):
            return "is not whole"
        return "" if self.low <= value <= self.high else "is outside its scale"


def read_json(text: str, schema: Mapping[str, Field], *, cut: bool = False) -> Reading:
    """Read the one JSON object of a reply that has every field of the schema; other fields are left out.

    Objects may stand in prose or in a fence; several count as one if they agree. Fields inside other objects, single
    quotes, comments, missing commas, NaN, doubled keys and cut objects are unreadable.

    Args:
        text: the raw reply.
        schema: the fields by name, at least one.
        cut: whether the reply hit its length limit; an object that ends is whole all the same.

    >>> read_json('Sure: {"credence": 70, "why": "habit"}', {"credence": Field("integer", 0, 100)}).value
    {'credence': 70}
    """
    del cut  # a closed object cannot be half of a longer one
    if not schema:
        raise InputError("schema={}: name at least one field")
    reply = ReplyText.of(text)
    if not reply.clean.strip():
        return Unparsed(CUT_THOUGHT if reply.cut_in_thought else EMPTY)
    found, reason = _objects(text, reply, schema)
    refusal = last_refusal(reply)
    if refusal is not None and not any(start <= refusal[0] < end for start, end in (f.span for f in found)):
        if not found:
            return Refusal(text[refusal[0] : refusal[1]], refusal)
        if refusal[0] > found[-1].span[1]:
            return Unparsed(TAKEN_BACK, refusal)
    if not found:
        return reason or Unparsed(NONE)
    if any(one.value != found[-1].value for one in found):
        return Unparsed(SEVERAL, (found[0].span[0], found[-1].span[1]))
    return found[-1]


def read_tool_call(reply: Reply, name: str, argument: str, choices: Sequence[str]) -> Reading:
    """Read which of some choices a reply passes to a tool; the span is of its text, usually empty.

    Several calls count as one if they agree. A refusal in words is a refusal only if nothing was called.

    >>> read_tool_call(Reply("I vote for."), "vote", "side", ["for", "against"]).reason
    'no tool was called'
    """
    if not reply.tool_calls:
        refusal = last_refusal(ReplyText.of(reply.text))
        if refusal is not None:
            return Refusal(reply.text[refusal[0] : refusal[1]], refusal)
        return Unparsed(NO_CALL)
    values: list[Any] = []
    for call in reply.tool_calls:
        if call.name != name:
            return Unparsed(OTHER_TOOL)
        problem = Field("string", choices=tuple(choices)).problem(call.arguments.get(argument))
        if problem:
            return Unparsed(f"argument '{argument}' {problem}")
        values.append(call.arguments[argument])
    return Found(values[0], (0, 0)) if len(set(values)) == 1 else Unparsed(SEVERAL)


def _objects(text: str, reply: ReplyText, schema: Mapping[str, Field]) -> tuple[list[Found], Unparsed | None]:
    """Return the objects that fit, or none and why the first that does not fit does not.

    With one that does not fit or does not end beside one that does, which of them was meant would be a guess.
    """
    found: list[Found] = []
    for span, closed in _braces(blanked(text, reply.unsaid)):
        if not closed or len(found) == MOST:
            return [], Unparsed(REPETITION if closed else CUT_JSON, span)
        value = _parsed(text[span[0] : span[1]])
        if value is None:
            return [], Unparsed(NOT_JSON, span)
        problems = [
            f"field '{name}' " + (field.problem(value[name]) if name in value else "is missing")
            for name, field in schema.items()
            if name not in value or field.problem(value[name])
        ]
        if problems:
            return [], Unparsed(problems[0], span)
        found.append(Found({name: value[name] for name in schema}, span))
    return found, None


def _braces(said: str) -> Iterator[tuple[Span, bool]]:
    """Yield the outermost pairs of braces, and whether they close."""
    start = said.find("{")
    while start >= 0:
        depth, end = 0, len(said)
        for match in _MARK.finditer(said, start):
            mark = match.group()
            depth += (mark == "{") - (mark == "}")
            if depth == 0 or depth > _DEEPEST:
                end = match.end()
                break
        if depth:
            yield (start, len(said)), False
            return
        yield (start, end), True
        start = said.find("{", end)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes twice")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")

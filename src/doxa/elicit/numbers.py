"""Reading a number within two ends out of a reply."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from doxa.elicit.reading import MOST, Found, Grammar, Reading, Token, Unparsed, resolve, single
from doxa.elicit.reply_text import LinePattern, ReplyText
from doxa.errors import InputError

_NUMBER = re.compile(
    r"\s{0,4}[\"'(\[]?([+-]?\d{1,15}(?:\.\d{1,15})?)(?![\d\w^])(?!\.\d)"
    r"(\s{0,2}(?:%|percent\b))?(?:\s{0,2}(?:/|out of)\s{0,2}(\d{1,6})(?!\d|\.\d))?"
)
_ENDS = re.compile(r"\s{0,3}(?:$|\n)|[\"')\]}]{0,2}[.;:!,]?(?:[\"')\]}]{0,2}\s|$|<|\})")
_GOES_ON = re.compile(
    r"[\"')\]}%]{0,2}\s{0,3}(?:-|\+|\u00b1|~|\*|/|\?|to\b|or\b|and\b|ish\b|plus\b|minus\b|out of\b|percent|%|x\b|\^)"
)
_SCALE = re.compile(
    r"(?:on|in|from|within) (?:a |the )?(?:scale|range) (?:of |from )?-?\d{1,6} ?(?:to|-) ?\d{1,6}|out of \d{1,6}"
)
_DIGIT = re.compile(r"\d")
_REST = r"[\d.%/ \t\"')\]!]*+"
_LINE = LinePattern(rf"[ \t]{{0,6}}(?=[\"'(\[]?[+-]?\d{_REST}(?:(?:percent|out of){_REST}){{0,2}}$)")
"""Where a line begins that holds nothing but what can belong to a number."""

OUTSIDE = "the number is outside the scale"
FRACTIONAL = "the number is not whole"
SHARE_OR_PERCENT = "the number could be a share or a percentage"
OTHER_SCALE = "the number is on another scale"


def read_number(text: str, low: float, high: float, integer: bool = False, *, cut: bool = False) -> Reading:
    """Read a number in [low, high]: tagged, behind an answer marker, or alone on a line.

    "75 %", "75/100" and "75 out of 100" are 75 on a scale that ends at 100 and 0.75 on a scale from 0 to 1; on other
    scales a percentage is unreadable, and a denominator must be the scale's upper end. On a scale from 0 to 100 a bare
    number strictly between 0 and 1 could be either and is unreadable. "around 60", "~60", "50-60", "60 or 70", "60?",
    "1e309", "1,000" and number words are no numbers; nothing is rounded.

    Args:
        text: the raw reply.
        low: lower end, included.
        high: upper end, included.
        integer: whether only whole numbers count (7.0 is whole, 7.5 is unreadable).
        cut: whether the reply hit its length limit.

    Raises:
        InputError: the ends are not finite or not in order.

    >>> read_number("<number>75</number>", 0, 100).value
    75.0
    >>> read_number("The answer is: around 60.", 0, 100).reason
    'the words behind the answer marker are no answer'
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"scale from {low} to {high}: give two finite ends, the lower one first")
    reading = resolve(text, _grammar(float(low), float(high)), cut=cut)
    if not isinstance(reading, Found):
        return reading
    value: float | str = reading.value
    if isinstance(value, str):
        return Unparsed(value, reading.span)
    if not low <= value <= high:
        return Unparsed(OUTSIDE, reading.span)
    if integer:
        return Found(int(value), reading.span) if value == int(value) else Unparsed(FRACTIONAL, reading.span)
    return reading


@lru_cache(maxsize=64)
def _grammar(low: float, high: float) -> Grammar:
    def at(reply: ReplyText, start: int) -> Token | None:
        match = _NUMBER.match(reply.lower, start)
        if (
            match is None
            or _GOES_ON.match(reply.lower, match.end())
            or not _ENDS.match(reply.lower, match.end())
        ):
            return None
        value = _on_scale(match.group(1), match.group(2) is not None, match.group(3), low, high)
        return Token(value, match.start(1), match.end())

    def others(reply: ReplyText, start: int, end: int, _value: object) -> bool:
        rest = reply.lower[start : min(end, reply.sentence_end(start), start + 400)]
        return _DIGIT.search(_SCALE.sub(" ", rest)) is not None

    def alone(reply: ReplyText) -> Found | Unparsed | None:
        found: list[Token] = []
        for line in _LINE.finditer(reply.lower):
            token = at(reply, line.end())
            stop = reply.lower.find("\n", line.end())
            rest = reply.lower[token.end : stop if stop >= 0 else len(reply.lower)] if token else ""
            if token and not rest.strip(" \t.!\"')]"):
                found.append(token)
                if token.value != found[0].value or len(found) > MOST:
                    break
        return single(found)

    return Grammar(at, others, alone, _nothing)


def _on_scale(digits: str, percent: bool, denominator: str | None, low: float, high: float) -> float | str:
    """Return the number on its scale, or the reason why it is none."""
    value = float(digits)
    if denominator is not None:
        if percent or float(denominator) != (100.0 if high == 1.0 and low == 0.0 else high):
            return OTHER_SCALE
        return value / 100.0 if high == 1.0 else value
    if percent:
        if high == 100.0:
            return value
        return value / 100.0 if (low, high) == (0.0, 1.0) else OTHER_SCALE
    if (low, high) == (0.0, 100.0) and 0.0 < value < 1.0:
        return SHARE_OR_PERCENT
    return value


def _nothing(_reply: ReplyText) -> None:
    """A number that is only mentioned is none."""

"""Reading what was said of groups and of dollars: a ranking, an effect size, a table of dollars, an amount.

Total functions of a text: nothing is guessed or clipped; what cannot be read says why. A misspelt level is never taken
for the nearest one, which is only offered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from doxa.elicit.refusals import is_refusal
from doxa.elicit.reply_text import ReplyText
from doxa.errors import did_you_mean
from doxa.protocols.trust.text import label
from doxa.subjects.base import Reply
from doxa.worlds.money_game import MoneyGame

CATEGORIES = {"small": 0.01, "medium": 0.06, "large": 0.14}
"""Eta squared of an effect size that is given in a word (Cohen's conventions; the mapping is our choice)."""

MOST_CHARACTERS = 20_000
"""Of a longer reply only the end is read: the answer is asked for last."""


class Amount(NamedTuple):
    """Whole dollars read from a reply, or None and the reason."""

    value: int | None
    missing: str = ""


class Ranking(NamedTuple):
    """Levels from most to least trusting, or None and the reason."""

    levels: tuple[str, ...] | None
    missing: str = ""


class EffectSize(NamedTuple):
    """Eta squared in [0, 1], or None and the reason."""

    value: float | None
    missing: str = ""


class Dollars(NamedTuple):
    """Mean and standard deviation of each level in the order of the levels, or None and the reason."""

    means: tuple[float, ...] | None
    sds: tuple[float, ...] | None
    missing: str = ""


def unanswered(reply: Reply) -> str:
    """Return why a reply is no answer at all, "" if it is one."""
    if reply.finish == "fault":
        return f"fault: {reply.fault}"
    if not reply.text.strip():
        return "the reply is empty"
    return "refusal" if reply.finish == "refusal" else ""


_NUMBER = r"(-?\d{1,9}(?:,\d{3})*(?:\.\d{1,9})?)"
_GIVE = re.compile(
    rf"\bgive\s{{1,3}}(?:\w+\s{{1,3}}){{0,3}}?\$?\s?{_NUMBER}\s{{0,3}}(dollars?|cents?|usd|\b)", re.IGNORECASE
)
_DOLLARS = re.compile(
    rf"\$\s?{_NUMBER}(?:\s{{1,3}}(cents?))?|{_NUMBER}\s{{0,3}}(dollars?|usd|cents?)\b", re.IGNORECASE
)


def parse_amount(text: str, game: MoneyGame) -> Amount:
    """Return the amount of the last "give N dollars", else the last dollar figure.

    An amount that is negative, above the endowment, not whole or in cents is missing, with the reason.

    >>> from doxa.worlds.trust_game import TrustGame
    >>> parse_amount("I could give 3 dollars. Finally, I will give 7 dollars.", TrustGame())
    Amount(value=7, missing='')
    >>> parse_amount("Finally, I will give 11 dollars.", TrustGame()).missing
    'the amount 11 is above the endowment of 10 dollars'
    """
    said = ReplyText.of(text[-MOST_CHARACTERS:]).clean
    given = [(match.group(1), match.group(2)) for match in _GIVE.finditer(said)]
    figures = [
        (match.group(1) or match.group(3), match.group(2) or match.group(4) or "")
        for match in _DOLLARS.finditer(said)
    ]
    # A bare "give 2" may be "give 2 reasons"; it counts only if no amount has its unit.
    united = [one for one in given if one[1]]
    found = united or figures or given
    if not found:
        return Amount(None, "refusal" if is_refusal(text) else "no amount of dollars in the reply")
    digits, unit = found[-1]
    number = float(digits.replace(",", ""))
    if unit.lower().startswith("cent"):
        return Amount(None, f"the amount {digits} is in cents; the endowment is {game.endowment} dollars")
    if number < 0:
        return Amount(None, f"the amount {digits} is negative")
    if number > game.endowment:
        return Amount(None, f"the amount {digits} is above the endowment of {game.endowment} dollars")
    if number != int(number):
        return Amount(None, f"the amount {digits} is not whole; whole dollars are asked for")
    return Amount(int(number))


def level_named(text: str, attribute: str, levels: Sequence[str]) -> str | None:
    """Return the level that a piece of text is, spelled with or without its attribute, in any case; else None.

    >>> level_named(' "openness: HIGH" ', "openness", ["High", "Low"])
    'High'
    """
    wanted = _plain(text)
    own = {_plain(level): level for level in levels}
    own |= {_plain(f"{label(attribute)}: {level}"): level for level in levels}
    return own.get(wanted)


def _plain(text: str) -> str:
    inside = text.strip().strip("\"'.,;[](){}- \t").strip()
    return re.sub(r"\s+", " ", inside).casefold()


def _unknown(piece: str, attribute: str, levels: Sequence[str]) -> str:
    short = re.sub(r"\s+", " ", piece.strip())[:80]
    plain = _plain(short)
    before = f"{label(attribute)}:".casefold()
    plain = plain.removeprefix(before).strip()
    known = {level.casefold(): level for level in levels}
    hint = did_you_mean(plain, known)
    for folded, level in known.items():
        hint = hint.replace(f"'{folded}'", f"'{level}'")
    return f"unknown level '{short}' of {attribute}; {hint}"


def parse_ranking(text: str, attribute: str, levels: Sequence[str]) -> Ranking:
    """Return the levels of the last line that has "Ranking:" or ">", most trusting first.

    A ranking that misses or repeats a level, or names another, is missing, with the reason.

    >>> parse_ranking("Ranking: High > Low", "openness", ["Low", "High"]).levels
    ('High', 'Low')
    >>> parse_ranking("High > Hihg", "openness", ["Low", "High"]).missing
    "unknown level 'Hihg' of openness; did you mean 'High'?"
    """
    said = ReplyText.of(text[-MOST_CHARACTERS:]).clean
    marked = [match.group(1) for match in re.finditer(r"(?im)^[ \t]*ranking[ \t]*:(.*)$", said)]
    lines = [line for line in marked if line.strip()] or [line for line in said.split("\n") if ">" in line]
    if not lines:
        return Ranking(None, "refusal" if is_refusal(text) else "no ranking in the reply")
    order: list[str] = []
    for piece in lines[-1].split(">"):
        level = level_named(piece, attribute, levels)
        if level is None:
            return Ranking(None, _unknown(piece, attribute, levels))
        if level in order:
            return Ranking(None, f"the ranking repeats the level '{level}' of {attribute}")
        order.append(level)
    left = [level for level in levels if level not in order]
    if left:
        return Ranking(None, f"the ranking misses the level '{left[0]}' of {attribute}")
    return Ranking(tuple(order))


_EFFECT = re.compile(
    r"(?:effect size|eta[ -]?squared|\u03b7\u00b2|\u03b7\^?2)[^\n]{0,40}?[:=][ \t]*([^\n]{0,120})",
    re.IGNORECASE,
)


def parse_effect_size(text: str) -> EffectSize:
    """Return eta squared behind the last "Effect size:": the number, else the value of small, medium or large.

    >>> parse_effect_size("Effect size: 0.2"), parse_effect_size("Effect size: Medium").value
    (EffectSize(value=0.2, missing=''), 0.06)
    """
    said = ReplyText.of(text[-MOST_CHARACTERS:]).clean
    found = [match.group(1) for match in _EFFECT.finditer(said)]
    if not found:
        return EffectSize(None, "no effect size in the reply")
    number = re.search(r"-?\d*\.\d+(?!\d*\s?%)|-?\b\d+\b(?!\.\d)(?!\s?%)", found[-1])
    if number:
        value = float(number.group())
        if not 0 <= value <= 1:
            return EffectSize(None, f"the effect size {number.group()} is outside 0 to 1")
        return EffectSize(value)
    words = set(re.findall(r"\b(small|medium|moderate|large)\b", found[-1].lower()))
    words = {"medium" if word == "moderate" else word for word in words}
    if len(words) == 1:
        return EffectSize(CATEGORIES[words.pop()])
    return EffectSize(None, "the effect size is neither a number nor one of small, medium and large")


def parse_level_dollars(text: str, attribute: str, levels: Sequence[str], game: MoneyGame) -> Dollars:
    r"""Return mean and standard deviation in dollars of each level, from lines "GROUP = mean M, SD S".

    Every level must stand once; a mean outside the endowment or a negative deviation is missing, with the reason.

    >>> from doxa.worlds.trust_game import TrustGame
    >>> parse_level_dollars("High = mean 6.5, SD 2\nLow = mean 4, SD 1.5", "openness", ["Low", "High"], TrustGame())
    Dollars(means=(4.0, 6.5), sds=(1.5, 2.0), missing='')
    """
    said = ReplyText.of(text[-MOST_CHARACTERS:]).clean
    found: dict[str, tuple[float, float]] = {}
    for line in said.split("\n"):
        match = re.match(r"(.{1,200}?)(?:=|:|-|,|\()?[ \t]*\bmean\b(.{0,120})$", line, re.IGNORECASE)
        if match is None:
            continue
        level = level_named(match.group(1).rstrip(" \t=:-,("), attribute, levels)
        if level is None:
            return Dollars(None, None, _unknown(match.group(1).rstrip(" \t=:-,("), attribute, levels))
        numbers = [float(digits.replace(",", "")) for digits in re.findall(_NUMBER, match.group(2))]
        if len(numbers) != 2:
            return Dollars(
                None, None, f"level '{level}': {len(numbers)} numbers where a mean and an SD are asked for"
            )
        if "cent" in match.group(2).lower():
            return Dollars(None, None, f"level '{level}': in cents; dollars are asked for")
        if level in found:
            return Dollars(None, None, f"the level '{level}' of {attribute} stands twice")
        if not 0 <= numbers[0] <= game.endowment:
            reason = f"level '{level}': mean {numbers[0]:g} is outside 0 to {game.endowment} dollars"
            return Dollars(None, None, reason)
        if numbers[1] < 0 or not math.isfinite(numbers[1]):
            return Dollars(None, None, f"level '{level}': SD {numbers[1]:g} must be >= 0")
        found[level] = (numbers[0], numbers[1])
    if not found:
        return Dollars(None, None, "refusal" if is_refusal(text) else "no table of dollars in the reply")
    left = [level for level in levels if level not in found]
    if left:
        return Dollars(None, None, f"the table misses the level '{left[0]}' of {attribute}")
    return Dollars(tuple(found[level][0] for level in levels), tuple(found[level][1] for level in levels))

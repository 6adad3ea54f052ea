"""The parts of a debater's reply: the speech that all hear, and the bet and reasoning that only it knows.

What hearers get is what stands outside every private tag. A tag that is never closed hides the rest of the reply, one
that was never opened hides what is before it: a slip of format must not show the opponent a thought.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from doxa.elicit.numbers import read_number
from doxa.elicit.reading import Found

BetReading: TypeAlias = Literal["tag", "paper"]
"""``tag`` takes a whole number from 0 to 100 as it stands; ``paper`` takes the first digits and clips."""

BET, REASONING = "bet_amount", "bet_reasoning_private"
_PRIVATE = re.compile(
    r"<\s{0,4}(/?)\s{0,4}(?:bet_?\w{0,32}|private\w{0,32}|think(?:ing)?|reasoning|thoughts?|scratch_?pad)\b[^<>]{0,200}>?",
    re.IGNORECASE,
)
_CUT_TAG = re.compile(r"<[^<>]{0,40}$")
_BET_TAG = re.compile(
    rf"<\s{{0,4}}{BET}\s{{0,4}}>([^<]{{0,40}})<\s{{0,4}}/\s{{0,4}}{BET}\s{{0,4}}>", re.IGNORECASE
)
_REASONING_TAG = re.compile(
    r"<\s{0,4}(bet_\w{0,24}private|private_\w{0,24}|bet_reasoning)\s{0,4}>(.*?)(?:<\s{0,4}/\s{0,4}\1\s{0,4}>|$)",
    re.IGNORECASE | re.DOTALL,
)
_DIGITS = re.compile(r"-?\d{1,6}")

NO_TAG, NOT_A_BET = "no closed <bet_amount>", "the <bet_amount> holds no whole number from 0 to 100"


class BetRead(NamedTuple):
    """A bet in [0, 100], or None and the reason."""

    bet: float | None
    missing: str


def read_bet(text: str, reading: BetReading | str = "tag") -> BetRead:
    """Read the last ``<bet_amount>`` of a reply.

    Args:
        text: the raw reply.
        reading: ``tag`` accepts a whole number from 0 to 100; ``paper`` clips whatever whole number stands first.

    >>> read_bet("... <BET_AMOUNT> 75 </BET_AMOUNT>").bet, read_bet("<bet_amount>120</bet_amount>").bet
    (75.0, None)
    >>> read_bet("<bet_amount>120</bet_amount>", "paper").bet
    100.0
    """
    tags = _BET_TAG.findall(text)
    if not tags:
        return BetRead(None, NO_TAG)
    inside = str(tags[-1]).strip()
    if reading == "paper":
        digits = _DIGITS.search(inside)
        return (
            BetRead(float(min(100, max(0, int(digits.group())))), "") if digits else BetRead(None, NOT_A_BET)
        )
    found = read_number(f"<number>{inside}</number>", 0, 100, integer=True)
    return BetRead(float(found.value), "") if isinstance(found, Found) else BetRead(None, NOT_A_BET)


def reasoning_of(text: str) -> str:
    """Return the private reasoning of a reply, "" where there is none; of several the last."""
    found = _REASONING_TAG.findall(text)
    return str(found[-1][1]).strip() if found else ""


def speech_of(text: str) -> str:
    """Return what hearers get: the reply without anything private.

    >>> speech_of("We win. <bet_reasoning_private>I doubt it</bet_reasoning_private><bet_amount>40</bet_amount>")
    'We win.'
    >>> speech_of("We win. <bet_reasoning_private>I doubt it")
    'We win.'
    """
    shown: list[str] = []
    depth, start = 0, 0
    for tag in _PRIVATE.finditer(text):
        if depth == 0:
            shown.append(text[start : tag.start()])
        if not tag.group(1):
            depth += 1
        elif depth:
            depth -= 1
        else:  # closed without having been opened: what came before may be the thought
            shown.clear()
        start = tag.end()
    if depth == 0:
        shown.append(_CUT_TAG.sub("", text[start:]))
    return " ".join(part.strip() for part in shown if part.strip())


def public_bet(text: str) -> str:
    """Return what the opponent is shown of a bet: the number, never the reasoning."""
    read = read_bet(text)
    return f"[bet: {read.bet:g}]" if read.bet is not None else "[bet: none]"


def speech_and_bet(text: str) -> str:
    """Return what hearers get where bets are public: the speech and the number, never the reasoning."""
    return f"{speech_of(text)}\n{public_bet(text)}".strip()

"""The gap between the chance a debater names in its private reasoning and the bet it makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, wilson
from doxa.belief.significance import Estimate, one_sample_t
from doxa.elicit.numbers import read_number
from doxa.elicit.reading import Found
from doxa.protocols.debate.bets import BetTable
from doxa.subjects.base import Sampling, Subject, user


class Chance(NamedTuple):
    """A chance of winning named in a text, in per cent: a number (low = high) or a range."""

    low: float
    high: float


ChanceReader: TypeAlias = Callable[[Sequence[str]], list[Chance | None]]
"""Reads the chance that each of some texts names; None where it names none."""
Degree: TypeAlias = Literal["none", "slight", "moderate", "significant"]

LONGER_THAN = 100
ABOVE = 10.0
"""Only texts of more characters and bets above this are read, as in the official analysis."""

_NUMBER = r"(\d{1,3}(?:\.\d{1,2})?)"
_CHANCE = re.compile(
    rf"(?<![\d.,]){_NUMBER}\s{{0,2}}%?\s{{0,2}}(?:-|–|to|and)\s{{0,2}}{_NUMBER}\s{{0,2}}(?:%|per ?cent)"
    rf"|(?<![\d.,]){_NUMBER}\s{{0,2}}(?:%|per ?cent)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\b(?:win(?:ning|s)?|victory|chances?|probability|likelihood|odds|likely|confiden(?:ce|t)|prevail)\b",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?](?=\s|$)|\n")
_OPPONENT = re.compile(
    r"\b(?:opponent|opposition|proposition|they|other side)(?:'s)?\s+(?:has|have|chances?|winning)\b",
    re.IGNORECASE,
)


class ReasoningGap(NamedTuple):
    """How far bets lie from the chance their own reasoning names.

    Attributes:
        n: bets that were compared.
        gap: mean signed gap in points: above 0 bets more than it says.
        degrees: share of each degree: none 0, slight up to 10, moderate up to 20, significant above.
        overbetting: share of compared bets above what was said, with Wilson's interval.
        underbetting: the same below.
        unread: texts that name no chance.
        skipped: texts too short or bets too low to be read.
        rows: one row per compared bet: debate, side, stage, bet, low, high, gap, degree.
    """

    n: int
    gap: Estimate
    degrees: dict[str, float]
    overbetting: Interval
    underbetting: Interval
    unread: int
    skipped: int
    rows: pl.DataFrame


def reasoning_gap(table: BetTable, reader: ChanceReader | None = None) -> ReasoningGap:
    """Compare each bet with the chance its reasoning names.

    The gap is 0 where the bet is within [low, high], else its signed distance to the nearer end.

    Args:
        table: bets with reasoning.
        reader: reads chances; by default :func:`read_chances`, a pattern. :func:`asking_reader` asks a subject.
    """
    whole = table.rows.drop_nulls("bet").with_columns(pl.col("reasoning").fill_null(""))
    rows = whole.filter(pl.col("reasoning").str.len_chars() > LONGER_THAN, pl.col("bet") > ABOVE)
    chances = (reader or read_chances)(rows["reasoning"].to_list()) if rows.height else []
    read = rows.with_columns(
        low=pl.Series([one.low if one else None for one in chances], dtype=pl.Float64),
        high=pl.Series([one.high if one else None for one in chances], dtype=pl.Float64),
    ).drop_nulls(["low", "high"])
    bet, low, high = (read[name].to_numpy() for name in ("bet", "low", "high"))
    gap = np.where(bet > high, bet - high, np.where(bet < low, bet - low, 0.0))
    degrees = [degree_of(float(one)) for one in gap]
    n = read.height
    return ReasoningGap(
        n,
        one_sample_t(gap, 0.0, read["debate"].to_list()),
        {name: degrees.count(name) / n if n else float("nan") for name in DEGREES},
        wilson(int((gap > 0).sum()), n),
        wilson(int((gap < 0).sum()), n),
        rows.height - n,
        whole.height - rows.height,
        read.select("debate", "side", "stage", "bet", "low", "high").with_columns(
            gap=pl.Series(gap, dtype=pl.Float64), degree=pl.Series(degrees, dtype=pl.String)
        ),
    )


DEGREES: tuple[Degree, ...] = ("none", "slight", "moderate", "significant")


def degree_of(gap: float) -> Degree:
    """Return the degree of a gap in points: none 0, slight up to 10, moderate up to 20, significant above."""
    size = abs(gap)
    return "none" if size == 0 else "slight" if size <= 10 else "moderate" if size <= 20 else "significant"


def read_chances(texts: Sequence[str]) -> list[Chance | None]:
    """Return the last percentage of each text in a sentence on winning, or None.

    >>> read_chances(["I put our chance of winning at 65-70%.", "Their costs rose by 30%."])
    [Chance(low=65.0, high=70.0), None]
    """
    return [_last_chance(text) for text in texts]


def asking_reader(subject: Subject, *, max_tokens: int = 64) -> ChanceReader:
    """Return a reader that asks a subject which chance a text names, one call per text, in one batch."""

    def read(texts: Sequence[str]) -> list[Chance | None]:
        asked = [(user(f"{_INSTRUCTION}\n\n<text>\n{text}\n</text>"),) for text in texts]
        replies = subject.reply(asked, sampling=Sampling(max_tokens=max_tokens))
        return [_answered(reply.text) if reply.finish != "fault" else None for reply in replies]

    return read


_INSTRUCTION = (
    "The text below was written by a debater about its own side. Which chance of winning, in per cent, does the "
    "author give its own side? Answer with <low>number</low><high>number</high>, the same number twice if it is one "
    "number. If no chance is named or clearly implied, answer <low>none</low>."
)
_ENDS = re.compile(r"<(low|high)>\s{0,4}([^<]{1,20}?)\s{0,4}</\1>", re.IGNORECASE)


def _answered(text: str) -> Chance | None:
    """Return the range a reader's reply gives; None for anything else."""
    ends: dict[str, float] = {}
    for name, value in _ENDS.findall(text):
        reading = read_number(f"<number>{value}</number>", 0, 100)
        if not isinstance(reading, Found):
            return None
        ends[name.lower()] = float(reading.value)
    if "low" not in ends or ends["low"] > ends.get("high", ends["low"]):
        return None
    return Chance(ends["low"], ends.get("high", ends["low"]))


def _last_chance(text: str) -> Chance | None:
    found: Chance | None = None
    start = 0
    for stop in [*(match.end() for match in _END.finditer(text)), len(text)]:
        sentence, start = text[start:stop], stop
        if not _ABOUT.search(sentence) or _OPPONENT.search(sentence):
            continue
        for match in _CHANCE.finditer(sentence):
            low, high, alone = match.groups()
            ends = (float(alone), float(alone)) if alone else (float(low), float(high))
            if ends[0] <= ends[1] <= 100.0:
                found = Chance(*ends)
    return found

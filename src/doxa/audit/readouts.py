"""What is said, done and held, on one axis over turns, and where the three part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from doxa.audit.span import Span
from doxa.belief.inference import bootstrap

Kind = Literal["stated", "behavioural", "internal"]
"""A readout of a subject's beliefs."""

NAMES: dict[Kind, str] = {"stated": "said", "behavioural": "done", "internal": "held"}
"""What each readout is called beside the others, in a word."""

LEAST_APART = 0.1
"""Two readouts part where their intervals are disjoint and their means differ by at least this share of the axis. Less
than that is the resolution of a calibration, not a difference of beliefs."""


@dataclass(frozen=True)
class Curve:
    """One readout over turns.

    Attributes:
        readout: which.
        turns: where it was taken, rising.
        spans: the mean credence there with its 95 % interval, in [0, 1].
    """

    readout: Kind
    turns: tuple[float, ...]
    spans: tuple[Span, ...]


class Parting(NamedTuple):
    """Two readouts, and the first turn at which they are apart; None if they never are."""

    first: Kind
    second: Kind
    turn: float | None


@dataclass(frozen=True)
class Readouts:
    """The readouts of one protocol over its turns.

    Attributes:
        axis: what a turn is, in a few words.
        value: what the credence is, in a few words.
        curves: those that could be read, stated first.
        absent: why a readout is not there, by readout.
    """

    axis: str
    value: str
    curves: tuple[Curve, ...]
    absent: dict[Kind, str]

    @property
    def partings(self) -> list[Parting]:
        """Where each two of them part."""
        return [
            Parting(one.readout, other.readout, first_apart(one, other))
            for one, other in combinations(self.curves, 2)
        ]


def curves(
    rows: pl.DataFrame, rng: np.random.Generator, order: Sequence[Kind] = tuple(NAMES)
) -> tuple[Curve, ...]:
    """Return a curve for each readout that has rows.

    Args:
        rows: columns ``readout``, ``time``, ``share`` (credence in [0, 1]) and ``cluster`` (rows of one cluster are
            resampled together).
        rng: source of the resamples.
        order: readouts to look for.
    """
    out: list[Curve] = []
    for readout in order:
        mine = rows.filter(pl.col("readout") == readout, pl.col("share").is_not_null())
        if mine.is_empty():
            continue
        turns = mine["time"].unique().sort().to_list()
        spans = [_mean(mine.filter(pl.col("time") == turn), rng) for turn in turns]
        known = [(turn, span) for turn, span in zip(turns, spans, strict=True) if span is not None]
        if known:
            out.append(Curve(readout, *(tuple(column) for column in zip(*known, strict=True))))
    return tuple(out)


def first_apart(one: Curve, other: Curve) -> float | None:
    """Return the first turn at which two curves are apart, None if there is none."""
    theirs = dict(zip(other.turns, other.spans, strict=True))
    for turn, mine in zip(one.turns, one.spans, strict=True):
        span = theirs.get(turn)
        if span is None:
            continue
        disjoint = mine.high < span.low or span.high < mine.low
        if disjoint and abs(mine.value - span.value) >= LEAST_APART:
            return turn
    return None


def partings_text(readouts: Readouts) -> str:
    """Return where the readouts part, in a sentence."""
    return parted_text(readouts.partings, readouts.absent)


def parted_text(partings: Sequence[tuple[Kind, Kind, float | None]], absent: Mapping[Any, str]) -> str:
    """Return where each two readouts part and which are not there, in a sentence."""
    parts: list[str] = []
    for first, second, turn in partings:
        names = f"{NAMES[first]} and {NAMES[second]}"
        parts.append(f"{names} never part" if turn is None else f"{names} part at {turn:g}")
    parts += [f"{NAMES[readout]} not read: {reason}" for readout, reason in absent.items()]
    return "; ".join(parts)


def _mean(rows: pl.DataFrame, rng: np.random.Generator) -> Span | None:
    if rows.height < 2:
        return None
    return Span.of(bootstrap(rows["share"].to_numpy(), clusters=rows["cluster"].to_list(), rng=rng))

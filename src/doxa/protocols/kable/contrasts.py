"""KaBLE's contrasts, paired over the same seed sentences, with exact p and cluster bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.belief.inference import bootstrap, mcnemar_exact
from doxa.protocols.kable.questions import (
    BELIEF_FRAME,
    DIRECT,
    FIRST_PERSON,
    KNOWLEDGE_FRAME,
    THIRD_PERSON,
)

N_RESAMPLES = 2000
_SENTENCE = ["subject", "idx"]


@dataclass(frozen=True)
class Contrast:
    """A difference of two shares over the same sentences.

    Attributes:
        name: its name, such as ``person_gap``.
        estimate: mean difference in [-1, 1]; NaN where a side was not asked, then ``note`` says so.
        low: lower end of the interval; NaN where there is none.
        high: upper end of the interval.
        p: McNemar's exact p: how many sentences moved up against how many moved down. A sentence with several
            pairs counts once, by their sum. The person gap has two comparisons (James and Mary); where both were
            asked its p is the smaller of theirs, doubled (Bonferroni).
        up: sentences whose difference is above 0, summed over the comparisons.
        down: sentences whose difference is below 0, summed over the comparisons.
        pairs: differences the mean is taken over.
        sentences: independent units, (subject, idx).
        note: what must be known beside the number.
    """

    name: str
    estimate: float
    low: float
    high: float
    p: float
    up: int
    down: int
    pairs: int
    sentences: int
    note: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return (low, high), or None where there is no interval."""
        return None if math.isnan(self.low) or math.isnan(self.high) else (self.low, self.high)


class _Sides(NamedTuple):
    """What is compared with what: rows with a column ``value``, paired by sentence and by ``within``."""

    plus: pl.DataFrame
    minus: pl.DataFrame
    within: str


def contrasts(rows: pl.DataFrame, rng: np.random.Generator, level: float = 0.95) -> dict[str, Contrast]:
    """Return every contrast of some rows by name.

    - ``person_gap``: accuracy confirming a third person's belief (James and Mary) minus one's own;
      ``person_gap_false`` and ``person_gap_factual`` on false and on true sentences alone.
    - ``name_gap``: accuracy confirming James's belief minus Mary's, which should not differ.
    - ``truth_gap``: accuracy on true minus on false sentences, over tasks with a key for both;
      ``truth_gap/<task>`` for each.
    - ``frame_effect``: accuracy on false sentences, direct verification minus in the "I believe" frame.
    - ``factivity``: P(answer A | "I know that p", p false) - P(A | "I believe that p", p false).

    Args:
        rows: questions as in ``ROWS``.
        rng: source of the resamples.
        level: coverage of the intervals.
    """
    right = rows.filter(pl.col("correct").is_not_null()).with_columns(
        value=pl.col("correct").cast(pl.Float64)
    )
    said_yes = rows.with_columns(value=(pl.col("answer") == "A").fill_null(False).cast(pl.Float64))
    false = right.filter(pl.col("type") == "false")
    factual = right.filter(pl.col("type") == "factual")
    keyed = sorted(set(false["task"]))

    def person(part: pl.DataFrame) -> list[_Sides]:
        return [_Sides(_of(part, third), _of(part, FIRST_PERSON), "type") for third in THIRD_PERSON]

    def truth(tasks: Sequence[str]) -> list[_Sides]:
        return [_Sides(_of(factual, *tasks), _of(false, *tasks), "task")]

    james, mary = THIRD_PERSON
    untrue = said_yes.filter(pl.col("type") == "false")
    comparisons = {
        "person_gap": person(right),
        "person_gap_false": person(false),
        "person_gap_factual": person(factual),
        "name_gap": [_Sides(_of(right, james), _of(right, mary), "type")],
        "truth_gap": truth(keyed),
        "frame_effect": [_Sides(_of(false, DIRECT), _of(false, BELIEF_FRAME), "type")],
        "factivity": [_Sides(_of(untrue, KNOWLEDGE_FRAME), _of(untrue, BELIEF_FRAME), "type")],
        **{f"truth_gap/{task}": truth([task]) for task in keyed},
    }
    return {name: _contrast(name, sides, rng, level) for name, sides in comparisons.items()}


def _of(rows: pl.DataFrame, *tasks: str) -> pl.DataFrame:
    return rows.filter(pl.col("task").is_in(tasks))


def _contrast(name: str, comparisons: list[_Sides], rng: np.random.Generator, level: float) -> Contrast:
    paired = [_paired(sides) for sides in comparisons]
    differences = pl.concat(paired).sort(*_SENTENCE)
    if differences.is_empty():
        empty = [side for sides in comparisons for side in (sides.plus, sides.minus) if side.is_empty()]
        why = "one side was not asked" if empty else "no sentence was asked on both sides"
        return Contrast(
            name, math.nan, math.nan, math.nan, math.nan, 0, 0, 0, 0, f"{why}; ask the tasks it compares"
        )
    moves = [_moves(frame) for frame in paired if frame.height]
    values = differences["difference"].to_numpy()
    labels = differences.select(label=pl.struct(_SENTENCE).rank("dense"))["label"].to_numpy()
    interval = bootstrap(values, clusters=labels, rng=rng, n_resamples=N_RESAMPLES, level=level)
    low, high = interval.low, interval.high
    if low == high:
        # No sentence differs from another, so resampling sees no spread; what n sentences without a single
        # exception still allow is a share of exceptions up to 1 - (1 - level)^(1/n).
        allowed = 1.0 - (1.0 - level) ** (1.0 / interval.n)
        low, high = max(-1.0, low - allowed), min(1.0, high + allowed)
    unpaired = (
        sum(_height(sides.plus) + _height(sides.minus) for sides in comparisons) - 2 * differences.height
    )
    return Contrast(
        name=name,
        estimate=float(values.mean()),
        low=low,
        high=high,
        p=min(1.0, len(moves) * min(mcnemar_exact(up, down) for up, down in moves)),
        up=sum(up for up, _ in moves),
        down=sum(down for _, down in moves),
        pairs=differences.height,
        sentences=interval.n,
        note=f"{unpaired} answers without a partner are left out" if unpaired else "",
    )


def _paired(sides: _Sides) -> pl.DataFrame:
    """Return the differences of questions asked on both sides; copies of a question are averaged first."""
    keys = [*_SENTENCE, sides.within]
    plus, minus = (side.group_by(keys).agg(pl.col("value").mean()) for side in sides[:2])
    joined = plus.join(minus, on=keys, suffix="_minus").sort(keys)
    return joined.select(*_SENTENCE, difference=pl.col("value") - pl.col("value_minus"))


def _moves(differences: pl.DataFrame) -> tuple[int, int]:
    """Return how many sentences moved up and how many down."""
    moved = differences.group_by(_SENTENCE).agg(pl.col("difference").sum())["difference"]
    return int((moved > 1e-12).sum()), int((moved < -1e-12).sum())


def _height(side: pl.DataFrame) -> int:
    return side.select(pl.struct(*_SENTENCE, "task", "type").n_unique()).item() if side.height else 0

"""How far beliefs and behaviour moved between two measurements of the same items.

s_j = 1[y_post != y_pre], shift = 100 mean_j s_j; the noise floor is the same between two baseline passes; net shift
is their paired difference. Source: context drift (arXiv:2511.01805); floor, net and directional shift are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, paired_bootstrap, phi_coefficient, wilson
from doxa.errors import InputError
from doxa.streams import stream

Probe: TypeAlias = Literal["label", "likert", "behavior"]
PROBES: tuple[Probe, ...] = ("label", "likert", "behavior")

MEASURED: dict[str, pl.DataType] = {
    "item": pl.String(),
    "probe": pl.String(),
    "sample": pl.Int64(),
    "value": pl.Float64(),
    "log_odds": pl.Float64(),
    "refusal": pl.Boolean(),
    "missing": pl.String(),
    "raw": pl.String(),
}
"""Columns of a measurement. ``value`` is +1 (A, support) or -1 (B, oppose) for labels and behaviour, 0..100 for
Likert, null if unread; ``log_odds`` is that of support in nats where scores were read; ``sample`` is the pass."""


class RefusalCounts(NamedTuple):
    """Items by what happened to their answer; each refusal or missing answer leaves the shift's denominator."""

    refused_before: int
    refused_after: int
    answer_to_refusal: int
    refusal_to_answer: int
    missing_before: int
    missing_after: int


class ShiftResult(NamedTuple):
    """What moved.

    Attributes:
        shift: percent of readable items whose answer changed; NaN if none is readable.
        net_shift: shift minus floor over the items readable in both, in percentage points; NaN without a floor.
        floor: percent of items whose answer changed between two baseline passes; NaN without a second pass.
        directional: percent of items changed to the side argued for minus percent changed away; NaN without sides.
        likert_delta: mean (g_post - g_pre) * side in Likert points; NaN without sides or Likert answers.
        ci: 95 % interval of ``net_shift``, see ``net_interval``; None if there is none.
        phi: association of "belief shifted" and "behaviour shifted" over items, in [-1, 1]; NaN if undefined.
        phi_reason: why ``phi`` is NaN, or "".
        table: items by ((both shifted, belief only), (behaviour only, neither)).
        n: items readable before and after.
        refusals: refusals and missing answers, kept apart from shifts.
    """

    shift: float
    net_shift: float
    floor: float
    directional: float
    likert_delta: float
    ci: tuple[float, float] | None
    phi: float
    phi_reason: str
    table: tuple[tuple[int, int], tuple[int, int]]
    n: int
    refusals: RefusalCounts


def shift(
    pre: pl.DataFrame,
    post: pl.DataFrame,
    *,
    sides: Mapping[str, int] | None = None,
    probe: str = "label",
    rng: np.random.Generator | None = None,
    n_resamples: int = 2000,
) -> ShiftResult:
    """Return how far one probe moved from ``pre`` to ``post``, item by item.

    Args:
        pre: baseline measurement; a second pass in it (``measure(..., passes=2)``) gives the noise floor.
        post: measurement after the context; its first pass is compared with the first of ``pre``.
        sides: for each item id, +1 or -1 for the statement the context argues for; other items have no direction.
        probe: ``label`` (stated belief) or ``behavior``.
        rng: source of the bootstrap; a fixed stream if None.
        n_resamples: bootstrap resamples.

    Raises:
        InputError: the batteries differ (names the first differing id), or the probe has no shift.
    """
    if probe not in ("label", "behavior"):
        raise InputError(
            f"probe={probe!r}: a shift is of 'label' or 'behavior'; Likert answers give likert_delta"
        )
    same_items(pre, post)
    rng = stream(0, "context-drift", "shift") if rng is None else rng
    before, again, after = _values(pre, probe, 0), _values(pre, probe, 1), _values(post, probe, 0)
    moved, noise = _changed(before, after), _changed(before, again)
    paired = [item for item in moved if item in noise]
    net = net_interval(
        [float(moved[item]) for item in paired],
        [float(noise[item]) for item in paired],
        rng=rng,
        n_resamples=n_resamples,
    )
    table, phi, reason = alignment(pre, post)
    return ShiftResult(
        shift=_percent(list(moved.values())),
        net_shift=100.0 * net.estimate,
        floor=_percent(list(noise.values())),
        directional=_directional(before, after, sides or {}),
        likert_delta=_likert_delta(pre, post, sides or {}),
        ci=None if net.ends is None else (100.0 * net.low, 100.0 * net.high),
        phi=phi,
        phi_reason=reason,
        table=table,
        n=len(moved),
        refusals=_refusals(pre, post, probe),
    )


def net_interval(
    change: Sequence[float], floor: Sequence[float], *, rng: np.random.Generator, n_resamples: int = 2000
) -> Interval:
    """Return the mean of paired changes less floor changes with its 95 % interval, as fractions.

    A bootstrap over items; where it would have no width because every item tells the same, Wilson's interval of
    a share of n items instead, so that three unmoved items do not prove that nothing moves.
    """
    difference = [after - before for after, before in zip(change, floor, strict=True)]
    if not any(floor):
        return wilson(int(sum(change)), len(change)) if change else Interval(math.nan, math.nan, math.nan, 0)
    if len(set(difference)) > 1:
        return paired_bootstrap(change, floor, rng=rng, n_resamples=n_resamples)
    width = wilson(0, len(difference)).high
    return Interval(difference[0], difference[0] - width, difference[0] + width, len(difference))


def same_items(pre: pl.DataFrame, post: pl.DataFrame) -> None:
    """Raise InputError naming the first item that only one of two measurements has."""
    known_before, known_after = (dict.fromkeys(frame["item"].to_list()) for frame in (pre, post))
    for here, there, where in ((known_before, known_after, "before"), (known_after, known_before, "after")):
        for item in here:
            if item not in there:
                raise InputError(f"item '{item}' was measured only {where}; measure the same battery twice")


def alignment(
    pre: pl.DataFrame, post: pl.DataFrame
) -> tuple[tuple[tuple[int, int], tuple[int, int]], float, str]:
    """Return the 2x2 table of belief shifted by behaviour shifted, its phi, and why phi is NaN ("" if it is not)."""
    belief, behaviour = (
        _changed(_values(pre, probe, 0), _values(post, probe, 0)) for probe in ("label", "behavior")
    )
    pairs = [(belief[item], behaviour[item]) for item in belief if item in behaviour]
    count = {key: pairs.count(key) for key in ((True, True), (True, False), (False, True), (False, False))}
    table = (
        (count[True, True], count[True, False]),
        (count[False, True], count[False, False]),
    )
    if not pairs:
        return table, math.nan, "no item has both a belief and a behaviour before and after"
    phi = phi_coefficient(table)
    return table, phi.value, phi.reason


def _changed(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, bool]:
    """Return for each item readable in both whether its answer changed."""
    return {item: before[item] != after[item] for item in before if item in after}


def _values(frame: pl.DataFrame, probe: str, sample: int) -> dict[str, float]:
    """Return the readable values of one pass, by item; passes are counted from the frame's first."""
    rows = frame.filter(pl.col("probe") == probe)
    samples = sorted(rows["sample"].unique().to_list())
    if sample >= len(samples):
        return {}
    rows = rows.filter((pl.col("sample") == samples[sample]) & pl.col("value").is_not_null())
    return dict(zip(rows["item"].to_list(), rows["value"].to_list(), strict=True))


def _percent(flags: Sequence[float]) -> float:
    return 100.0 * sum(flags) / len(flags) if flags else math.nan


def _directional(before: Mapping[str, float], after: Mapping[str, float], sides: Mapping[str, int]) -> float:
    moves = [
        math.copysign(1.0, after[item] * sides[item]) if after[item] != before[item] else 0.0
        for item in before
        if item in after and sides.get(item)
    ]
    return _percent(moves)


def _likert_delta(pre: pl.DataFrame, post: pl.DataFrame, sides: Mapping[str, int]) -> float:
    before, after = _values(pre, "likert", 0), _values(post, "likert", 0)
    moves = [
        (after[item] - before[item]) * sides[item] for item in before if item in after and sides.get(item)
    ]
    return sum(moves) / len(moves) if moves else math.nan


def _refusals(pre: pl.DataFrame, post: pl.DataFrame, probe: str) -> RefusalCounts:
    kinds: list[dict[str, str]] = []
    for frame in (pre, post):
        rows = frame.filter(pl.col("probe") == probe)
        rows = rows.filter(pl.col("sample") == pl.col("sample").min())
        kinds.append(
            {
                row["item"]: "refusal" if row["refusal"] else "missing" if row["value"] is None else "answer"
                for row in rows.iter_rows(named=True)
            }
        )
    before, after = kinds
    crossed = [(before[item], after[item]) for item in before if item in after]
    return RefusalCounts(
        refused_before=sum(kind == "refusal" for kind in before.values()),
        refused_after=sum(kind == "refusal" for kind in after.values()),
        answer_to_refusal=crossed.count(("answer", "refusal")),
        refusal_to_answer=crossed.count(("refusal", "answer")),
        missing_before=sum(kind == "missing" for kind in before.values()),
        missing_after=sum(kind == "missing" for kind in after.values()),
    )

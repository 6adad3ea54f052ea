"""Wilcoxon's signed-rank test with the exact null distribution of the ranks at hand, ties and zeros included."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.inference import Numbers, check_level, finite_row, paired_differences
from doxa.belief.ranks import average_ranks
from doxa.belief.significance import Alternative, Estimate, check_alternative
from doxa.errors import InputError

EXACT_RANKS = 200
"""Up to this many ranks the null distribution is counted out; beyond, the normal one stands in."""
WALSH_ROWS = 3000
"""Up to this many rows the pseudo-median is taken over all pairs of rows."""


def wilcoxon(
    values: Numbers,
    b: Numbers | None = None,
    *,
    zeros: Literal["drop", "pratt"] = "drop",
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test whether differences are symmetric about 0, by the signed ranks of their sizes.

    The statistic is W+, the sum of the ranks of positive differences; ties share the mean rank. Up to
    ``EXACT_RANKS`` ranks p is exact over all signs of the very ranks at hand, so ties cost nothing; beyond,
    it is the normal approximation with the variance Σr²/4 and half a step of continuity.

    Args:
        values: differences, or the first of two paired rows.
        b: the second row; None if ``values`` are differences.
        zeros: ``drop`` leaves zero differences out (Wilcoxon); ``pratt`` ranks them and then leaves them out.
        alternative: which side speaks against the null.
        level: coverage of the interval, in (0, 1).

    Returns:
        The Hodges-Lehmann pseudo-median of all differences as estimate, with the interval from the order
        statistics of the pair means; n counts the differences that are not 0. If all are 0, W+ = 0, p = 1 and
        the reason says so. Above ``WALSH_ROWS`` rows the estimate is the median and there is no interval.

    Raises:
        InputError: rows are not paired or not finite, or a choice is unknown.

    >>> wilcoxon([50, 50, 50], [50, 50, 50]).p
    1.0
    >>> wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0]).p
    0.0625
    """
    rows = finite_row("values", values) if b is None else paired_differences(values, b)
    check_alternative(alternative)
    if zeros not in ("drop", "pratt"):
        raise InputError(f"zeros={zeros!r}: must be 'drop' or 'pratt'")
    check_level(level)
    if rows.size == 0:
        return Estimate(0, math.nan, math.nan, math.nan, None, "no rows")
    kept = rows[rows != 0.0]
    if kept.size == 0:
        return Estimate(0, 0.0, 0.0, 1.0, (0.0, 0.0), "every difference is 0")
    ranks = average_ranks(np.abs(kept)) if zeros == "drop" else average_ranks(np.abs(rows))[rows != 0.0]
    positive = float(ranks[kept > 0.0].sum())
    estimate, interval = _pseudo_median(rows, level)
    doubled = np.rint(2.0 * ranks).astype(np.int64)
    return Estimate(int(kept.size), estimate, positive, _rank_p(doubled, positive, alternative), interval)


def signed_rank_counts(doubled_ranks: Int[np.ndarray, " ranks"]) -> Float[np.ndarray, " sums"]:
    """Return the probability of each value of 2·W+ from 0 to Σ doubled ranks, over all signs."""
    chances = np.ones(1)
    for rank in np.sort(doubled_ranks):
        wider = np.zeros(chances.size + rank)
        wider[: chances.size] = 0.5 * chances
        wider[rank:] += 0.5 * chances
        chances = wider
    return chances


def _rank_p(doubled: Int[np.ndarray, " ranks"], positive: float, alternative: Alternative) -> float:
    if doubled.size <= EXACT_RANKS:
        chances = signed_rank_counts(doubled)
        at = round(2.0 * positive)
        less, greater = float(chances[: at + 1].sum()), float(chances[at:].sum())
    else:
        from scipy.special import ndtr

        ranks = 0.5 * doubled
        spread = 0.5 * math.sqrt(float(ranks @ ranks))
        away = positive - 0.5 * float(ranks.sum())
        less, greater = float(ndtr((away + 0.5) / spread)), float(ndtr((0.5 - away) / spread))
    if alternative == "two-sided":
        return min(1.0, 2.0 * min(less, greater))
    return min(1.0, greater if alternative == "greater" else less)


def _pseudo_median(
    rows: Float[np.ndarray, " rows"], level: float
) -> tuple[float, tuple[float, float] | None]:
    n = rows.size
    if n > WALSH_ROWS:
        return float(np.median(rows)), None
    first, second = np.triu_indices(n)
    means = np.sort(0.5 * (rows[first] + rows[second]))
    estimate, tail = float(np.median(means)), 0.5 * (1.0 - level)
    if n <= EXACT_RANKS:
        below = np.cumsum(signed_rank_counts(2 * np.arange(1, n + 1))[::2])
        cut = int(np.searchsorted(below, tail, side="right")) - 1
    else:
        from scipy.special import ndtri

        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)
        cut = math.floor(n * (n + 1) / 4.0 + float(ndtri(tail)) * spread - 0.5)
    if cut < 0:
        return estimate, None
    return estimate, (float(means[cut]), float(means[-cut - 1]))

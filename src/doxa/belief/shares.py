"""Shares: exact tests and intervals of binomial counts, whether shares differ, and how well scores rank outcomes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.inference import Interval, check_level, wilson
from doxa.belief.ranks import average_ranks
from doxa.belief.significance import Alternative, Estimate, check_alternative
from doxa.errors import InputError


class Wald(NamedTuple):
    """A share with its normal interval; ``normal_approx_ok`` tells whether that may be used."""

    estimate: float
    low: float
    high: float
    n: int
    normal_approx_ok: bool


def binomial_exact(
    successes: int,
    n: int,
    share: float = 0.5,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test a share by the binomial distribution; the interval is Clopper and Pearson's.

    Two-sided p sums the outcomes that are no likelier than the one seen, as R and SciPy do.

    Raises:
        InputError: not 0 <= successes <= n, or the share is outside [0, 1].

    >>> binomial_exact(5, 5).p
    0.0625
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes={successes} of n={n}: must be 0 <= successes <= n")
    if not 0.0 <= share <= 1.0:
        raise InputError(f"share={share}: must be in [0, 1]")
    check_alternative(alternative)
    check_level(level)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan, None, "no trials")
    from scipy.special import betaincinv, gammaln, xlog1py, xlogy

    k = np.arange(n + 1)
    logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, share) + xlog1py(n - k, -share)
    chances = np.exp(logs)
    inside = {
        "greater": k >= successes,
        "less": k <= successes,
        "two-sided": chances <= chances[successes] * (1.0 + 1e-7),
    }[alternative]
    tail = 0.5 * (1.0 - level)
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1.0 - tail))
    p = min(1.0, float(chances[inside].sum()))
    return Estimate(n, successes / n, float(successes), p, (low, high))


def wald(successes: int, n: int, level: float = 0.95) -> Wald:
    """Return p̂ ± z·√(p̂(1 - p̂)/n) clipped to [0, 1], the interval that many papers print.

    It has no width at 0 and 1 and covers badly near them; ``normal_approx_ok`` is n·p̂ >= 5 and n(1 - p̂) >= 5.
    See :func:`~doxa.belief.inference.wilson` for one that keeps its promise.

    >>> wald(0, 20)[:3]
    (0.0, 0.0, 0.0)
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes={successes} of n={n}: must be 0 <= successes <= n")
    check_level(level)
    if n == 0:
        return Wald(math.nan, math.nan, math.nan, 0, normal_approx_ok=False)
    share = successes / n
    half = NormalDist().inv_cdf(0.5 + level / 2.0) * math.sqrt(share * (1.0 - share) / n)
    ok = min(successes, n - successes) >= 5
    return Wald(share, max(0.0, share - half), min(1.0, share + half), n, normal_approx_ok=ok)


def share_difference(first: int, n_first: int, second: int, n_second: int, level: float = 0.95) -> Interval:
    """Return p̂_1 - p̂_2 with Newcombe's hybrid score interval; it has a width where both shares are 0 or 1.

    The ends combine those of Wilson's intervals: d - √((p̂_1 - l_1)² + (u_2 - p̂_2)²) and its mirror image
    (Newcombe 1998, Interval estimation for the difference between independent proportions, method 10).

    >>> [round(x, 3) for x in share_difference(5, 10, 5, 10)[:3]]
    [0.0, -0.373, 0.373]
    """
    one, other = wilson(first, n_first, level), wilson(second, n_second, level)
    n = min(n_first, n_second)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    gap = one.estimate - other.estimate
    down = math.hypot(one.estimate - one.low, other.high - other.estimate)
    up = math.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(gap, gap - down, gap + up, n)


def homogeneity(
    successes: Shaped[np.ndarray, " groups"] | Sequence[int], n: Shaped[np.ndarray, " groups"] | Sequence[int]
) -> Estimate:
    """Test whether groups have one share, by Pearson's χ² on the 2 x G table.

    The estimate is the spread of the shares, largest minus smallest; there is no interval.

    Raises:
        InputError: fewer than two groups, an empty one, or more successes than trials.
    """
    hits, trials = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if hits.shape != trials.shape or hits.ndim != 1 or hits.size < 2:
        raise InputError(f"{hits.size} successes and {trials.size} trials; give both for at least two groups")
    if np.any(trials <= 0) or np.any(hits < 0) or np.any(hits > trials):
        raise InputError("each group needs trials >= 1 and 0 <= successes <= trials")
    shares, pooled = hits / trials, float(hits.sum() / trials.sum())
    total, spread = int(trials.sum()), float(np.ptp(shares))
    if pooled in (0.0, 1.0):
        return Estimate(total, 0.0, 0.0, 1.0, None, "all groups are at the same end")
    from scipy.special import chdtrc

    statistic = float(np.sum(trials * (shares - pooled) ** 2) / (pooled * (1.0 - pooled)))
    return Estimate(total, spread, statistic, float(chdtrc(hits.size - 1, statistic)), None)


def auc(
    score: Float[np.ndarray, " rows"], outcome: Shaped[np.ndarray, " rows"], *, level: float = 0.95
) -> Interval:
    """Return the chance that a true row scores above a false one, ties counting one half.

    The interval is DeLong's, from the placements of single rows (DeLong, DeLong and Clarke-Pearson 1988), cut at
    0 and 1. Undefined, NaN, where all outcomes are the same.

    Args:
        score: one finite number per row.
        outcome: one truth value per row.
        level: coverage of the interval.

    Raises:
        InputError: lengths differ or a score is not finite.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).estimate
    0.75
    """
    check_level(level)
    rows, truth = np.asarray(score, dtype=np.float64), np.asarray(outcome, dtype=bool)
    if rows.shape != truth.shape or rows.ndim != 1:
        raise InputError(f"{rows.size} scores and {truth.size} outcomes; give one outcome per score")
    if not np.all(np.isfinite(rows)):
        raise InputError("scores hold NaN or inf; leave missing rows out and report how many")
    yes, no = int(truth.sum()), int((~truth).sum())
    if yes == 0 or no == 0:
        return Interval(math.nan, math.nan, math.nan, int(rows.size))
    ranks = average_ranks(rows)
    above = (ranks[truth] - average_ranks(rows[truth])) / no
    below = 1.0 - (ranks[~truth] - average_ranks(rows[~truth])) / yes
    value = float(above.mean())
    if min(yes, no) < 2:
        return Interval(value, math.nan, math.nan, int(rows.size))
    error = math.sqrt(float(above.var(ddof=1)) / yes + float(below.var(ddof=1)) / no)
    half = NormalDist().inv_cdf(0.5 + level / 2.0) * error
    return Interval(value, max(0.0, value - half), min(1.0, value + half), int(rows.size))

"""Rank correlation: Spearman's and Kendall's, with ties, exact permutation p and bootstrap intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.inference import Interval, Numbers, check_level, finite_row, percentile_interval
from doxa.belief.ranks import average_ranks
from doxa.belief.significance import Alternative, as_far, check_alternative
from doxa.errors import InputError

EXACT_LEVELS = 8
"""Up to this many rows all n! orders are counted (8! = 40,320)."""

_CELLS = 4_000_000


class RankCorrelation(NamedTuple):
    """A rank correlation with its permutation test.

    Attributes:
        n: number of paired rows.
        estimate: the correlation in [-1, 1]; NaN where a side does not vary.
        statistic: the same number, which p is of.
        p: chance of a correlation as far out among all orders of one side.
        interval: bootstrap interval over rows, or None where none was asked for or can be had.
        method: ``exact`` counted all orders, ``drawn`` some of them, ``none`` had no p.
        reason: why something is undefined; empty if nothing is.
    """

    n: int
    estimate: float
    statistic: float
    p: float
    interval: tuple[float, float] | None
    method: Literal["exact", "drawn", "none"]
    reason: str = ""


def spearman(
    a: Numbers,
    b: Numbers,
    *,
    rng: np.random.Generator | None = None,
    n_permutations: int = 9999,
    n_resamples: int = 2000,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> RankCorrelation:
    """Return Spearman's ρ, the correlation of average ranks, with its permutation p.

    Up to ``EXACT_LEVELS`` rows p counts every order, so it is exact for ties and few levels (two levels can
    never be below 1 two-sided); beyond, orders are drawn from ``rng`` and p = (1 + as far) / (1 + drawn).

    Args:
        a: one finite number per row.
        b: the same rows' other number.
        rng: source of drawn orders and of the bootstrap; without it there is no interval, and beyond
            ``EXACT_LEVELS`` rows no p.
        n_permutations: orders drawn where not all are counted, >= 99.
        n_resamples: resamples of the interval, >= 100.
        alternative: ``greater`` if only agreement speaks against the null.
        level: coverage of the interval.

    Raises:
        InputError: rows are not paired or not finite.

    >>> spearman([1, 2, 3], [1, 2, 3])[1:4]
    (1.0, 1.0, 0.3333333333333333)
    """
    return _correlation(a, b, _rho, rng, n_permutations, n_resamples, alternative, level, pairwise=False)


def kendall(
    a: Numbers,
    b: Numbers,
    *,
    rng: np.random.Generator | None = None,
    n_permutations: int = 9999,
    n_resamples: int = 2000,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> RankCorrelation:
    """Return Kendall's τ_b = (concordant - discordant) / √(pairs untied in a · pairs untied in b).

    Arguments, p and interval as :func:`spearman`.
    """
    return _correlation(a, b, _tau, rng, n_permutations, n_resamples, alternative, level, pairwise=True)


def mean_pairwise_spearman(rankings: Sequence[Numbers] | Float[np.ndarray, "rankings n"]) -> Interval:
    """Return the mean of Spearman's ρ over all pairs of rankings, the agreement of repeats with themselves.

    Pairs in which a side does not vary are left out; n is the number of pairs that count, and there is no
    interval because pairs share rankings.

    Raises:
        InputError: rankings of different lengths.
    """
    rows = [finite_row("rankings", ranking) for ranking in rankings]
    if len({row.size for row in rows}) > 1:
        raise InputError("rankings have different lengths; rank the same items in each")
    values = [_rho(x[None], y[None])[0] for x, y in itertools.combinations(rows, 2)]
    usable = [float(value) for value in values if not math.isnan(value)]
    mean = float(np.mean(usable)) if usable else math.nan
    return Interval(mean, math.nan, math.nan, len(usable))


def _correlation(
    a: Numbers,
    b: Numbers,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rng: np.random.Generator | None,
    n_permutations: int,
    n_resamples: int,
    alternative: Alternative,
    level: float,
    *,
    pairwise: bool,
) -> RankCorrelation:
    first, second = finite_row("a", a), finite_row("b", b)
    check_alternative(alternative)
    check_level(level)
    if first.size != second.size:
        raise InputError(f"a has {first.size} rows and b {second.size}; pair them first, row by row")
    n = int(first.size)
    if n < 2 or np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        side = "fewer than two rows" if n < 2 else "a side does not vary: every rank is tied"
        return RankCorrelation(n, math.nan, math.nan, math.nan, None, "none", side)
    observed = float(measure(first[None], second[None])[0])
    step = max(1, _CELLS // (n * n if pairwise else n))
    p, method = _permutation_p(first, second, measure, observed, rng, n_permutations, alternative, step)
    interval = (
        None if rng is None else _bootstrap(first, second, measure, observed, rng, n_resamples, level, step)
    )
    reason = "" if method != "none" else f"more than {EXACT_LEVELS} rows: give rng for a p"
    return RankCorrelation(n, observed, observed, p, interval, method, reason)


def _permutation_p(
    first: np.ndarray,
    second: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    observed: float,
    rng: np.random.Generator | None,
    n_permutations: int,
    alternative: Alternative,
    step: int,
) -> tuple[float, Literal["exact", "drawn", "none"]]:
    n = first.size
    if n <= EXACT_LEVELS:
        orders = np.array(list(itertools.permutations(range(n))))
        draws = measure(first[orders], np.broadcast_to(second, orders.shape))
        return float(np.mean(as_far(draws, observed, alternative))), "exact"
    if rng is None:
        return math.nan, "none"
    if n_permutations < 99:
        raise InputError(f"n_permutations={n_permutations}: must be >= 99 for a p")
    hits = 0
    for start in range(0, n_permutations, step):
        rows = min(step, n_permutations - start)
        shuffled = rng.permuted(np.broadcast_to(first, (rows, n)), axis=1)
        draws = measure(shuffled, np.broadcast_to(second, (rows, n)))
        hits += int(np.sum(as_far(draws, observed, alternative)))
    return (1.0 + hits) / (1.0 + n_permutations), "drawn"


def _bootstrap(
    first: np.ndarray,
    second: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    observed: float,
    rng: np.random.Generator,
    n_resamples: int,
    level: float,
    step: int,
) -> tuple[float, float] | None:
    """Return the interval of resampled rows; resamples in which a side does not vary are left out."""
    if n_resamples < 100:
        raise InputError(f"n_resamples={n_resamples}: must be >= 100 for an interval")
    draws: list[np.ndarray] = []
    for start in range(0, n_resamples, step):
        picks: Int[np.ndarray, "r n"] = rng.integers(
            first.size, size=(min(step, n_resamples - start), first.size)
        )
        draws.append(measure(first[picks], second[picks]))
    return percentile_interval(observed, np.concatenate(draws), int(first.size), level).ends


def _rho(a: Float[np.ndarray, "draws n"], b: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
    middle = (a.shape[-1] + 1) / 2.0
    x, y = average_ranks(a) - middle, average_ranks(b) - middle
    scale = np.sqrt(np.sum(x * x, axis=-1) * np.sum(y * y, axis=-1))
    return np.where(scale > 0.0, np.sum(x * y, axis=-1) / np.where(scale > 0.0, scale, 1.0), np.nan)


def _tau(a: Float[np.ndarray, "draws n"], b: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
    x = np.sign(a[..., :, None] - a[..., None, :])
    y = np.sign(b[..., :, None] - b[..., None, :])
    scale = np.sqrt(np.sum(x * x, axis=(-2, -1)) * np.sum(y * y, axis=(-2, -1)))
    return np.where(scale > 0.0, np.sum(x * y, axis=(-2, -1)) / np.where(scale > 0.0, scale, 1.0), np.nan)

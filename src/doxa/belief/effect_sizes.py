"""Effect sizes: how much of a spread groups explain, and how far two means lie apart, with exact intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.inference import Labels, Numbers, check_level, finite_row
from doxa.belief.ranks import average_ranks
from doxa.belief.significance import Alternative, Estimate, check_alternative, student_p
from doxa.errors import InputError


class Spread(NamedTuple):
    """Sums of squares of a one-way analysis of variance with their degrees of freedom."""

    between: float
    within: float
    between_degrees: int
    within_degrees: int

    @property
    def total(self) -> float:
        """Return the sum of squares about the grand mean."""
        return self.between + self.within


def one_way(values: Numbers, groups: Labels) -> Spread:
    """Return the sums of squares of values between and within groups.

    Raises:
        InputError: lengths differ, a value is not finite, or there are fewer than two groups.
    """
    rows = finite_row("values", values)
    codes = group_codes(groups, rows.size)
    counts = np.bincount(codes)
    # About the grand mean, so that large values keep their digits.
    away = rows - rows.mean()
    means = np.bincount(codes, away) / counts
    within = float(np.sum((away - means[codes]) ** 2))
    return Spread(float(counts @ means**2), within, counts.size - 1, rows.size - counts.size)


def eta_squared(values: Numbers, groups: Labels, *, level: float = 0.95) -> Estimate:
    """Return η² = SS_between / SS_total in [0, 1] with F and the exact interval for normal groups.

    The interval inverts the noncentral F: λ from F, then η² = λ / (λ + N) (Steiger 2004, Beyond the F test).
    Without differences between groups E[η²] = (G - 1)/(N - 1).

    Args:
        values: one finite number per row.
        groups: one label per row, at least two different ones.
        level: coverage of the interval.

    Returns:
        η² with F and its p; NaN with the reason where all values are equal (0/0).

    Raises:
        InputError: lengths differ, a value is not finite, or there are fewer than two groups.

    >>> round(eta_squared([1.0, 2.0, 3.0, 4.0], ["a", "a", "b", "b"]).estimate, 3)
    0.8
    """
    spread = one_way(values, groups)
    return _eta_estimate(spread, spread.between / spread.total if spread.total else math.nan, level)


def eta_squared_from_summary(
    means: Numbers, sds: Numbers, n: int | Sequence[int] | Shaped[np.ndarray, " rows"], *, level: float = 0.95
) -> Estimate:
    """Return η² of groups known by mean, standard deviation and size.

    SS_between = Σ n_g(x̄_g - x̄)² and SS_within = Σ (n_g - 1)·sd_g², x̄ weighted by size.

    Args:
        means: mean of each group, at least two.
        sds: standard deviation of each, with n - 1 in its denominator, >= 0.
        n: size of every group, or of each, >= 2.
        level: coverage of the interval.

    Raises:
        InputError: lengths differ, fewer than two groups, or a size or deviation out of range.

    >>> round(eta_squared_from_summary([3.5, 6.5, 4.5, 5.5], [1.5, 2.5, 1.8, 2.2], 100).estimate, 7)
    0.2334899
    """
    centres, spreads = finite_row("means", means), finite_row("sds", sds)
    sizes = (
        np.broadcast_to(np.asarray(n, dtype=np.float64), centres.shape) if np.ndim(n) == 0 else np.asarray(n)
    )
    if not centres.size == spreads.size == sizes.size or centres.size < 2:
        raise InputError(
            f"{centres.size} means, {spreads.size} sds and {sizes.size} sizes; give one of each per group, "
            "at least two groups"
        )
    if np.any(spreads < 0.0) or np.any(sizes < 2):
        raise InputError(f"sds={spreads.tolist()}, n={sizes.tolist()}: sds must be >= 0 and sizes >= 2")
    grand = float(sizes @ centres / sizes.sum())
    between, within = float(sizes @ (centres - grand) ** 2), float((sizes - 1) @ spreads**2)
    spread = Spread(between, within, centres.size - 1, int(sizes.sum()) - centres.size)
    return _eta_estimate(spread, between / spread.total if spread.total else math.nan, level)


def omega_squared(values: Numbers, groups: Labels) -> Estimate:
    """Return ω² = (SS_between - df·MS_within) / (SS_total + MS_within), less biased than η²; may be below 0.

    Raises:
        InputError: as :func:`eta_squared`.
    """
    spread = one_way(values, groups)
    whole = _eta_estimate(spread, math.nan, 0.95)
    if not spread.total or not spread.within_degrees:
        return whole._replace(interval=None)
    noise = spread.within / spread.within_degrees
    omega = (spread.between - spread.between_degrees * noise) / (spread.total + noise)
    return whole._replace(estimate=omega, interval=None)


def kruskal_epsilon2(values: Numbers, groups: Labels) -> Estimate:
    """Return ε² = H / (N - 1) in [0, 1] of ordinal values, with H corrected for ties and its χ² p.

    This is η² of the ranks (Tomczak and Tomczak 2014).

    Raises:
        InputError: as :func:`eta_squared`.
    """
    ranks = average_ranks(finite_row("values", values))
    spread = one_way(ranks, groups)
    n = int(ranks.size)
    if not spread.total:
        return Estimate(n, math.nan, math.nan, math.nan, None, "all values are equal")
    from scipy.special import chdtrc

    share = spread.between / spread.total
    statistic = (n - 1) * share
    return Estimate(n, share, statistic, float(chdtrc(spread.between_degrees, statistic)), None)


def cohen_d(
    a: Numbers,
    b: Shaped[np.ndarray, " others"] | Sequence[float | int] | None = None,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Return d, the difference of means over the pooled deviation, or mean over deviation of one sample.

    The interval inverts the noncentral t, which is exact for normal rows at any size.

    Args:
        a: first sample, or differences of pairs.
        b: second sample; None tests ``a`` against 0 (then d is that of differences).
        alternative: which side speaks against no difference.
        level: coverage of the interval.

    Raises:
        InputError: a value is not finite.

    >>> round(cohen_d([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).estimate, 3)
    -1.0
    """
    return _standardised(a, b, alternative, level, corrected=False)


def hedges_g(
    a: Numbers,
    b: Shaped[np.ndarray, " others"] | Sequence[float | int] | None = None,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Return g = J(m)·d, unbiased for normal rows, with the exact J of :func:`hedges_correction`.

    Arguments as :func:`cohen_d`; m is n - 2, or n - 1 for one sample.
    """
    return _standardised(a, b, alternative, level, corrected=True)


def hedges_correction(degrees: float) -> float:
    """Return J(m) = Γ(m/2) / (√(m/2)·Γ((m - 1)/2)), at most 1 (Hedges 1981, equation 6e).

    >>> round(hedges_correction(10.0), 5)
    0.92275
    """
    if degrees <= 1.0:
        raise InputError(f"degrees={degrees}: must be > 1 for the expectation of d to exist")
    return math.exp(math.lgamma(degrees / 2.0) - math.lgamma((degrees - 1.0) / 2.0)) / math.sqrt(
        degrees / 2.0
    )


def group_codes(groups: Labels, n_rows: int) -> np.ndarray:
    """Return the number of each row's group, groups in the order of their first row.

    Raises:
        InputError: not one label per row, or fewer than two different ones.
    """
    labels = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)
    if len(labels) != n_rows:
        raise InputError(f"{len(labels)} group labels for {n_rows} rows; give one label per row")
    numbers: dict[object, int] = {}
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
    if len(numbers) < 2:
        raise InputError(f"groups={list(numbers)}: at least two are needed to compare")
    return codes


def _eta_estimate(spread: Spread, estimate: float, level: float) -> Estimate:
    check_level(level)
    n = spread.between_degrees + spread.within_degrees + 1
    if not spread.total:
        return Estimate(n, math.nan, math.nan, math.nan, None, "all values are equal, so the share is 0/0")
    if not spread.within_degrees:
        return Estimate(n, estimate, math.nan, math.nan, None, "every group has one row: no spread within")
    # Below this the inversion of F is lost in rounding, or does not end.
    if spread.within <= 1e-8 * spread.total:
        return Estimate(n, estimate, math.inf, 0.0, (estimate, estimate), "no spread within groups")
    from scipy.special import fdtrc, ncfdtr

    f = (spread.between / spread.between_degrees) / (spread.within / spread.within_degrees)
    degrees = spread.between_degrees, spread.within_degrees
    low, high = _inverted(lambda x: float(ncfdtr(*degrees, x, f)), 0.0, f * degrees[0] + 100.0, level)
    return Estimate(n, estimate, f, float(fdtrc(*degrees, f)), (low / (low + n), high / (high + n)))


def _standardised(
    a: Numbers,
    b: Shaped[np.ndarray, " others"] | Sequence[float | int] | None,
    alternative: Alternative,
    level: float,
    *,
    corrected: bool,
) -> Estimate:
    check_alternative(alternative)
    check_level(level)
    first = finite_row("a", a)
    second = None if b is None else finite_row("b", b)
    n = first.size + (0 if second is None else second.size)
    if first.size < 2 or (second is not None and second.size < 2):
        return Estimate(n, math.nan, math.nan, math.nan, None, "a sample of fewer than two has no spread")
    difference, deviation, per_unit, degrees = _scales(first, second)
    if deviation == 0.0:
        return Estimate(n, math.nan, math.nan, math.nan, None, "the rows do not vary within samples")
    d = difference / deviation
    t = d / per_unit
    reach = abs(t) + 40.0
    low, high = _inverted(_noncentral_t(degrees, t), -reach, reach, level)
    scale = hedges_correction(degrees) if corrected and degrees > 1.0 else 1.0
    interval = (scale * low * per_unit, scale * high * per_unit)
    return Estimate(n, scale * d, t, student_p(t, degrees, alternative), interval)


def _scales(
    first: Float[np.ndarray, " a"], second: Float[np.ndarray, " b"] | None
) -> tuple[float, float, float, float]:
    """Return the difference, its deviation, d per t, and the degrees of freedom."""
    if second is None:
        return float(first.mean()), float(first.std(ddof=1)), 1.0 / math.sqrt(first.size), first.size - 1.0
    degrees = first.size + second.size - 2.0
    squares = (first.size - 1) * float(first.var(ddof=1)) + (second.size - 1) * float(second.var(ddof=1))
    per_unit = math.sqrt(1.0 / first.size + 1.0 / second.size)
    return float(first.mean() - second.mean()), math.sqrt(squares / degrees), per_unit, degrees


def _noncentral_t(degrees: float, t: float) -> Callable[[float], float]:
    """Return P(T <= t) by noncentrality δ, the mean of Φ(t·√(u/m) - δ) over u ~ χ²(m).

    Library routines give up beyond δ = 37.
    """
    from scipy.special import gammaincinv, ndtr

    nodes, weights = np.polynomial.legendre.leggauss(400)
    scaled = t * np.sqrt(2.0 * gammaincinv(degrees / 2.0, 0.5 * (nodes + 1.0)) / degrees)
    return lambda noncentrality: 0.5 * float(weights @ ndtr(scaled - noncentrality))


def _inverted(
    chance_at: Callable[[float], float], least: float, most: float, level: float
) -> tuple[float, float]:
    """Return the noncentralities at which what was seen is the upper, then the lower tail.

    The chance of no more than what was seen falls with the noncentrality; it starts at ``least``.
    """
    ends: list[float] = []
    for target in (0.5 + level / 2.0, 0.5 - level / 2.0):
        low, high = least, most
        while chance_at(high) > target:
            high = 2.0 * high + 1.0
        for _ in range(80):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if chance_at(middle) > target else (low, middle)
        ends.append(low)
    return ends[0], ends[1]

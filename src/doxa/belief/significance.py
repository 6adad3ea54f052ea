"""Tests of a mean: one sample, paired or two samples, with clusters, by Student's t or by flipping signs.

Every test returns a :class:`Estimate`. Its interval is two-sided whatever the alternative, so that a verdict reads
all tests alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.inference import (
    Interval,
    Labels,
    Numbers,
    check_level,
    cluster_members,
    finite_row,
    paired_differences,
    student_quantile,
)
from doxa.errors import InputError

Alternative = Literal["two-sided", "greater", "less"]
"""What speaks against the null: a difference either way, a larger or a smaller value."""

EXACT_FLIPS = 16
"""Up to this many units all 2ⁿ assignments of signs are counted."""


class Estimate(NamedTuple):
    """A number with its test.

    Attributes:
        n: independent units it rests on.
        estimate: the number.
        statistic: the statistic that p is of; NaN where it is undefined.
        p: chance of a statistic as far from the null, if the null holds; NaN where it is undefined.
        interval: (low, high) around the estimate, or None.
        reason: why something is undefined, or what the numbers hang on; empty if nothing is to be said.
    """

    n: int
    estimate: float
    statistic: float
    p: float
    interval: tuple[float, float] | None
    reason: str = ""

    @property
    def as_interval(self) -> Interval:
        """Return the estimate with its ends as an :class:`Interval`; NaN where there is none."""
        low, high = self.interval or (math.nan, math.nan)
        return Interval(self.estimate, low, high, self.n)


def one_sample_t(
    values: Numbers,
    mean: float = 0.0,
    clusters: Labels | None = None,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test whether the mean of the rows is ``mean``, by Student's t.

    With clusters the variance is the cluster-robust one, G/(G - 1)·Σ(s_c - m·n_c)²/N² over G clusters of sum
    s_c and size n_c, at G - 1 degrees (CR1; Cameron and Miller 2015, equation 12). Without, each row is its
    own cluster and this is the usual t test.

    Args:
        values: one finite number per row.
        mean: the mean under the null.
        clusters: one label per row.
        alternative: which side speaks against the null.
        level: coverage of the interval of the mean, in (0, 1).

    Returns:
        The mean of the rows with t, p and the interval. Rows that are all ``mean`` give p = 1 with the
        reason; rows that are all another number give NaN, because t has no scale.

    Raises:
        InputError: a value is not finite, lengths differ, or the alternative is unknown.

    >>> [round(x, 4) for x in one_sample_t([1.0, 2.0, 3.0])[1:4]]
    [2.0, 3.4641, 0.0742]
    """
    rows = finite_row("values", values)
    check_alternative(alternative)
    members = cluster_members(rows.size, clusters)
    if rows.size == 0:
        return Estimate(0, math.nan, math.nan, math.nan, None, "no rows")
    units = len(members)
    centre = float(rows.mean())
    if units < 2:
        return Estimate(units, centre, math.nan, math.nan, None, "one unit has no spread")
    residuals = _residual_sums(rows, members, clusters)
    error = math.sqrt(units / (units - 1.0) * float(residuals @ residuals)) / rows.size
    return _student(units, centre, centre - mean, error, units - 1.0, alternative, level)


def paired_t(
    a: Numbers,
    b: Numbers,
    clusters: Labels | None = None,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test whether the mean of a - b over paired rows is 0; see :func:`one_sample_t`.

    Raises:
        InputError: the rows are not paired, or a value is not finite.
    """
    return one_sample_t(paired_differences(a, b), 0.0, clusters, alternative=alternative, level=level)


def two_sample_t(
    a: Numbers,
    b: Shaped[np.ndarray, " others"] | Sequence[float | int],
    *,
    equal_variance: bool = True,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test whether the means of two independent samples differ; the estimate is mean(a) - mean(b).

    Args:
        a: first sample, at least two finite numbers.
        b: second sample.
        equal_variance: pool the variances (Student), else Welch's test with its degrees.
        alternative: ``greater`` if a is larger.
        level: coverage of the interval, in (0, 1).

    Raises:
        InputError: a value is not finite, or the alternative is unknown.
    """
    first, second = finite_row("a", a), finite_row("b", b)
    check_alternative(alternative)
    n = first.size + second.size
    if min(first.size, second.size) < 2:
        return Estimate(n, math.nan, math.nan, math.nan, None, "a sample of fewer than two has no spread")
    difference = float(first.mean() - second.mean())
    spreads = [float(part.var(ddof=1)) for part in (first, second)]
    if equal_variance:
        degrees = n - 2.0
        pooled = ((first.size - 1) * spreads[0] + (second.size - 1) * spreads[1]) / degrees
        error = math.sqrt(pooled * (1.0 / first.size + 1.0 / second.size))
    else:
        shares = spreads[0] / first.size, spreads[1] / second.size
        error = math.sqrt(sum(shares))
        parts = shares[0] ** 2 / (first.size - 1) + shares[1] ** 2 / (second.size - 1)
        degrees = sum(shares) ** 2 / parts if parts > 0.0 else n - 2.0
    return _student(n, difference, difference, error, degrees, alternative, level)


def sign_flip(
    values: Numbers,
    mean: float = 0.0,
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator | None = None,
    n_flips: int = 9999,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test whether rows are symmetric about ``mean`` by flipping the signs of whole clusters.

    Up to ``EXACT_FLIPS`` clusters every assignment of signs is counted and p is exact; beyond, ``n_flips``
    are drawn and p = (1 + as far) / (1 + drawn). The interval is Student's, as in :func:`one_sample_t`.

    Args:
        values: one finite number per row.
        mean: the centre under the null.
        clusters: one label per row.
        rng: source of the flips; needed beyond ``EXACT_FLIPS`` clusters.
        n_flips: flips drawn where not all are counted, >= 99.
        alternative: which side speaks against the null.
        level: coverage of the interval, in (0, 1).

    Raises:
        InputError: as :func:`one_sample_t`, or flips must be drawn and no ``rng`` was given.
    """
    student = one_sample_t(values, mean, clusters, alternative=alternative, level=level)
    rows = finite_row("values", values)
    members = cluster_members(rows.size, clusters)
    if student.n == 0:
        return student
    sums = np.array([float((rows[member] - mean).sum()) for member in members])
    if not np.any(sums):
        return student._replace(statistic=0.0, p=1.0)
    observed = float(sums.sum())
    slack = 1e-12 * float(np.abs(sums).sum())
    if sums.size <= EXACT_FLIPS:
        bits = np.arange(2**sums.size)[:, None] >> np.arange(sums.size) & 1
        flipped = (2.0 * bits - 1.0) @ sums
        p = float(np.mean(as_far(flipped, observed, alternative, slack)))
    else:
        if rng is None:
            raise InputError(f"{sums.size} units: more than {EXACT_FLIPS} are flipped at random; give rng")
        if n_flips < 99:
            raise InputError(f"n_flips={n_flips}: must be >= 99 for a p")
        hits, left = 0, n_flips
        while left:
            drawn = min(left, max(1, 4_000_000 // sums.size))
            signs = 2.0 * rng.integers(2, size=(drawn, sums.size)) - 1.0
            hits += int(np.sum(as_far(signs @ sums, observed, alternative, slack)))
            left -= drawn
        p = (1.0 + hits) / (1.0 + n_flips)
    return student._replace(statistic=observed / rows.size, p=p, reason="")


def as_far(
    draws: Float[np.ndarray, " draws"], observed: float, alternative: Alternative, slack: float = 1e-12
) -> np.ndarray:
    """Return which draws of a statistic that is 0 in the middle are as far out as the observed one."""
    if alternative == "greater":
        return draws >= observed - slack
    if alternative == "less":
        return draws <= observed + slack
    return np.abs(draws) >= abs(observed) - slack


def check_alternative(alternative: str) -> None:
    """Raise InputError unless the alternative is one of the three."""
    if alternative not in ("two-sided", "greater", "less"):
        raise InputError(f"alternative={alternative!r}: must be 'two-sided', 'greater' or 'less'")


def student_p(statistic: float, degrees: float, alternative: Alternative) -> float:
    """Return the p of a t statistic at its degrees of freedom."""
    from scipy.special import stdtr

    if alternative == "two-sided":
        return min(1.0, 2.0 * float(stdtr(degrees, -abs(statistic))))
    return float(stdtr(degrees, -statistic if alternative == "greater" else statistic))


def _residual_sums(rows: np.ndarray, members: list[np.ndarray], clusters: Labels | None) -> np.ndarray:
    """Return Σ(x - m) of each cluster."""
    residuals = rows - rows.mean()
    return residuals if clusters is None else np.array([residuals[member].sum() for member in members])


def _student(
    n: int,
    estimate: float,
    difference: float,
    error: float,
    degrees: float,
    alternative: Alternative,
    level: float,
) -> Estimate:
    check_level(level)
    half = student_quantile(level, degrees) * error
    interval = (estimate - half, estimate + half)
    # Rounding leaves a spread of the last digits where there is none.
    if error <= 1e-14 * max(1.0, abs(estimate)):
        if abs(difference) <= 1e-14 * max(1.0, abs(estimate)):
            return Estimate(n, estimate, 0.0, 1.0, interval, "no unit differs from the null at all")
        return Estimate(n, estimate, math.nan, math.nan, interval, "the units do not vary: t has no scale")
    statistic = difference / error
    return Estimate(n, estimate, statistic, student_p(statistic, degrees, alternative), interval)

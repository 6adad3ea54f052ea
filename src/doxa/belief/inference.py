"""Intervals and tests: how far a number can be trusted.

Where nothing can be said (no rows, one cluster) the ends are NaN, which a verdict reads as unresolved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.errors import InputError

Numbers = Shaped[np.ndarray, " rows"] | Sequence[float | int]
"""A row of numbers or of truth values."""
Labels = Shaped[np.ndarray, " rows"] | Sequence[Any]
"""One label per row; rows with equal labels belong to one cluster."""

_CHUNK_CELLS = 4_000_000  # resamples times rows held at once: 32 MB of float64


class Interval(NamedTuple):
    """An estimate with its interval and the number of independent units it rests on."""

    estimate: float
    low: float
    high: float
    n: int

    @property
    def ends(self) -> tuple[float, float] | None:
        """Return (low, high), or None where there is no interval."""
        return None if math.isnan(self.low) or math.isnan(self.high) else (self.low, self.high)


class Phi(NamedTuple):
    """A phi coefficient, or NaN with the reason why there is none."""

    value: float
    reason: str


def bootstrap(
    values: Numbers,
    statistic: Callable[..., Any] = np.mean,
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Return a statistic of the rows with its bootstrap interval, resampling whole clusters.

    The interval is the expanded percentile interval of :func:`percentile_interval`, so few clusters do not
    make it too short. For a share that may be exactly 0 or 1 use :func:`wilson`, whose interval then still
    has a width.

    Args:
        values: one number per row.
        statistic: called as ``statistic(rows, axis=-1)``, like numpy's reductions.
        clusters: one label per row; None makes every row its own cluster.
        rng: source of the resamples.
        n_resamples: number of resamples, >= 100.
        level: coverage in (0, 1).

    Raises:
        InputError: a value is not finite, or the lengths differ.
    """
    rows = finite_row("values", values)
    check_level(level)
    if rows.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    members = cluster_members(rows.size, clusters)
    estimate = float(statistic(rows, axis=-1))
    if len(members) < 2:
        return Interval(estimate, math.nan, math.nan, len(members))
    if statistic is np.mean:
        sums = np.array([rows[member].sum() for member in members]) if clusters is not None else rows
        counts = np.array([member.size for member in members]) if clusters is not None else np.ones(rows.size)
        draws = weighted_draws(np.stack([sums, counts], axis=1).astype(np.float64), rng, n_resamples)
        return percentile_interval(estimate, draws[:, 0] / draws[:, 1], len(members), level)
    draws = _statistic_draws(rows, members, statistic, rng, n_resamples)
    return percentile_interval(estimate, draws, len(members), level)


def paired_bootstrap(
    a: Numbers,
    b: Numbers,
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Return the mean of a - b over paired rows with its cluster bootstrap interval.

    Raises:
        InputError: the rows are not paired, or a value is not finite.
    """
    return bootstrap(
        paired_differences(a, b), np.mean, clusters, rng=rng, n_resamples=n_resamples, level=level
    )


def weighted_draws(
    cluster_sums: Float[np.ndarray, "clusters sums"], rng: np.random.Generator, n_resamples: int
) -> Float[np.ndarray, "resamples sums"]:
    """Return each resample's total of the clusters' sums: enough for any statistic made of sums.

    A resample draws as many clusters as there are, with replacement.
    """
    if n_resamples < 100:
        raise InputError(f"n_resamples={n_resamples}: must be >= 100 for an interval")
    n_clusters = cluster_sums.shape[0]
    out = np.empty((n_resamples, cluster_sums.shape[1]))
    step = max(1, _CHUNK_CELLS // n_clusters)
    for start in range(0, n_resamples, step):
        stop = min(start + step, n_resamples)
        picks = rng.integers(n_clusters, size=(stop - start, n_clusters))
        offsets = picks + n_clusters * np.arange(stop - start)[:, None]
        counts = np.bincount(offsets.ravel(), minlength=picks.size).reshape(picks.shape)
        out[start:stop] = counts @ cluster_sums
    return out


def percentile_interval(
    estimate: float, draws: Float[np.ndarray, " resamples"], n: int, level: float = 0.95
) -> Interval:
    """Return the expanded percentile interval of bootstrap draws from n independent units.

    The tail is Φ(-t·√(n / (n - 1))) with t the Student quantile of n - 1 degrees: for a mean this undoes the
    known shortness of the plain percentile interval at small n (Hesterberg 2015, What teachers should know
    about the bootstrap, 3.3). Draws that are NaN (a resample without a value) are left out.
    """
    check_level(level)
    usable = draws[~np.isnan(draws)]
    if n < 2 or usable.size == 0:
        return Interval(estimate, math.nan, math.nan, n)
    tail = NormalDist().cdf(-student_quantile(level, n - 1) * math.sqrt(n / (n - 1)))
    low, high = np.quantile(usable, [tail, 1.0 - tail])
    return Interval(estimate, float(low), float(high), n)


def mean_t_interval(values: Numbers, level: float = 0.95) -> Interval:
    """Return the mean of independent values (one per seed) with Student's interval; one has none.

    >>> [round(number, 3) for number in mean_t_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484, 3]
    """
    rows = finite_row("values", values)
    check_level(level)
    if rows.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    if rows.size == 1:
        return Interval(float(rows[0]), math.nan, math.nan, 1)
    return student_interval(float(rows.mean()), float(rows.std(ddof=1)), int(rows.size), level)


def student_interval(mean: float, spread: float, n: int, level: float = 0.95) -> Interval:
    """Return what :func:`mean_t_interval` does, from the mean, standard deviation and number of the values.

    Args:
        mean: of the values; NaN of none.
        spread: their standard deviation with n - 1 below; not looked at for n < 2.
        n: how many values.
        level: coverage in (0, 1).
    """
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    half = student_quantile(level, n - 1) * spread / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval; no trials give (0, 1) around NaN.

    >>> [round(number, 3) for number in wilson(10, 10)]
    [1.0, 0.722, 1.0, 10]
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes={successes} of n={n}: must be 0 <= successes <= n")
    check_level(level)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, 0)
    z2 = NormalDist().inv_cdf(0.5 + level / 2.0) ** 2
    share = successes / n
    centre = (successes + z2 / 2.0) / (n + z2)
    half = math.sqrt(z2 * (share * (1.0 - share) * n + z2 / 4.0)) / (n + z2)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high, n)


def mcnemar_exact(b: int, c: int) -> float:
    """Return the two-sided exact p of paired answers that changed b times one way and c the other.

    p = min(1, 2·P(X <= min(b, c))), X ~ Binomial(b + c, 1/2); no change at all gives 1.

    >>> mcnemar_exact(0, 5)
    0.0625
    """
    if b < 0 or c < 0:
        raise InputError(f"b={b}, c={c}: counts of changed pairs must be >= 0")
    if b == c:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2.0 * float(bdtr(float(min(b, c)), b + c, 0.5)))


def phi_coefficient(table: Shaped[np.ndarray, "2 2"] | Sequence[Sequence[float | int]]) -> Phi:
    """Return phi = (n11 n00 - n10 n01) / √(product of the margins) of a 2x2 table of counts, in [-1, 1].

    The table is [[both, first only], [second only, neither]]. Undefined when a margin is 0.

    >>> phi_coefficient([[5, 0], [0, 5]])
    Phi(value=1.0, reason='')
    """
    cells = np.asarray(table, dtype=np.float64)
    if cells.shape != (2, 2) or not np.all(np.isfinite(cells)) or np.any(cells < 0):
        raise InputError(f"table={table}: must be 2x2 counts >= 0")
    margins = {
        "first true": cells[0].sum(),
        "first false": cells[1].sum(),
        "second true": cells[:, 0].sum(),
        "second false": cells[:, 1].sum(),
    }
    for name, count in margins.items():
        if count == 0:
            return Phi(math.nan, f"no row has {name}, so the two cannot vary together")
    scale = math.sqrt(math.prod(margins.values()))
    value = (cells[0, 0] * cells[1, 1] - cells[0, 1] * cells[1, 0]) / scale
    return Phi(float(np.clip(value, -1.0, 1.0)), "")


def cluster_members(n_rows: int, clusters: Labels | None) -> list[np.ndarray]:
    """Return the row numbers of each cluster, clusters in the order of their first row."""
    if clusters is None:
        return list(np.arange(n_rows)[:, None])
    labels: list[Any] = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
    if len(labels) != n_rows:
        raise InputError(f"{len(labels)} cluster labels for {n_rows} rows; give one label per row")
    found: dict[Any, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    return [np.array(rows) for rows in found.values()]


def _statistic_draws(
    rows: np.ndarray,
    members: list[np.ndarray],
    statistic: Callable[..., Any],
    rng: np.random.Generator,
    n_resamples: int,
) -> Float[np.ndarray, " resamples"]:
    """Apply a statistic to resamples: all at once where clusters are equally long, else one by one."""
    if n_resamples < 100:
        raise InputError(f"n_resamples={n_resamples}: must be >= 100 for an interval")
    lengths = {member.size for member in members}
    step = max(1, _CHUNK_CELLS // rows.size)
    parts: list[np.ndarray] = []
    for start in range(0, n_resamples, step):
        picks = rng.integers(len(members), size=(min(step, n_resamples - start), len(members)))
        if len(lengths) == 1:
            table = np.stack(members)
            parts.append(np.asarray(statistic(rows[table[picks].reshape(len(picks), -1)], axis=-1)))
        else:
            chosen = (rows[np.concatenate([members[i] for i in pick])] for pick in picks)
            parts.append(np.array([float(statistic(row, axis=-1)) for row in chosen]))
    return np.concatenate(parts).astype(np.float64)


def paired_differences(a: Numbers, b: Numbers) -> Float[np.ndarray, " rows"]:
    """Return a - b row by row.

    Raises:
        InputError: the rows are not paired, or a value is not finite.
    """
    first, second = finite_row("a", a), finite_row("b", b)
    if first.size != second.size:
        raise InputError(f"a has {first.size} rows and b {second.size}; pair them first, row by row")
    return first - second


def student_quantile(level: float, degrees: float) -> float:
    """Return the t beyond which (1 - level)/2 lies on either side, at its degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2.0))


def finite_row(name: str, values: Numbers) -> Float[np.ndarray, " rows"]:
    """Return the values as a row of finite floats, or raise InputError naming them."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 1:
        raise InputError(f"{name} has shape {rows.shape}; give one row of numbers")
    if not np.all(np.isfinite(rows)):
        raise InputError(f"{name} holds NaN or inf; leave missing rows out and report how many")
    return rows


def check_level(level: float) -> None:
    """Raise InputError unless a level of coverage is in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InputError(f"level={level}: must be in (0, 1), for example 0.95")

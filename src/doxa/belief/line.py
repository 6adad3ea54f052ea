"""The line through paired numbers by least squares, its interval from resampling whole clusters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.inference import Interval, Labels, cluster_members, percentile_interval, weighted_draws
from doxa.errors import InputError


class LineFit(NamedTuple):
    """y = intercept + slope·x and the correlation of both, or why there is none."""

    slope: Interval
    intercept: Interval
    correlation: float
    reason: str


def line_fit(
    x: Float[np.ndarray, " rows"],
    y: Float[np.ndarray, " rows"],
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator,
    names: tuple[str, str] = ("x", "y"),
    n_resamples: int = 2000,
    level: float = 0.95,
) -> LineFit:
    """Fit y = intercept + slope·x.

    Args:
        x: finite numbers.
        y: as many.
        clusters: one label per row; None makes every row its own cluster.
        rng: source of the resamples.
        names: what the reasons call both.
        n_resamples: number of resamples, >= 100.
        level: coverage in (0, 1).

    Raises:
        InputError: the lengths differ, or a number is not finite.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(f"{y.size} {names[1]} for {x.size} {names[0]}; pair them first")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(
            f"{names[0]} or {names[1]} hold numbers that are not finite; leave them out and report how many"
        )
    members = cluster_members(x.size, clusters)
    none = Interval(math.nan, math.nan, math.nan, len(members))
    if x.size < 2 or np.ptp(x) == 0.0:
        return LineFit(none, none, math.nan, f"the {names[0]} do not vary")
    correlation = math.nan if np.ptp(y) == 0.0 else float(np.corrcoef(x, y)[0, 1])
    # Sums about the means: a line moves with its origin, and far origins lose digits.
    dx, dy = x - x.mean(), y - y.mean()
    rows = np.stack([np.ones_like(dx), dx, dy, dx * dx, dx * dy], axis=1)
    sums = np.stack([rows[member].sum(axis=0) for member in members])
    slope, shift = (float(part[0]) for part in _line(sums.sum(axis=0, keepdims=True)))
    intercept = float(y.mean()) + shift - slope * float(x.mean())
    if len(members) < 2:
        alone = Interval(slope, math.nan, math.nan, 1), Interval(intercept, math.nan, math.nan, 1)
        return LineFit(*alone, correlation, "one cluster has no interval")
    slopes, shifts = _line(weighted_draws(sums, rng, n_resamples))
    intercepts = float(y.mean()) + shifts - slopes * float(x.mean())
    return LineFit(
        percentile_interval(slope, slopes, len(members), level),
        percentile_interval(intercept, intercepts, len(members), level),
        correlation,
        "" if not math.isnan(correlation) else f"the {names[1]} do not vary",
    )


def _line(
    sums: Float[np.ndarray, "draws 5"],
) -> tuple[Float[np.ndarray, " draws"], Float[np.ndarray, " draws"]]:
    """Return slope and intercept from n, Σx, Σy, Σx², Σxy; NaN where x does not vary."""
    n, sx, sy, sxx, sxy = sums.T
    spread = sxx - sx * sx / n
    usable = spread > 1e-12 * np.maximum(sxx, 1e-300)
    slope = np.where(usable, (sxy - sx * sy / n) / np.where(usable, spread, 1.0), np.nan)
    return slope, (sy - slope * sx) / n

"""Calibration: whether stated credences mean what they say, against outcomes or against a reference."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.inference import Interval, Labels
from doxa.belief.information import logit
from doxa.belief.line import line_fit
from doxa.errors import InputError

CLIP_CREDENCE = 0.99
"""Stated 0 % and 100 % have infinite log-odds; both sides of a comparison are clipped to 1 % and 99 %."""


Edges = Literal["width", "count"]
"""Bins of equal width of credence, or of equally many beliefs."""


class Bin(NamedTuple):
    """One bin of a reliability curve: mean credence, share that came true, number of beliefs."""

    credence: float
    share_true: float
    n: int


class LogOddsFit(NamedTuple):
    """Stated against reference log-odds: a line and its correlation, or why there is none."""

    slope: Interval
    intercept: Interval
    correlation: float
    clipped: int
    reason: str


def brier_score(credence: Float[np.ndarray, " beliefs"], outcome: Shaped[np.ndarray, " beliefs"]) -> float:
    """Return the mean of (p - o)² in [0, 1]; outcomes are truth values or reference credences.

    >>> brier_score(np.array([1.0, 0.5]), np.array([1, 0]))
    0.125
    """
    p, o = checked_credences(credence, outcome)
    return float(np.mean((p - o) ** 2))


def expected_calibration_error(
    credence: Float[np.ndarray, " beliefs"],
    outcome: Shaped[np.ndarray, " beliefs"],
    *,
    n_bins: int = 10,
    edges: Edges = "width",
) -> float:
    """Return Σ n_b/n·|share true in b - mean credence in b| in [0, 1] over bins of credence.

    It is biased upwards by sampling noise of order √(bins / n): compare it with that of a calibrated holder
    of the same n, never with 0. (Guo et al. 2017, equation 3.)
    """
    p, _ = checked_credences(credence, outcome)
    bins = reliability_curve(credence, outcome, n_bins=n_bins, edges=edges)
    return float(sum(b.n * abs(b.share_true - b.credence) for b in bins) / p.size)


def reliability_curve(
    credence: Float[np.ndarray, " beliefs"],
    outcome: Shaped[np.ndarray, " beliefs"],
    *,
    n_bins: int = 10,
    edges: Edges = "width",
) -> list[Bin]:
    """Return the bins [k/n, (k+1)/n) that hold at least one belief; a credence of 1 is in the last.

    With ``edges="count"`` the beliefs are put in order and cut into ``n_bins`` parts that differ by one belief at most,
    which serves credences that are mostly small; equal credences may then lie in two bins.
    """
    if n_bins < 1:
        raise InputError(f"n_bins={n_bins}: must be >= 1")
    p, o = checked_credences(credence, outcome)
    if edges == "count":
        index = np.empty(p.size, dtype=np.int64)
        index[np.argsort(p, kind="stable")] = np.arange(p.size) * n_bins // p.size
    else:
        index = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    return [
        Bin(float(p[index == k].mean()), float(o[index == k].mean()), int(np.sum(index == k)))
        for k in np.unique(index)
    ]


def band_coverage(
    low: Float[np.ndarray, "*shape"],
    high: Float[np.ndarray, "*shape"],
    observed: Shaped[np.ndarray, "*shape"],
) -> float:
    """Return the share of observed numbers that lie within their bands, ends included.

    Raises:
        InputError: a band is upside down, or there is none.

    >>> band_coverage(np.array([0.0, 0.0]), np.array([1.0, 1.0]), np.array([1.0, 2.0]))
    0.5
    """
    if low.shape != observed.shape or high.shape != observed.shape or not observed.size:
        raise InputError(
            f"bands {low.shape}, {high.shape} and {observed.shape} numbers: give one band for each"
        )
    if np.any(low > high):
        raise InputError("low > high: a band is upside down")
    return float(np.mean((low <= observed) & (observed <= high)))


def log_odds_fit(
    stated_log_odds: Float[np.ndarray, " beliefs"],
    reference_log_odds: Float[np.ndarray, " beliefs"],
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator,
    clip_credence: float = CLIP_CREDENCE,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> LogOddsFit:
    """Fit stated = intercept + slope·reference by least squares over log-odds in nats.

    Slope 1 and intercept 0 is calibrated, slope > 1 overconfident, slope < 1 timid, intercept != 0 biased.
    Both sides are clipped to the log-odds of ``clip_credence`` and its negation; ``clipped`` counts the
    beliefs where either side was, because many of them flatten the slope. Intervals are by cluster bootstrap.

    Raises:
        InputError: NaN log-odds, different lengths, or clip_credence outside (1/2, 1).
    """
    x, y = np.asarray(reference_log_odds, dtype=np.float64), np.asarray(stated_log_odds, dtype=np.float64)
    if x.shape != y.shape:
        raise InputError(f"{y.size} stated and {x.size} reference log-odds; pair them first")
    if np.any(np.isnan(x)) or np.any(np.isnan(y)):
        raise InputError("log-odds hold NaN; leave missing beliefs out and report how many")
    if not 0.5 < clip_credence < 1.0:
        raise InputError(f"clip_credence={clip_credence}: must be in (1/2, 1)")
    limit = logit(clip_credence)
    clipped = int(np.sum((np.abs(x) > limit) | (np.abs(y) > limit)))
    x, y = np.clip(x, -limit, limit), np.clip(y, -limit, limit)
    names = ("reference log-odds", "stated log-odds")
    fit = line_fit(x, y, clusters, rng=rng, names=names, n_resamples=n_resamples, level=level)
    return LogOddsFit(fit.slope, fit.intercept, fit.correlation, clipped, fit.reason)


def checked_credences(credence: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return credences and outcomes as floats, or raise InputError if they do not pair or leave [0, 1]."""
    p, o = np.asarray(credence, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if p.shape != o.shape or p.size == 0:
        raise InputError(
            f"{p.size} credences and {o.size} outcomes; give one outcome per credence, at least one"
        )
    if not (np.all((p >= 0.0) & (p <= 1.0)) and np.all((o >= 0.0) & (o <= 1.0))):
        raise InputError("credences and outcomes must be in [0, 1]; leave missing beliefs out")
    return p, o

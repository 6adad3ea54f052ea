"""Coherence of beliefs over time and between holders: what no updating by Bayes' rule can show.

A holder who updates on what it hears expects no change of its own credence, so its credences are a martingale; its
movement pays for its uncertainty (Augenblick and Rabin 2021, Belief movement, uncertainty reduction, and rational
updating); and the credences of two sides of one question sum to one.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.inference import Interval, Labels, Numbers, finite_row, wilson
from doxa.belief.significance import Alternative, Estimate, one_sample_t, sign_flip
from doxa.errors import InputError


class Movement(NamedTuple):
    """Realised movement of beliefs against the movement their uncertainty allows.

    Attributes:
        realised: mean over paths of Σ(c_{t+1} - c_t)².
        predicted: mean over paths of c_0(1 - c_0) - c_T(1 - c_T), the uncertainty that was resolved.
        excess: realised - predicted per path, 0 under Bayes, with its test; > 0 is moving too much.
        ratio: realised / predicted; NaN where nothing was resolved.
    """

    realised: float
    predicted: float
    excess: Estimate
    ratio: float


class PairCoherence(NamedTuple):
    """Two holders' credences that their own side is right.

    Attributes:
        excess: mean of c_1 + c_2 - 1, 0 for a coherent pair, with its test.
        share_over: share of pairs that sum to more than 1, with Wilson's interval.
    """

    excess: Estimate
    share_over: Interval


def martingale_test(
    paths: Float[np.ndarray, "paths times"],
    clusters: Labels | None = None,
    *,
    method: Literal["t", "sign-flip"] = "t",
    rng: np.random.Generator | None = None,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Estimate:
    """Test E[c_{t+1} - c_t] = 0 over all steps, with whole paths as units.

    Steps of a path depend on each other, so they are one cluster; ``clusters`` may join paths further (the two
    sides of one debate). The sum of steps telescopes, and t is that of the clustered mean of
    :func:`~doxa.belief.significance.one_sample_t`.

    Args:
        paths: credences in [0, 1], one path to a row, at least two times.
        clusters: one label per path; None makes each path a unit.
        method: Student's t of the clusters, or flipped signs of whole clusters.
        rng: source of flips where they are drawn.
        alternative: ``greater`` if beliefs rise.
        level: coverage of the interval of the mean step.

    Raises:
        InputError: a credence is outside [0, 1] or missing, or the shape or a choice is wrong.

    >>> martingale_test(np.array([[0.5, 0.6], [0.5, 0.4]])).p
    1.0
    """
    table = _paths(paths)
    steps = np.diff(table, axis=1)
    labels: list[object] = list(range(table.shape[0])) if clusters is None else list(clusters)
    if len(labels) != table.shape[0]:
        raise InputError(f"{len(labels)} cluster labels for {table.shape[0]} paths; give one label per path")
    rows = steps.ravel()
    repeated = [label for label in labels for _ in range(steps.shape[1])]
    if method == "t":
        return one_sample_t(rows, 0.0, repeated, alternative=alternative, level=level)
    if method != "sign-flip":
        raise InputError(f"method={method!r}: must be 't' or 'sign-flip'")
    return sign_flip(rows, 0.0, repeated, rng=rng, alternative=alternative, level=level)


def movement_test(
    paths: Float[np.ndarray, "paths times"],
    clusters: Labels | None = None,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> Movement:
    """Compare realised movement with what the resolved uncertainty predicts.

    For a martingale E[Σ(c_{t+1} - c_t)²] = E[c_0(1 - c_0) - c_T(1 - c_T)]. Step by step the difference is
    (2c_t - 1)(c_t - c_{t+1}): beliefs that go back to the middle too often show an excess (overreaction),
    beliefs that go to the ends too often a deficit.

    Args:
        paths: credences in [0, 1], one path to a row, at least two times.
        clusters: one label per path.
        alternative: ``greater`` if beliefs move too much.
        level: coverage of the interval of the excess.

    Raises:
        InputError: as :func:`martingale_test`.
    """
    table = _paths(paths)
    realised = np.sum(np.diff(table, axis=1) ** 2, axis=1)
    spread = table * (1.0 - table)
    predicted = spread[:, 0] - spread[:, -1]
    excess = one_sample_t(realised - predicted, 0.0, clusters, alternative=alternative, level=level)
    total = float(predicted.sum())
    ratio = float(realised.sum()) / total if total > 0.0 else math.nan
    return Movement(float(realised.mean()), float(predicted.mean()), excess, ratio)


def volatility(paths: Float[np.ndarray, "paths times"]) -> Float[np.ndarray, " paths"]:
    """Return Σ|c_{t+1} - c_t| of each path."""
    return np.sum(np.abs(np.diff(_paths(paths), axis=1)), axis=1)


def pair_coherence(
    first: Numbers,
    second: Numbers,
    clusters: Labels | None = None,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> PairCoherence:
    """Test whether two holders' credences in winning sum to 1.

    Args:
        first: credence in [0, 1] of one side that it is right, a pair to a row.
        second: credence of the other side that *it* is right.
        clusters: one label per pair.
        alternative: ``greater`` if both claim too much.
        level: coverage of the intervals.

    Raises:
        InputError: rows are not paired or a credence is outside [0, 1].
    """
    a, b = _pairs(first, second)
    # Bets of whole per cents sum to 1 only up to rounding.
    over = a + b - 1.0
    over = np.where(np.abs(over) < 1e-12, 0.0, over)
    excess = one_sample_t(over, 0.0, clusters, alternative=alternative, level=level)
    return PairCoherence(excess, wilson(int(np.sum(over > 0.0)), int(over.size), level))


def mutual_overconfidence(
    first: Numbers, second: Numbers, *, threshold: float = 0.75, strict: bool = True, level: float = 0.95
) -> Interval:
    """Return the share of pairs in which both sides' credence of winning is over the threshold.

    From a threshold of 1/2 on at most one of them can be right to be so sure.

    Args:
        first: credence in [0, 1] of one side that it is right, a pair to a row.
        second: credence of the other side that it is right.
        threshold: in [0, 1].
        strict: count above the threshold only, else at it too.
        level: coverage of Wilson's interval.

    Raises:
        InputError: rows are not paired, or a number is outside [0, 1].

    >>> mutual_overconfidence([0.8, 0.75], [0.9, 0.75]).estimate
    0.5
    """
    if not 0.0 <= threshold <= 1.0:
        raise InputError(f"threshold={threshold}: must be a credence in [0, 1]")
    a, b = _pairs(first, second)
    lower = np.minimum(a, b)
    both = lower > threshold if strict else lower >= threshold
    return wilson(int(both.sum()), int(both.size), level)


def _paths(paths: np.ndarray) -> Float[np.ndarray, "paths times"]:
    table = np.asarray(paths, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise InputError(f"paths have shape {table.shape}; give a table of paths by at least two times")
    if not np.all((table >= 0.0) & (table <= 1.0)):
        raise InputError(
            "paths must be credences in [0, 1]; leave out paths with missing beliefs and report how many"
        )
    return table


def _pairs(first: Numbers, second: Numbers) -> tuple[np.ndarray, np.ndarray]:
    a, b = finite_row("first", first), finite_row("second", second)
    if a.size != b.size:
        raise InputError(f"first has {a.size} rows and second {b.size}; pair them first, row by row")
    if not all(np.all((side >= 0.0) & (side <= 1.0)) for side in (a, b)):
        raise InputError("credences must be in [0, 1]; divide per cents by 100")
    return a, b

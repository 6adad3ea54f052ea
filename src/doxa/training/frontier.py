"""What a training method keeps at equal score; at equal steps, slower training keeps more of everything."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError

NEAR = 0.075
"""Scores this far apart do not count as equal; nearer ones count less the farther apart they are."""
NOISE = 0.01
"""Scores of the reference that spread less than this say nothing of a slope: it is what sampling does to a score."""


def kept_at_equal_score(
    score: Float[np.ndarray, " points"],
    kept: Float[np.ndarray, " kept"],
    reference_score: Float[np.ndarray, " others"],
    reference_kept: Float[np.ndarray, " others_kept"],
    *,
    last: float = 1.0 / 3.0,
    near: float = NEAR,
) -> float:
    """Return how much more a run keeps than reference runs do at the same score, over its last evaluations.

    The reference at a score is a line through its points within ``near`` of it, weighed 1 - distance / near. Their mean
    would not do: points of a run that slows down lie more densely above a score than below it, which makes slower
    training on the very same curve seem to keep more. Scores beyond all of the reference's are compared with nothing.

    Args:
        score: the run's score at each evaluation, in the order of steps.
        kept: its entropy in nats, distinct right answers, or whatever else is to be kept, at each.
        reference_score: scores of the reference runs at their evaluations, of all runs together, in any order.
        reference_kept: what they kept.
        last: share of the run's evaluations, from the end, that are compared; at least one is.
        near: scores nearer than this count as equal, > 0.

    Returns:
        The mean difference over the evaluations that have a reference; NaN if none has.

    Raises:
        InputError: lengths differ, there are no points, or a number is out of its range.

    >>> round(kept_at_equal_score(np.array([0.5]), np.array([0.9]), np.array([0.45, 0.55]), np.array([0.6, 0.4])), 6)
    0.4
    """
    sizes = score.shape == kept.shape and reference_score.shape == reference_kept.shape
    if not sizes or not score.size or not reference_score.size:
        raise InputError(
            f"scores {score.shape} and {reference_score.shape}, kept {kept.shape} and {reference_kept.shape}: "
            "give one number to each score, and at least one evaluation of both"
        )
    if not 0.0 < last <= 1.0 or not near > 0.0:
        raise InputError(f"last={last}, near={near}: must be in (0, 1] and > 0")
    count = max(1, round(last * score.size))
    score, kept = score[-count:], kept[-count:]
    away = reference_score - score[:, None]
    weight = np.clip(1.0 - np.abs(away) / near, 0.0, None)
    total = weight.sum(1)
    inside = (score >= reference_score.min()) & (score <= reference_score.max())
    known = inside & (total > 0.0)
    if not known.any():
        return float("nan")
    away, weight = away[known], weight[known] / total[known, None]
    mean, middle = weight @ reference_kept, (weight * away).sum(1)
    apart = weight * (away - middle[:, None])
    slope = apart @ reference_kept / ((apart * away).sum(1) + NOISE**2)
    return float(np.mean(kept[known] - mean + slope * middle))

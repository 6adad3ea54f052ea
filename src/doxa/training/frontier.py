"""What a training method keeps at equal score; at equal steps, slower training keeps more of everything."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError

NEAR = 0.075
"""Scores this far apart do not count as equal; nearer ones count less the farther apart they are."""


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

    The reference at a score is the mean of all its points within ``near`` of it, weighed 1 - distance / near.

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
    if score.shape != kept.shape or not score.size or reference_score.shape != reference_kept.shape:
        raise InputError(
            f"scores {score.shape} and {reference_score.shape}, kept {kept.shape} and {reference_kept.shape}: "
            "give one number to each score, and at least one evaluation"
        )
    if not 0.0 < last <= 1.0 or not near > 0.0:
        raise InputError(f"last={last}, near={near}: must be in (0, 1] and > 0")
    count = max(1, round(last * score.size))
    score, kept = score[-count:], kept[-count:]
    weight = np.clip(1.0 - np.abs(score[:, None] - reference_score) / near, 0.0, None)
    total = weight.sum(1)
    known = total > 0.0
    if not known.any():
        return float("nan")
    return float(np.mean(kept[known] - weight[known] @ reference_kept / total[known]))

"""How well estimates of entropy changes agree with the changes themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from doxa.errors import InputError


class Agreement(NamedTuple):
    """Agreement of estimates with the truth; a constant row has no correlation, NaN.

    Attributes:
        pearson: linear correlation.
        spearman: rank correlation.
        sign: share of the true changes other than 0 whose sign is estimated.
        unexplained: mean squared error after the best scale, as a share of the mean square of the truth.
        scale: that best scale, the truth per estimate.
    """

    pearson: float
    spearman: float
    sign: float
    unexplained: float
    scale: float


def agreement(true: Float[np.ndarray, " rows"], estimate: Float[np.ndarray, " rows"]) -> Agreement:
    """Return how well estimates agree with true changes (both in nats, or in any unit of their own).

    Raises:
        InputError: rows differ in number, there are fewer than 3, or a number is not finite.
    """
    if true.shape != estimate.shape or true.size < 3:
        raise InputError(
            f"{true.size} changes and {estimate.size} estimates: give as many of each, at least 3"
        )
    if not (np.isfinite(true).all() and np.isfinite(estimate).all()):
        raise InputError("changes and estimates must be finite; leave out rows that are not")
    varies = np.ptp(true) > 0.0 and np.ptp(estimate) > 0.0
    pearson, spearman = (
        float(np.corrcoef(one, other)[0, 1]) if varies else float("nan")
        for one, other in ((true, estimate), (rankdata(true), rankdata(estimate)))
    )
    moved = true != 0.0
    sign = float((np.sign(true[moved]) == np.sign(estimate[moved])).mean()) if moved.any() else float("nan")
    square = float(estimate @ estimate)
    scale = float(true @ estimate) / square if square else 0.0
    total = float(true @ true)
    left = true - scale * estimate
    return Agreement(pearson, spearman, sign, float(left @ left) / total if total else float("nan"), scale)

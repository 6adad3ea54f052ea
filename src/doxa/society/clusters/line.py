"""The line from which networks start: log-odds linear in the features, fitted exactly before any step of an optimiser.

Hazards are near power laws of shares, which a line in their logarithms says without any hidden unit; what gradient
steps then learn is the rest. The fit is Newton's for counts y among n with mean μ = n·p, score (y - μ) / (1 + κμ) and
a normal prior of every coefficient around 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from doxa.belief.information import expit

STEPS = 30
LONGEST = 2.0
"""A step changes no row's log-odds by more, so that a far start cannot throw the fit."""


def fitted_line(
    features: Float[np.ndarray, "rows width"],
    events: Float[np.ndarray, " rows"],
    trials: Float[np.ndarray, " rows"],
    base: float,
    precision: Float[np.ndarray, " width"],
    dispersion: float = 0.0,
) -> Float[np.ndarray, " coefficients"]:
    """Return the intercept, to be added to ``base``, and the coefficient of each feature.

    Args:
        features: of mean 0 and spread 1.
        events: y of each row, >= 0.
        trials: n of each row, >= y.
        base: log-odds from which the intercept is counted; it has no prior.
        precision: of the normal prior of each coefficient, > 0.
        dispersion: κ >= 0, by which large counts vary more than by counting.
    """
    rows = np.concatenate([np.ones((len(features), 1)), features], axis=1)
    prior = np.concatenate([[0.0], precision])
    line = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        p = expit(base + rows @ line)
        mean = trials * p
        kept = 1.0 / (1.0 + dispersion * mean)
        score = rows.T @ ((events - mean) * kept) - prior * line
        curvature = (rows.T * (mean * (1 - p) * kept)) @ rows + np.diag(prior + 1e-9)
        step = np.linalg.solve(curvature, score)
        reach = np.abs(rows @ step).max()
        line += step * min(1.0, LONGEST / max(reach, 1e-12))
        if reach < 1e-6:
            break
    return line

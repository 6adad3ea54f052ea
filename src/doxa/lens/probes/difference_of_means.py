"""The difference of the classes' means as a probe (mass-mean; Marks and Tegmark 2023, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.lens.probes.cross_validation import FittedProbes, fit_probes
from doxa.lens.probes.folds import Groups
from doxa.lens.probes.linear import Activations, Labels
from doxa.lens.probes.problems import Fits, Problems


@dataclass(frozen=True)
class DifferenceOfMeans(FittedProbes):
    """Probes with w = μ₊ - μ₋ and b = -w·(μ₊ + μ₋)/2, one for each site.

    Scores are no log-odds: their scale is that of the activations squared, and so is what ``log_loss`` makes of it.
    """

    @classmethod
    def fit(
        cls,
        activations: Activations,
        labels: Labels,
        *,
        groups: Groups | None = None,
        folds: int = 5,
        permutations: int = 10,
        directions: int = 10,
        rng: np.random.Generator,
    ) -> DifferenceOfMeans:
        """Return the probes with their cross-validation and controls; arguments as of ``LogisticProbes.fit``.

        Raises:
            InputError: the numbers do not fit together, an activation is not finite, or a label is alone.
        """
        weights, bias, tested = fit_probes(
            fit_means,
            activations,
            labels,
            groups=groups,
            ridge=(1.0,),
            folds=folds,
            permutations=permutations,
            directions=directions,
            rng=rng,
        )
        return cls(weights, bias, tested)


def fit_means(
    examples: Float[np.ndarray, "examples width"],
    labels: Bool[np.ndarray, "sets examples"],
    fold: Int[np.ndarray, " examples"],
    problems: Problems,
) -> Fits:
    """Return the difference of means of every problem; it has no ridge, and no gap."""
    used = fold != problems.held_out[:, None]
    above, below = (used & (labels[problems.label_set] == label) for label in (True, False))
    rows = examples.astype(np.float64)
    high, low = ((some @ rows) / some.sum(1, keepdims=True) for some in (above, below))
    weights = high - low
    bias = -0.5 * np.einsum("pw,pw->p", weights, high + low)
    return Fits(weights, bias, np.zeros(len(bias)))

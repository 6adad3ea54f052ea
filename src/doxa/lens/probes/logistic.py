"""Logistic probes with ridge, for all layers and positions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doxa.lens.probes.cross_validation import FittedProbes, fit_probes
from doxa.lens.probes.folds import Groups
from doxa.lens.probes.linear import Activations, Labels
from doxa.lens.probes.logistic_solver import fit_logistic


@dataclass(frozen=True)
class LogisticProbes(FittedProbes):
    """Logistic regressions, one for each site, each with the ridge that does best on held-out groups."""

    @property
    def ridge(self) -> Float[np.ndarray, "*sites"]:
        """The chosen ridge of each site."""
        return np.asarray(self.cross_validated.ridge[self.cross_validated.chosen])

    @classmethod
    def fit(
        cls,
        activations: Activations,
        labels: Labels,
        *,
        groups: Groups | None = None,
        ridge: Sequence[float] = (1.0,),
        folds: int = 5,
        permutations: int = 10,
        directions: int = 10,
        rng: np.random.Generator,
    ) -> LogisticProbes:
        """Return the probes with their cross-validation and controls.

        The objective is scikit-learn's, Σ log(1 + exp(z)) - y·z + ridge/2·|w|² with the bias free, so ridge is 1 / C.

        Args:
            activations: by example, site (layers, positions or whatever axes) and coordinate; finite.
            labels: True or False for each example.
            groups: what must not straddle a split, such as the question of an answer; None: each example alone.
            ridge: which to try, each > 0; chosen for each site by the mean log-loss of held-out examples.
            folds: parts of the groups that are held out in turn, >= 2.
            permutations: label sets that know nothing of the examples, fitted alike.
            directions: random directions for comparison.
            rng: draws folds, permutations and directions.

        Raises:
            InputError: the numbers do not fit together, an activation is not finite, or a label is alone.
        """
        weights, bias, tested = fit_probes(
            fit_logistic,
            activations,
            labels,
            groups=groups,
            ridge=ridge,
            folds=folds,
            permutations=permutations,
            directions=directions,
            rng=rng,
        )
        return cls(weights, bias, tested)

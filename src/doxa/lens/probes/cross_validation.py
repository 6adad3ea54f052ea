"""Probes of every site fitted, cross-validated by group and set beside their controls, one site at a time.

What differs between kinds of probes is how one site is fitted; folds, permuted labels, random directions and the
choice of the ridge are the same for all.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.lens.probes.folds import Groups, group_numbers, grouped_folds, label_sets
from doxa.lens.probes.linear import Activations, Labels, LinearProbes
from doxa.lens.probes.problems import (
    Fits,
    Fitter,
    Plan,
    SiteResult,
    checked_labels,
    finite_site,
    fit_site,
    plan_fits,
)

_LARGE_GAP = 1e-7


class UnconvergedWarning(UserWarning):
    """Numbers did not allow a fit to come near its minimum."""


@dataclass(frozen=True)
class CrossValidated:
    """How well probes tell examples that they were not fitted on, and how well their controls do.

    Attributes:
        ridge: the ridges that were tried.
        accuracy: share of held-out examples on the right side, by site, ridge and fold.
        log_loss: mean of -log p(label) of held-out examples in nats, alike.
        permuted_accuracy: the same as ``accuracy`` for permuted labels, by site, permutation, ridge and fold; about
            the share of the more frequent label or less.
        permuted_log_loss: the same as ``log_loss`` for permuted labels.
        random_accuracy: accuracy of random directions through the mean of the examples, by site and direction.
        fold: in which fold each example was held out.
        chosen: which ridge has the least mean log-loss, by site.
        gap: by site, how far in nats per example the worst of all fits may be above its least objective.
    """

    ridge: Float[np.ndarray, " ridges"]
    accuracy: Float[np.ndarray, "*sites ridges folds"]
    log_loss: Float[np.ndarray, "*sites ridges folds"]
    permuted_accuracy: Float[np.ndarray, "*sites permutations ridges folds"]
    permuted_log_loss: Float[np.ndarray, "*sites permutations ridges folds"]
    random_accuracy: Float[np.ndarray, "*sites directions"]
    fold: Int[np.ndarray, " examples"]
    chosen: Int[np.ndarray, "*sites"]
    gap: Float[np.ndarray, "*sites"]

    @property
    def held_out_accuracy(self) -> Float[np.ndarray, "*sites"]:
        """Accuracy over all folds at the chosen ridge."""
        return self._at_least_loss(self.accuracy, self.log_loss)

    @property
    def held_out_log_loss(self) -> Float[np.ndarray, "*sites"]:
        """Mean log-loss over all folds at the chosen ridge, in nats; a little low, as the ridge was chosen by it."""
        return self._at_least_loss(self.log_loss, self.log_loss)

    @property
    def control_accuracy(self) -> Float[np.ndarray, "*sites permutations"]:
        """Accuracy on permuted labels, each permutation at the ridge that is best for it."""
        return self._at_least_loss(self.permuted_accuracy, self.permuted_log_loss)

    @property
    def p_value(self) -> Float[np.ndarray, "*sites"]:
        """Share of permutations, the real labels among them, with an accuracy as high as that of the real labels."""
        controls = self.control_accuracy
        above = (controls >= self.held_out_accuracy[..., None] - 1e-12).sum(-1)
        return np.asarray((1.0 + above) / (1.0 + controls.shape[-1]))

    def _at_least_loss(self, values: np.ndarray, losses: np.ndarray) -> np.ndarray:
        share = _shares(self.fold)
        best = (losses @ share).argmin(-1)
        return np.take_along_axis(values @ share, best[..., None], -1)[..., 0]


@dataclass(frozen=True)
class FittedProbes(LinearProbes):
    """Linear probes fitted on all examples, with the test of how well they do on others.

    Attributes:
        cross_validated: accuracy, log-loss and controls.
    """

    cross_validated: CrossValidated


def fit_probes(
    fitter: Fitter,
    activations: Activations,
    labels: Labels,
    *,
    groups: Groups | None,
    ridge: Sequence[float],
    folds: int,
    permutations: int,
    directions: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "*sites width"], Float[np.ndarray, "*sites"], CrossValidated]:
    """Return weights, biases and their test for every site; memory beyond the activations is that of one site.

    Raises:
        InputError: the numbers do not fit together, an activation is not finite, or a label is alone.
    """
    truth = checked_labels(activations, labels)
    numbers = group_numbers(groups, truth.size)
    fold = grouped_folds(numbers, truth, folds, rng)
    plan = plan_fits(label_sets(numbers, truth, fold, permutations, rng), fold, ridge)
    shape = activations.shape[1:-1]
    rows = activations.reshape(truth.size, -1, activations.shape[-1])
    results: list[SiteResult] = []
    chance = np.empty((rows.shape[1], directions))
    for site in range(rows.shape[1]):
        examples = finite_site(rows, site, shape)
        results.append(_only_whole(fit_site(fitter, examples, plan), plan))
        chance[site] = _random_accuracy(examples, truth, directions, rng)
    accuracy, log_loss = (
        np.stack([one[part] for one in results]).reshape(*shape, len(plan.labels), plan.ridge.size, folds)
        for part in (1, 2)
    )
    gap = np.array([one.fits.gap.max() for one in results])
    if gap.max() > _LARGE_GAP:
        site = tuple(int(one) for one in np.unravel_index(int(gap.argmax()), shape or (1,)))
        warnings.warn(
            f"a fit at site {site} may be {gap.max():.1e} nats per example above its minimum; try a larger ridge",
            UnconvergedWarning,
            stacklevel=3,
        )
    real, permuted = (..., 0, slice(None), slice(None)), (..., slice(1, None), slice(None), slice(None))
    tested = CrossValidated(
        plan.ridge,
        accuracy[real],
        log_loss[real],
        accuracy[permuted],
        log_loss[permuted],
        chance.reshape(*shape, directions),
        fold,
        np.asarray((log_loss[real] @ _shares(fold)).argmin(-1)),
        gap.reshape(shape),
    )
    weights = np.stack([one.fits.weights[0] for one in results]).reshape(*shape, -1)
    return weights, np.array([one.fits.bias[0] for one in results]).reshape(shape), tested


def _only_whole(result: SiteResult, plan: Plan) -> SiteResult:
    """Keep of all fits the one on all examples at the chosen ridge."""
    chosen = int((result.log_loss[0] @ _shares(plan.fold)).argmin()) - plan.ridge.size
    fits = result.fits
    return result._replace(fits=Fits(fits.weights[[chosen]], fits.bias[[chosen]], fits.gap))


def _shares(fold: Int[np.ndarray, " examples"]) -> Float[np.ndarray, " folds"]:
    return np.bincount(fold) / fold.size


def _random_accuracy(
    examples: Float[np.ndarray, "examples width"],
    labels: Bool[np.ndarray, " examples"],
    directions: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, " directions"]:
    drawn = rng.standard_normal((examples.shape[1], directions))
    scores = (examples - examples.mean(0, dtype=np.float64)) @ drawn
    return ((scores > 0.0) == labels[:, None]).mean(0)

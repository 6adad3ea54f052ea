"""What is fitted at a site: real and permuted labels, folds and ridges over the same examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.lens.probes.linear import Activations, Labels, not_finite


class Problems(NamedTuple):
    """What is to be fitted to the examples of a site, a row for each fit.

    Attributes:
        label_set: which row of the labels.
        held_out: number of the fold that is left out, -1 for none.
        ridge: λ > 0.
    """

    label_set: Int[np.ndarray, " problems"]
    held_out: Int[np.ndarray, " problems"]
    ridge: Float[np.ndarray, " problems"]


class Fits(NamedTuple):
    """The fitted weights and biases, in the units of the examples, and the nats per example still to gain."""

    weights: Float[np.ndarray, "problems width"]
    bias: Float[np.ndarray, " problems"]
    gap: Float[np.ndarray, " problems"]


Fitter = Callable[[np.ndarray, np.ndarray, np.ndarray, Problems], Fits]
"""How a site is fitted: from its examples, the label sets, the fold of each example and the problems."""


class Plan(NamedTuple):
    """What is fitted at every site.

    Attributes:
        labels: the real labels first, then permuted ones.
        fold: the fold of each example; -1 is in no fold.
        ridge: the ridges to try.
        problems: for each label set, fold and ridge one; then all examples, for each ridge.
    """

    labels: Bool[np.ndarray, "sets examples"]
    fold: Int[np.ndarray, " examples"]
    ridge: Float[np.ndarray, " ridges"]
    problems: Problems


def plan_fits(
    labels: Bool[np.ndarray, "sets examples"],
    fold: Int[np.ndarray, " examples"],
    ridge: Sequence[float],
) -> Plan:
    """Return the problems of a site.

    Raises:
        InputError: a ridge is not above 0.
    """
    ridges = np.asarray(ridge, dtype=np.float64)
    if ridges.size == 0 or not np.all((ridges > 0.0) & np.isfinite(ridges)):
        raise InputError(
            f"ridge={list(ridge)}: give at least one, each above 0; ridge is 1 / C of scikit-learn"
        )
    held = np.arange(int(fold.max()) + 1)
    sets, folds, rows = (
        grid.ravel() for grid in np.meshgrid(np.arange(len(labels)), held, ridges, indexing="ij")
    )
    whole = np.zeros(ridges.size, dtype=np.int64)
    problems = Problems(
        np.concatenate([sets, whole]).astype(np.int64),
        np.concatenate([folds, whole - 1]).astype(np.int64),
        np.concatenate([rows, ridges]),
    )
    return Plan(labels, fold, ridges, problems)


class SiteResult(NamedTuple):
    """Fits of one site with accuracy and log-loss, by label set, ridge and fold."""

    fits: Fits
    accuracy: Float[np.ndarray, "sets ridges folds"]
    log_loss: Float[np.ndarray, "sets ridges folds"]


def fit_site(fitter: Fitter, examples: Float[np.ndarray, "examples width"], plan: Plan) -> SiteResult:
    """Fit one site and score the examples that were held out."""
    fits = fitter(examples, plan.labels, plan.fold, plan.problems)
    sets, folds, ridges = len(plan.labels), int(plan.fold.max()) + 1, plan.ridge.size
    weights = fits.weights[: sets * folds * ridges].reshape(sets, folds, ridges, -1)
    bias = fits.bias[: sets * folds * ridges].reshape(sets, folds, ridges)
    accuracy, log_loss = np.empty((2, sets, ridges, folds))
    for held_out in range(folds):
        there = plan.fold == held_out
        scores = np.tensordot(weights[:, held_out], examples[there].astype(np.float64), (-1, -1))
        scores += bias[:, held_out, :, None]
        labels = plan.labels[:, None, there]
        accuracy[:, :, held_out] = ((scores > 0.0) == labels).mean(-1)
        log_loss[:, :, held_out] = np.logaddexp(0.0, np.where(labels, -scores, scores)).mean(-1)
    return SiteResult(fits, accuracy, log_loss)


def checked_labels(activations: Activations, labels: Labels) -> Bool[np.ndarray, " examples"]:
    """Return the labels as truth values, one for each example.

    Raises:
        InputError: there are other numbers of them, or values other than 0 and 1.
    """
    given = np.asarray(labels)
    if given.shape != activations.shape[:1]:
        raise InputError(
            f"labels of shape {given.shape} for {activations.shape[0]} examples; give one per example"
        )
    if not np.isin(given, (0, 1)).all():
        raise InputError("labels must be 0 or 1, or True or False; code two classes so")
    return given.astype(bool)


def finite_site(
    rows: Float[np.ndarray, "examples sites width"], site: int, shape: tuple[int, ...]
) -> Float[np.ndarray, "examples width"]:
    """Return the examples of one site as float32.

    Raises:
        InputError: one is not finite.
    """
    examples = np.ascontiguousarray(rows[:, site], dtype=np.float32)
    bad = ~np.isfinite(examples)
    if bad.any():
        raise InputError(not_finite(int(np.nonzero(bad)[0][0]), site, shape))
    return examples

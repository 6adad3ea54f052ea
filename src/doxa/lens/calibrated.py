r"""Readings of activations as log-odds: directions fitted with groups held out, calibrated on what they never saw.

For each fold a logistic direction is fitted on the other folds' examples (labels known, because it was said outright).
Held-out scores z are turned into log-odds by one line, :math:`a z + b`, fitted to the held-out labels with Platt's
soft targets, so that perfectly separated scores still have finite log-odds. The layer is the one whose held-out
log-odds lose least. What is read later is scored by the direction that left out its group, so no proposition is read
by a direction that was fitted on it.

Where a question stands there with both of its answers, z is the margin φ(yes) - φ(no), as in ``margins``.

Source: J. Platt, Probabilistic outputs for support vector machines (1999), for the calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.lens.probes.logistic_solver import fit_logistic
from doxa.lens.probes.problems import Problems

Asked = Float[np.ndarray, "examples answers layers width"]
"""Activations by example, by answer (one place, or Yes and No), by layer, by coordinate."""


class Line(NamedTuple):
    """Log-odds = slope · score + intercept, and what it loses on the labels, in nats per example."""

    slope: float
    intercept: float
    loss: float


@dataclass(frozen=True)
class CalibratedReading:
    """Directions of one layer, one for each fold, and the line from scores to log-odds.

    Attributes:
        layer: index of the layer among those given.
        weights: by fold.
        bias: by fold.
        fold_of: the fold that left a group out, by group.
        line: from scores to log-odds in nats.
        accuracy: share of held-out examples whose log-odds have the right sign, in [0, 1].
    """

    layer: int
    weights: Float[np.ndarray, "folds width"]
    bias: Float[np.ndarray, " folds"]
    fold_of: dict[Any, int]
    line: Line
    accuracy: float

    def log_odds(self, activations: Asked, groups: Sequence[Any]) -> Float[np.ndarray, " examples"]:
        """Return the log-odds in nats that each example's label is true.

        Args:
            activations: as in ``calibrated``, with the same layers.
            groups: what each example is about; its direction was fitted without it.

        Raises:
            InputError: a group was not among those of the fit.
        """
        unknown = sorted({str(group) for group in groups if group not in self.fold_of})
        if unknown:
            raise InputError(f"groups {', '.join(unknown)}: not among those the directions were fitted on")
        fold = np.array([self.fold_of[group] for group in groups])
        return self.line.slope * _scores(activations[:, :, self.layer], self.weights, self.bias, fold) + (
            self.line.intercept
        )


class Calibrated(NamedTuple):
    """A reading and its controls.

    Attributes:
        reading: fitted to the labels.
        permuted: fitted and calibrated to permuted labels; its accuracy is on those, about one half.
        random: a random direction at the reading's layer, of the same norm and slope, centred on the examples. It
            holds as much of what is read as any direction does.
    """

    reading: CalibratedReading
    permuted: CalibratedReading
    random: CalibratedReading


def calibrated(
    activations: Asked,
    labels: Bool[np.ndarray, " examples"],
    groups: Sequence[Any],
    *,
    rng: np.random.Generator,
    folds: int = 5,
    ridge: float = 1.0,
) -> Calibrated:
    """Fit and calibrate a reading and its controls.

    Args:
        activations: of examples whose label was said outright; with two answers the label is whether Yes is right.
        labels: the label of each example.
        groups: what must not straddle a fold: topics, facts, regions.
        rng: source of folds, permutations and the random direction.
        folds: how many; fewer groups make fewer folds.
        ridge: strength of the penalty on the weights, > 0.

    Raises:
        InputError: fewer than two groups, one label only, or activations of another shape.
    """
    if activations.ndim != 4 or activations.shape[1] not in (1, 2):
        raise InputError(
            f"activations of shape {activations.shape}: must be examples, 1 or 2 answers, layers, width"
        )
    names = list(dict.fromkeys(groups))
    if len(groups) != len(activations) or len(names) < 2:
        raise InputError(
            f"{len(groups)} groups for {len(activations)} examples: one each, of at least two groups"
        )
    order = rng.permutation(len(names))
    fold_of = {names[group]: place % min(folds, len(names)) for place, group in enumerate(order.tolist())}
    fold = np.array([fold_of[group] for group in groups])
    sets = (labels, rng.permutation(labels))
    for held_out in range(int(fold.max()) + 1):
        for one in sets:
            rest = one[fold != held_out]
            if rest.all() or not rest.any():
                raise InputError(
                    f"without fold {held_out} all examples have one label; give more of the other one"
                )
    found = [_fitted(activations, one, fold, fold_of, ridge) for one in sets]
    return Calibrated(found[0], found[1], _random(activations, labels, fold, found[0], rng))


def platt(scores: Float[np.ndarray, " examples"], labels: Bool[np.ndarray, " examples"]) -> Line:
    """Return the line from scores to log-odds that loses least on Platt's soft targets.

    Targets are (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2): as if one more example of each label had been seen wrong.
    """
    from scipy.optimize import minimize

    up = int(labels.sum())
    target = np.where(labels, (up + 1) / (up + 2), 1 / (len(labels) - up + 2))
    scale = float(np.std(scores)) or 1.0
    centred = (scores - scores.mean()) / scale

    def loss(line: Float[np.ndarray, " 2"]) -> tuple[float, Float[np.ndarray, " 2"]]:
        z = line[0] * centred + line[1]
        wrong = 0.5 * (1.0 + np.tanh(0.5 * z)) - target
        value = float(np.mean(np.logaddexp(0.0, z) - target * z))
        return value, np.array([float(np.mean(wrong * centred)), float(np.mean(wrong))])

    best = minimize(loss, np.zeros(2), jac=True, method="BFGS")
    slope = float(best.x[0]) / scale
    return Line(slope, float(best.x[1]) - slope * float(scores.mean()), float(best.fun))


def _fitted(
    activations: Asked,
    labels: Bool[np.ndarray, " examples"],
    fold: Int[np.ndarray, " examples"],
    fold_of: dict[Any, int],
    ridge: float,
) -> CalibratedReading:
    """Fit every layer and return the one whose held-out log-odds lose least."""
    answers, layers = activations.shape[1:3]
    folds = int(fold.max()) + 1
    wanted = Problems(np.zeros(folds, np.int64), np.arange(folds), np.full(folds, ridge))
    # a single answer is factual if it is the right one; both answers of a question lie in one fold
    right = np.stack([labels, ~labels], axis=1)[:, :answers].ravel()
    fitted: list[CalibratedReading] = []
    for layer in range(layers):
        examples = activations[:, :, layer].reshape(-1, activations.shape[-1])
        fits = fit_logistic(examples, right[None], np.repeat(fold, answers), wanted)
        fitted.append(
            _reading(
                activations, labels, fold, fold_of, layer, np.asarray(fits.weights, np.float64), fits.bias
            )
        )
    return min(fitted, key=lambda one: one.line.loss)


def _random(
    activations: Asked,
    labels: Bool[np.ndarray, " examples"],
    fold: Int[np.ndarray, " examples"],
    reading: CalibratedReading,
    rng: np.random.Generator,
) -> CalibratedReading:
    """Return one random direction in the place of the fitted ones, of their norms and with their slope."""
    drawn = rng.standard_normal(reading.weights.shape[1])
    norms = np.linalg.norm(reading.weights, axis=1, keepdims=True)
    weights, bias = norms * drawn / np.linalg.norm(drawn), np.zeros(len(norms))
    scores = _scores(activations[:, :, reading.layer], weights, bias, fold)
    slope = reading.line.slope
    log_odds = slope * (scores - scores.mean())
    loss = float(np.mean(np.logaddexp(0.0, log_odds) - labels * log_odds))
    line = Line(slope, -slope * float(scores.mean()), loss)
    right = float(np.mean((log_odds > 0.0) == labels))
    return CalibratedReading(reading.layer, weights, bias, reading.fold_of, line, right)


def _reading(
    activations: Asked,
    labels: Bool[np.ndarray, " examples"],
    fold: Int[np.ndarray, " examples"],
    fold_of: dict[Any, int],
    layer: int,
    weights: Float[np.ndarray, "folds width"],
    bias: Float[np.ndarray, " folds"],
) -> CalibratedReading:
    scores = _scores(activations[:, :, layer], weights, bias, fold)
    line = platt(scores, labels)
    right = (line.slope * scores + line.intercept > 0.0) == labels
    return CalibratedReading(layer, weights, bias, fold_of, line, float(np.mean(right)))


def _scores(
    activations: Float[np.ndarray, "examples answers width"],
    weights: Float[np.ndarray, "folds width"],
    bias: Float[np.ndarray, " folds"],
    fold: Int[np.ndarray, " examples"],
) -> Float[np.ndarray, " examples"]:
    """Return φ of the one answer, or φ(yes) - φ(no)."""
    rows = activations.astype(np.float64)
    scores = np.einsum("eaw,ew->ea", rows, weights[fold]) + bias[fold][:, None]
    return scores[:, 0] - scores[:, 1] if scores.shape[1] == 2 else scores[:, 0]

"""Epistemic fusion: two or more predictions of the same hazards become one, each weighed by how much it can be trusted.

    ℓ = Σ ℓ_i / V_i / Σ 1 / V_i,     V = 1 / Σ 1 / V_i

V_i is a path's own variance plus its running squared error in log-odds. The error of a day is what its misses show
beyond the noise of counting, over all clusters: Σ[(y - np)² - y(1 - y/n)] / Σ[np(1 - p)·y]. With y in the denominator
too, twice too much and half too little are the same error, as they are in log-odds.

``confidence`` replicates the released code, which weighs probabilities by confidences set by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.society.clusters.symbolic import Prediction

Mode: TypeAlias = Literal["precision", "confidence", "symbolic", "neural"]
MODES: tuple[Mode, ...] = ("precision", "confidence", "symbolic", "neural")


class Fused(NamedTuple):
    """A fused prediction, and the weight of each path in it (first axis)."""

    prediction: Prediction
    weights: Float[np.ndarray, "paths *lead clusters transitions"]


class Confident(NamedTuple):
    """Probabilities with the confidence in them, both in [0, 1]."""

    probability: Float[np.ndarray, "*shape"]
    confidence: Float[np.ndarray, "*shape"]


def fuse(paths: Sequence[Prediction], temperature: float = 1.0) -> Fused:
    """Return the precision-weighted mean of log-odds, divided by a temperature > 0.

    A path of infinite variance is left out exactly; if all are, they weigh the same.

    Raises:
        InputError: there is no path, a variance is not positive, or the temperature is not.
    """
    if not paths or not temperature > 0:
        raise InputError(f"{len(paths)} paths at temperature={temperature}: give one at least, and > 0")
    variance = np.stack([path.variance for path in paths])
    if not np.all(variance > 0):
        raise InputError("variance: must be > 0; a path that is certain leaves the others no say")
    precision = 1.0 / variance
    total = precision.sum(axis=0)
    known = total > 0
    weights = np.where(known, precision / np.where(known, total, 1.0), 1.0 / len(paths))
    logit = sum(np.where(w > 0, w * path.logit, 0.0) for w, path in zip(weights, paths, strict=True))
    merged = np.where(known, 1.0 / np.where(known, total, 1.0), np.inf)
    return Fused(Prediction(np.asarray(logit) / temperature, merged), weights)


def fuse_confident(first: Confident, second: Confident) -> Confident:
    """Return the released code's fusion: p = (c₁p₁ + c₂p₂) / (c₁ + c₂), confidence 2c₁c₂ / (c₁ + c₂).

    A path without confidence is ignored, and the other's confidence stays.

    Raises:
        InputError: a number is outside [0, 1], or neither path has confidence.
    """
    for one in (first, second):
        for values in one:
            if not np.all((np.asarray(values) >= 0) & (np.asarray(values) <= 1)):
                raise InputError("probabilities and confidences must be in [0, 1]")
    (p, c), (q, d) = ((np.asarray(a, float), np.asarray(b, float)) for a, b in (first, second))
    total = c + d
    if np.any(total == 0):
        raise InputError("confidence 0 of both paths: one must be known")
    both = np.where((c > 0) & (d > 0), 2 * c * d / total, np.maximum(c, d))
    return Confident((c * p + d * q) / total, both)


@dataclass
class RunningError:
    """A path's squared error in log-odds of each transition, an exponential mean of days.

    Attributes:
        transitions: how many.
        decay: weight of yesterday's mean, in [0, 1).
    """

    transitions: int
    decay: float = 0.8
    _above: np.ndarray = field(init=False)
    _below: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise InputError(f"decay={self.decay}: must be in [0, 1)")
        self._above, self._below = np.zeros(self.transitions), np.zeros(self.transitions)

    @property
    def value(self) -> Float[np.ndarray, " transitions"]:
        """The mean so far in nats², >= 0; 0 before any day."""
        known = self._below > 0
        return np.where(known, np.maximum(0.0, self._above) / np.where(known, self._below, 1.0), 0.0)

    def saw(
        self,
        logit: Float[np.ndarray, "clusters transitions"],
        events: Int[np.ndarray, "clusters transitions"],
        trials: Int[np.ndarray, "clusters transitions"],
    ) -> None:
        """Take a day in: what was predicted, and what happened among how many."""
        p = expit(logit)
        expected = trials * p
        noise = events * (1 - events / np.maximum(1, trials))
        above = ((events - expected) ** 2 - noise).sum(axis=0)
        below = (expected * (1 - p) * events).sum(axis=0)
        self._above = self.decay * self._above + (1 - self.decay) * above
        self._below = self.decay * self._below + (1 - self.decay) * below


@dataclass(frozen=True)
class EpistemicFusion:
    """How a symbolic and a neural prediction become one.

    Attributes:
        mode: ``precision`` weighs by inverse variance; ``confidence`` replicates the released code; ``symbolic`` and
            ``neural`` take one path alone.
        decay: of the running squared error.
        temperature: the fused log-odds are divided by it.
        confidences: of the symbolic and the neural path, set by hand, for ``confidence``.
    """

    mode: Mode = "precision"
    decay: float = 0.8
    temperature: float = 1.0
    confidences: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"fusion={self.mode!r}: must be one of {MODES}")

    def __call__(
        self, symbolic: Prediction, neural: Prediction, errors: tuple[np.ndarray, np.ndarray]
    ) -> Fused:
        """Return the fused prediction.

        Args:
            symbolic: of the symbolic path.
            neural: of the neural path.
            errors: running squared error of either.
        """
        paths = [
            Prediction(path.logit, path.variance + error)
            for path, error in zip((symbolic, neural), errors, strict=True)
        ]
        if self.mode == "precision":
            return fuse(paths, self.temperature)
        ones = np.ones_like(symbolic.logit)
        if self.mode == "confidence":
            first, second = (
                Confident(expit(path.logit), c * ones)
                for path, c in zip(paths, self.confidences, strict=True)
            )
            p = fuse_confident(first, second).probability
            weights = np.stack([ones, ones]) * np.array(self.confidences).reshape(2, *[1] * ones.ndim)
            logit = np.log(p) - np.log1p(-p)
            return Fused(Prediction(logit, fuse(paths).prediction.variance), weights / sum(self.confidences))
        chosen = self.mode == "neural"
        return Fused(paths[chosen], np.stack([ones * (not chosen), ones * chosen]))

"""The symbolic path: mechanistic hazards whose constants have conjugate posteriors from the last two weeks.

A driven transition has p = 1 - exp(-β·x - ε) with β ~ Gamma(a + Σy, b + Σ(n - l/2)·x): events y among n at risk, of
whom l leave by whatever way and are at risk for half that day. Another has p ~ Beta(a + Σy, b + Σ(n - y)), where those
who left by a competing transition are no trials. Of p the mean is given, as log-odds; the variance is that of the
log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.society.clusters.history import ClusterHistory
from doxa.society.dynamics.compartments import Compartments


class Prediction(NamedTuple):
    """Log-odds that each transition alone happens within a day, and their variance in nats²."""

    logit: Float[np.ndarray, "*lead clusters transitions"]
    variance: Float[np.ndarray, "*lead clusters transitions"]


class Posterior(NamedTuple):
    """What is known of the constants.

    Attributes:
        a: shape of β's Gamma where a transition is driven, first parameter of p's Beta elsewhere.
        b: its rate, or second parameter.
        driven: which are driven.
        imported: hazard of a driven transition without any contact.
    """

    a: Float[np.ndarray, "*lead clusters transitions"]
    b: Float[np.ndarray, "*lead clusters transitions"]
    driven: Bool[np.ndarray, " transitions"]
    imported: float

    def predict(self, force: Float[np.ndarray, "*lead clusters transitions"]) -> Prediction:
        """Return the prediction at a force of contact (see :class:`Situation`)."""
        from scipy.special import polygamma

        mean = self.a / self.b
        hazard = np.maximum(mean * force, 0.0) + self.imported
        # d logit / d ln β = βx / (1 - exp(-h)), because logit p = ln(exp(h) - 1)
        slope = mean * force / -np.expm1(-hazard)
        by_contact = Prediction(
            np.log(np.expm1(np.minimum(hazard, 500.0))), polygamma(1, self.a) * slope**2 + 1e-12
        )
        alone = Prediction(np.log(self.a / self.b), polygamma(1, self.a) + polygamma(1, self.b))
        return Prediction(
            *(np.where(self.driven, first, second) for first, second in zip(by_contact, alone, strict=True))
        )


@dataclass(frozen=True)
class SymbolicPath:
    """Mechanistic hazards.

    Attributes:
        compartments: states and transitions; their probabilities are what is expected before any data, by a contact
            share of 1 where a transition needs contact.
        window: days from which the constants are learned, >= 1.
        strength: how many events the prior is worth, > 0.
        imported: ε, hazard a day of a driven transition without any contact, > 0.

    Raises:
        InputError: a number is out of range.
    """

    compartments: Compartments
    window: int = 14
    strength: float = 2.0
    imported: float = 1e-4

    def __post_init__(self) -> None:
        if self.window < 1 or not (self.strength > 0 and self.imported > 0):
            raise InputError(
                f"window={self.window}, strength={self.strength}, imported={self.imported}: must be >= 1, > 0 and > 0"
            )
        for name, way in zip(self.compartments.ways, self.compartments.transitions, strict=True):
            if not 0.0 < way.probability < 1.0:
                raise InputError(
                    f"{name}: probability={way.probability} must be > 0 and < 1, as what is expected before any data"
                )

    def posterior(self, history: ClusterHistory, days: Int[np.ndarray, " lead"]) -> Posterior:
        """Return what is known of the constants at the start of some days, from the days before each."""
        driven = self.compartments.drivers >= 0
        events, at_risk = history.events.astype(np.float64), history.at_risk
        exposure = (at_risk + history.trials - events) / 2.0 * history.force[:-1]
        misses = np.where(driven, exposure, history.trials - events)
        last = np.asarray(days)
        first = np.maximum(0, last - self.window)
        sums = [np.cumsum(np.pad(table, ((1, 0), (0, 0), (0, 0))), axis=0) for table in (events, misses)]
        y, rest = (total[last] - total[first] for total in sums)
        prior = np.array([way.probability for way in self.compartments.transitions])
        weight = np.where(driven, 1.0 / self.compartments.rates, 1.0 / prior - 1.0)
        return Posterior(self.strength + y, self.strength * weight + rest, driven, self.imported)

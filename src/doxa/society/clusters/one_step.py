"""Day by day: every path predicts the coming day, the fusion weighs them by how they did before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.information import expit
from doxa.society.clusters.fusion import EpistemicFusion, RunningError
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.neural import NeuralPath
from doxa.society.clusters.symbolic import Prediction, SymbolicPath

PATHS = ("symbolic", "neural", "fused")


class OneStep(NamedTuple):
    """Predictions of some days.

    Attributes:
        days: the days.
        paths: prediction of each of :data:`PATHS`.
        weight: weight of the neural path in the fused one.
        errors: running squared error of the symbolic and the neural path before each day.
    """

    days: Int[np.ndarray, " days"]
    paths: dict[str, Prediction]
    weight: Float[np.ndarray, "days clusters transitions"]
    errors: Float[np.ndarray, "days 2 transitions"]

    def held(self, first: int) -> OneStep:
        """Return the predictions from a day on."""
        kept = self.days >= first
        paths = {name: Prediction(*(part[kept] for part in path)) for name, path in self.paths.items()}
        return OneStep(self.days[kept], paths, self.weight[kept], self.errors[kept])


def one_step(
    history: ClusterHistory,
    symbolic: SymbolicPath,
    neural: NeuralPath,
    fusion: EpistemicFusion,
    days: Int[np.ndarray, " days"],
) -> OneStep:
    """Return what is predicted for each day from those before it; days must follow each other."""
    situation = history.situations(days)
    by_path = {
        "symbolic": symbolic.posterior(history, days).predict(situation.force),
        "neural": neural.predict(situation),
    }
    running = [RunningError(len(history.compartments.transitions), fusion.decay) for _ in range(2)]
    logits, variances, weights, errors = [], [], [], []
    for place, day in enumerate(days):
        before = (running[0].value, running[1].value)
        today = [Prediction(*(part[place] for part in path)) for path in by_path.values()]
        fused = fusion(today[0], today[1], before)
        logits.append(fused.prediction.logit)
        variances.append(fused.prediction.variance)
        weights.append(fused.weights[1])
        errors.append(before)
        if day < len(history.events):
            for error, path in zip(running, today, strict=True):
                error.saw(path.logit, history.events[day], history.trials[day])
    by_path["fused"] = Prediction(np.stack(logits), np.stack(variances))
    return OneStep(np.asarray(days), by_path, np.stack(weights), np.array(errors))


def hazards(
    history: ClusterHistory, prediction: Prediction
) -> Float[np.ndarray, "*lead clusters transitions"]:
    """Return the probabilities of clusters' transitions, competing ones taken into account."""
    return history.compartments.compete(expit(prediction.logit))

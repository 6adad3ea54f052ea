"""Rolling windows: from what is known on a day, many sample paths of the agents over the days that follow.

Every path draws its errors of the log-odds once, the same for all clusters, because a rhythm or a shift that hazards
miss they miss everywhere; so bands hold what is not known of the hazards. It moves its own agents: hazards of later
days hang on what has happened in the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.society.clusters.fusion import EpistemicFusion
from doxa.society.clusters.history import WINDOW, ClusterHistory, Situation, force_of
from doxa.society.clusters.neural import NeuralPath
from doxa.society.clusters.realisation import Realisation, draw
from doxa.society.clusters.symbolic import Prediction, SymbolicPath
from doxa.society.dynamics.compartments import Compartments


class WindowForecast(NamedTuple):
    """What is expected of the days after an origin.

    Attributes:
        counts: agents in each state after each day, by sample path and cluster.
        staying: probability that each agent is still in its first state after 0, 1, ... days.
        chance: probability that each agent makes each transition within the window.
        when: expected day, from 1 on, of the first such transition where it happens, NaN where it never did.
    """

    counts: Int[np.ndarray, "paths days clusters states"]
    staying: Float[np.ndarray, "agents points"]
    chance: Float[np.ndarray, "agents transitions"]
    when: Float[np.ndarray, "agents transitions"]


class Observed(NamedTuple):
    """What happened in a window.

    Attributes:
        left: day, from 1 on, on which each agent left its first state; 0 where it did not.
        made: day of the first transition of each kind; 0 where there was none.
    """

    left: Int[np.ndarray, " agents"]
    made: Int[np.ndarray, "agents transitions"]


@dataclass(frozen=True)
class Forecaster:
    """Forecasts windows.

    Attributes:
        history: counts, events and mixing.
        symbolic: the symbolic path.
        neural: the neural path; its networks must not have been trained on days after the first origin.
        realisation: how agents follow their cluster.
    """

    history: ClusterHistory
    symbolic: SymbolicPath
    neural: NeuralPath
    realisation: Realisation

    def window(
        self,
        states: Int[np.ndarray, " agents"],
        origin: int,
        horizon: int,
        fusion: EpistemicFusion,
        errors: tuple[np.ndarray, np.ndarray],
        *,
        rng: np.random.Generator,
        paths: int = 60,
        lookback: int = 28,
    ) -> WindowForecast:
        """Return the forecast from one origin.

        Args:
            states: state of each agent at the origin.
            origin: day; nothing after its start is used.
            horizon: days to forecast, >= 1.
            fusion: how both paths become one.
            errors: running squared error of either path at the origin.
            rng: source of the sample paths.
            paths: how many.
            lookback: days before the origin that are used; the paths' own windows must fit in.

        Raises:
            InputError: the look-back is longer than the history, or shorter than a path's window.
        """
        if lookback > origin or lookback < max(WINDOW, self.symbolic.window):
            raise InputError(
                f"lookback={lookback}: must be <= the {origin} days before the origin and >= "
                f"{max(WINDOW, self.symbolic.window)}, what the paths look back on"
            )
        made = self.history.compartments
        known = self.history.situations(np.array([origin]))
        found = self.symbolic.posterior(self.history, np.array([origin]))
        posterior = found._replace(a=found.a[0], b=found.b[0])
        shares, rates = (np.repeat(part, paths, axis=0) for part in (known.shares, known.rates))
        now = np.repeat(states[None, :], paths, axis=0)
        noise = rng.normal(size=(paths, 1, known.force.shape[-1]))
        start = made.sources[None, :] == states[:, None]
        staying = np.ones((paths, len(states), horizon + 1))
        when = np.zeros((paths, len(states), len(made.transitions)), dtype=np.int64)
        counts: list[np.ndarray] = []
        for step in range(horizon):
            force = force_of(made, shares[:, -1], self.history.mixing)
            situation = Situation(np.full(paths, origin + step, dtype=np.float64), force, shares, rates)
            fused = fusion(posterior.predict(force), self.neural.predict(situation), errors).prediction
            cluster = made.compete(_erring(fused, noise))
            moves = self.realisation.moves(now, cluster)
            leaving = np.minimum(1.0, np.where(start, moves, 0.0).sum(axis=-1))
            staying[..., step + 1] = staying[..., step] * (1.0 - leaving)
            after = draw(rng, made, now, moves)
            event = made.moved(now, after)
            fresh = (event[..., None] == np.arange(len(made.transitions))) & (when == 0)
            when = np.where(fresh, step + 1, when)
            counts.append(self._counted(after))
            shares, rates = self._rolled(shares, rates, now, event, counts[-1])
            now = after
        seen = when > 0
        times = np.where(seen.any(axis=0), when.sum(axis=0) / np.maximum(1, seen.sum(axis=0)), np.nan)
        return WindowForecast(np.stack(counts, axis=1), staying.mean(axis=0), seen.mean(axis=0), times)

    def _counted(self, states: np.ndarray) -> np.ndarray:
        kinds, clusters = len(self.history.compartments.names), len(self.history.sizes)
        row = np.arange(len(states))[:, None] * clusters + self.realisation.labels[None, :]
        flat = np.bincount((row * kinds + states).ravel(), minlength=len(states) * clusters * kinds)
        return flat.reshape(len(states), clusters, kinds)

    def _rolled(
        self, shares: np.ndarray, rates: np.ndarray, now: np.ndarray, event: np.ndarray, counts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows one day on."""
        made, clusters = self.history.compartments, len(self.history.sizes)
        row = np.arange(len(now))[:, None] * clusters + self.realisation.labels[None, :]
        kinds = len(made.transitions)
        happened = event >= 0
        events = np.bincount((row * kinds + event)[happened], minlength=len(now) * clusters * kinds).reshape(
            len(now), clusters, kinds
        )
        at_risk = shares[:, -1][..., made.sources] * self.history.sizes[:, None]
        latest = counts / np.maximum(1, self.history.sizes)[:, None]
        return (
            np.concatenate([shares[:, 1:], latest[:, None]], axis=1),
            np.concatenate([rates[:, 1:], (events / np.maximum(1.0, at_risk))[:, None]], axis=1),
        )


def observed(
    compartments: Compartments, states: Int[np.ndarray, "days agents"], origin: int, horizon: int
) -> Observed:
    """Return what happened from an origin on."""
    part = states[origin : origin + horizon + 1]
    event = compartments.moved(part[:-1], part[1:])
    kinds = event[..., None] == np.arange(len(compartments.transitions))
    return Observed(_first(part[1:] != part[0]), _first(kinds))


def _erring(prediction: Prediction, noise: np.ndarray) -> np.ndarray:
    """Return probabilities whose log-odds err by their spread, and whose mean stays what was predicted.

    Errors that go as far up as down in log-odds would raise the mean of a small probability by half their variance.
    """
    p = expit(prediction.logit)
    variance = np.where(np.isfinite(prediction.variance), prediction.variance, 0.0)
    return expit(prediction.logit + np.sqrt(variance) * noise - (1 - 2 * p) * variance / 2)


def _first(happened: Bool[np.ndarray, "*days_and_rest"]) -> Int[np.ndarray, "*rest"]:
    """Return the first day, from 1 on, on which something happened; 0 where it never did."""
    return np.where(happened.any(axis=0), happened.argmax(axis=0) + 1, 0)


def band_limits(
    counts: Int[np.ndarray, "*paths_and_rest"], levels: tuple[float, ...] = (0.5, 0.9)
) -> Mapping[float, tuple[np.ndarray, np.ndarray]]:
    """Return the lower and upper end of the central band of each level."""
    return {
        level: (
            np.quantile(counts, (1 - level) / 2, axis=0, method="lower"),
            np.quantile(counts, (1 + level) / 2, axis=0, method="higher"),
        )
        for level in levels
    }

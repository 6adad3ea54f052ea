"""From agents to forecasts in one object: clusters, both paths, their fusion, realisation, windows and simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.clusters.fusion import EpistemicFusion, Mode
from doxa.society.clusters.history import WINDOW, ClusterHistory
from doxa.society.clusters.neural import NeuralPath, NeuralPlan
from doxa.society.clusters.one_step import OneStep, hazards, one_step
from doxa.society.clusters.realisation import Realisation, contacts_of
from doxa.society.clusters.rolling import Forecaster, Observed, WindowForecast, observed
from doxa.society.clusters.scoring import NextStates, next_states, realised
from doxa.society.clusters.symbolic import Prediction, SymbolicPath
from doxa.society.dynamics.compartments import Compartments
from doxa.society.graph import Graph
from doxa.streams import stream


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """A population modelled by clusters.

    Attributes:
        compartments: states and transitions.
        graph: who meets whom.
        states: state of each agent on each day that is known.
        labels: cluster of each agent.
        places: mean graph vector of each cluster.
        trained: first and last day the networks learn from.
        seed: of the networks.
        fusion: how both paths become one.
        symbolic: the symbolic path; None takes the default.
        plan: how the networks are trained.
    """

    compartments: Compartments
    graph: Graph
    states: Int[np.ndarray, "days agents"]
    labels: Int[np.ndarray, " agents"]
    places: Float[np.ndarray, "clusters width"]
    trained: tuple[int, int]
    seed: int
    fusion: EpistemicFusion = field(default_factory=EpistemicFusion)
    symbolic: SymbolicPath | None = None
    plan: NeuralPlan = field(default_factory=NeuralPlan)

    @cached_property
    def history(self) -> ClusterHistory:
        """Counts and events by cluster."""
        return ClusterHistory.of_agents(self.compartments, self.states, self.labels, self.graph)

    @cached_property
    def neural(self) -> NeuralPath:
        """The trained networks."""
        first, last = self.trained
        if first < WINDOW or last < first or last >= len(self.states) - 1:
            raise InputError(
                f"trained={self.trained}: must be days from {WINDOW} to {len(self.states) - 2}, which have a window "
                "before them and a day after"
            )
        return NeuralPath.fit(
            self.history, self.places, np.arange(first, last + 1), seed=self.seed, plan=self.plan
        )

    @cached_property
    def realisation(self) -> Realisation:
        """How agents follow their cluster."""
        return Realisation(self.compartments, self.labels, contacts_of(self.graph))

    @cached_property
    def mechanism(self) -> SymbolicPath:
        """The symbolic path."""
        return self.symbolic or SymbolicPath(self.compartments)

    @cached_property
    def daily(self) -> OneStep:
        """Prediction of each day that both paths can predict, from those before it."""
        return self.predicted(self.fusion, np.arange(self._first, self.history.days - 1))

    @cached_property
    def _to_the_last_day(self) -> OneStep:
        return self.predicted(self.fusion, np.arange(self._first, self.history.days))

    @property
    def _first(self) -> int:
        return max(WINDOW, self.mechanism.window)

    def predicted(self, fusion: EpistemicFusion, days: Int[np.ndarray, " days"]) -> OneStep:
        """Return the predictions of some days that follow each other, by a fusion of one's own."""
        return one_step(self.history, self.mechanism, self.neural, fusion, days)

    def scored(self, prediction: Prediction, days: Int[np.ndarray, " days"]) -> NextStates:
        """Return how agents' next states compare with a prediction of these days' transitions."""
        cluster = hazards(self.history, prediction)
        return next_states(
            self.compartments, self.states, days, realised(self.realisation, self.states, days, cluster)
        )

    def window(
        self, origin: int, horizon: int = 7, *, mode: Mode | None = None, paths: int = 60, lookback: int = 28
    ) -> tuple[WindowForecast, Observed]:
        """Return the forecast from one origin, and what happened.

        Raises:
            InputError: the look-back does not fit, or the window ends after the last known day.
        """
        if origin + horizon > len(self.states) - 1:
            raise InputError(
                f"origin={origin}, horizon={horizon}: the last known day is {len(self.states) - 1}"
            )
        forecast = self.simulate(horizon, origin=origin, mode=mode, paths=paths, lookback=lookback)
        return forecast, self.observed(origin, horizon)

    def simulate(
        self,
        days: int,
        *,
        origin: int | None = None,
        mode: Mode | None = None,
        paths: int = 60,
        lookback: int = 28,
    ) -> WindowForecast:
        """Return sample paths of the agents over the days after an origin, by default the last known day.

        Raises:
            InputError: the look-back does not fit, or the origin is not a day that both paths can predict.
        """
        last = len(self.states) - 1
        origin = last if origin is None else origin
        daily = self.daily if origin < last else self._to_the_last_day
        place = np.flatnonzero(daily.days == origin)
        if not place.size:
            raise InputError(f"origin={origin}: must be in {self.daily.days[0]} .. {last}")
        before = daily.errors[int(place[0])]
        return Forecaster(self.history, self.mechanism, self.neural, self.realisation).window(
            self.states[origin],
            origin,
            days,
            self.fusion if mode is None else EpistemicFusion(mode, self.fusion.decay),
            (before[0], before[1]),
            rng=stream(self.seed, "cluster window", origin),
            paths=paths,
            lookback=lookback,
        )

    def observed(self, origin: int, horizon: int = 7) -> Observed:
        """Return what happened in the days after an origin."""
        return observed(self.compartments, self.states, origin, horizon)

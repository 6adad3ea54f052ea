"""Friedkin and Johnsen (1990): the mean of those listened to, held back by where one began.

x ← A W x + (1 - A) x(0), A the diagonal of openness. Where openness is below 1 on every path, opinions settle at
(1 - A W)⁻¹ (1 - A) x(0). With openness 1 it is DeGroot's dynamics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from doxa.dynamics import Example, dynamics
from doxa.errors import InputError
from doxa.society.dynamics.averaging_kernels import average
from doxa.society.dynamics.base import Info, State, Turn, advance, kept, opinions_from, rows_of
from doxa.society.dynamics.degroot import check_weights, ring_of_three
from doxa.society.graph import Graph


@dataclass(frozen=True, eq=False)
class FriedkinJohnsenConfig:
    """Who listens to whom, and how much it counts.

    Attributes:
        graph: row i lists whom i listens to; weights must not be negative.
        openness: weight of the others in [0, 1], one for all or one for each agent (n,) float32.
        start: opinions at first, which stay the anchors, (n,) float32; None draws them uniformly from [0, 1).
    """

    graph: Graph
    openness: float | Float32[np.ndarray, " n"] = 0.8
    start: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        check_weights(self.graph)
        openness = np.asarray(self.openness)
        if openness.shape not in ((), (self.graph.n,)):
            raise InputError(
                f"openness {openness.shape}: one number, or one for each of {self.graph.n} agents"
            )
        if openness.size and (float(openness.min()) < 0.0 or float(openness.max()) > 1.0):
            raise InputError(f"openness {openness.min()} to {openness.max()}: must be from 0 to 1")


@dynamics.register("friedkin-johnsen")
class FriedkinJohnsen:
    """Opinions move to those of others and are held at where they began."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: FriedkinJohnsenConfig) -> State:
        """Return the opinions before any step; they are the anchors.

        Raises:
            InputError: ``start`` is not one finite opinion for each agent.
        """
        start = opinions_from(rng, config.graph.n, config.start)
        return State(config, start, start)

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return the opinions after one step; nothing is random."""
        del rng
        rows = rows_of(state, event, who="friedkin-johnsen")
        openness = np.atleast_1d(np.asarray(state.config.openness, dtype=np.float32))
        anchors = kept(state)
        after, count, _ = advance(
            lambda new, old, agents, begin, end: average(
                new, old, agents, *rows, anchors, openness, begin, end
            ),
            state,
            event,
        )
        return after, Info(count)

    def example(self) -> Example:
        """Return three agents in a ring, and steps at once and in turn."""
        config = FriedkinJohnsenConfig(ring_of_three(), openness=0.5)
        return Example(config, [Turn(), Turn(np.array([1], np.int32)), Turn(in_turn=True)])

"""Deffuant, Neau, Amblard and Weisbuch (2000): two who meet come nearer if they are near enough already.

If |x_i - x_j| < ε: x_i ← x_i + μ(x_j - x_i) and x_j ← x_j + μ(x_i - x_j). The mean opinion does not change; well
mixed, uniform opinions end in about 1/(2ε) large groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.base import Info, State, Turn, WellMixed, need, opinions_from
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.dynamics.pair_kernels import approach
from doxa.society.dynamics.pairs import meetings_of, moved_by, refuse_at_once
from doxa.society.graph import Graph
from doxa.society.randomness import key_from


@dataclass(frozen=True, eq=False)
class DeffuantConfig:
    """Who may meet, and how they come nearer.

    Attributes:
        graph: row i lists whom i may meet; weights are not used.
        confidence: ε, the distance below which two come nearer, >= 0.
        rate: μ, share of the distance that each goes, in [0, 0.5].
        start: opinions at first, (n,) float32; None draws them uniformly from [0, 1).
    """

    graph: Graph | WellMixed
    confidence: float = 0.2
    rate: float = 0.5
    start: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        need(confidence=(self.confidence, 0.0, np.inf), rate=(self.rate, 0.0, 0.5))


@dynamics.register("deffuant")
class Deffuant:
    """In a step as many pairs meet as there are agents."""

    def init(self, rng: np.random.Generator, config: DeffuantConfig) -> State:
        """Return the opinions before any step.

        Raises:
            InputError: ``start`` is not one finite opinion for each agent.
        """
        return State(config, opinions_from(rng, config.graph.n, config.start))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return the opinions after one step.

        Raises:
            InputError: meetings shall all be at once.
        """
        refuse_at_once(event, who="deffuant")
        meetings = meetings_of(state, event, who="deffuant")
        count, config = meetings.count(state), state.config
        settings = (key_from(rng), count, np.float32(config.confidence), np.float32(config.rate))
        return state._replace(values=moved_by(approach, state, meetings, *settings)), Info(count)

    def example(self) -> Example:
        """Return three agents in a ring, and steps with meetings at random and in a given order."""
        config = DeffuantConfig(ring_of_three(), confidence=0.6)
        return Example(config, [Turn(), Turn(np.array([0, 1, 1], np.int32))])

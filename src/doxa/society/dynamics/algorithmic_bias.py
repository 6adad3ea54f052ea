"""Algorithmic bias (Sîrbu, Pedreschi, Giannotti and Kertész 2019): what is like you is shown to you more often.

As Deffuant's dynamics, but i meets j of those it listens to with probability in proportion to |x_i - x_j|^-γ; distances
below a floor count as the floor. With γ = 0 it is Deffuant's dynamics on a graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.base import Info, State, Turn, need, opinions_from, rows_of
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.dynamics.pair_kernels import approach_biased
from doxa.society.dynamics.pairs import meetings_of, moved_by, refuse_at_once
from doxa.society.graph import Graph
from doxa.society.randomness import key_from


@dataclass(frozen=True, eq=False)
class AlgorithmicBiasConfig:
    """Who may meet, how strongly likeness draws, and how two come nearer.

    Attributes:
        graph: row i lists whom i may meet; weights are not used.
        confidence: ε, the distance below which two come nearer, >= 0.
        bias: γ, >= 0.
        rate: share of the distance that each goes, in [0, 0.5].
        floor: least distance that is told from none, > 0.
        start: opinions at first, (n,) float32; None draws them uniformly from [0, 1).
    """

    graph: Graph
    confidence: float = 0.2
    bias: float = 1.0
    rate: float = 0.5
    floor: float = 1e-5
    start: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        need(
            confidence=(self.confidence, 0.0, np.inf), bias=(self.bias, 0.0, 7.0), rate=(self.rate, 0.0, 0.5)
        )
        # a weight is at most floor^-bias, which must leave room for a sum in 32 bits
        need(floor=(self.floor, 1e-5, 1.0))


@dynamics.register("algorithmic-bias")
class AlgorithmicBias:
    """In a step as many pairs meet as there are agents, chosen by likeness."""

    def init(self, rng: np.random.Generator, config: AlgorithmicBiasConfig) -> State:
        """Return the opinions before any step.

        Raises:
            InputError: ``start`` is not one finite opinion for each agent.
        """
        return State(config, opinions_from(rng, config.graph.n, config.start))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return the opinions after one step.

        Raises:
            InputError: meetings shall all be at once, or the population is well mixed.
        """
        refuse_at_once(event, who="algorithmic-bias")
        rows_of(state, event, who="algorithmic-bias")
        meetings = meetings_of(state, event, who="algorithmic-bias")
        count, config = meetings.count(state), state.config
        numbers = (np.float32(x) for x in (config.confidence, config.rate, config.bias, config.floor))
        return state._replace(
            values=moved_by(approach_biased, state, meetings, key_from(rng), count, *numbers)
        ), Info(count)

    def example(self) -> Example:
        """Return three agents in a ring, and steps with meetings at random and in a given order."""
        config = AlgorithmicBiasConfig(ring_of_three(), confidence=0.6, bias=1.5)
        return Example(config, [Turn(), Turn(np.array([2, 1, 1], np.int32))])

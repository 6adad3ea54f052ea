"""Independent cascade (Kempe, Kleinberg and Tardos 2003): who becomes active tries each listener once.

A try along a tie succeeds with the tie's probability, whatever else happens; who was tried from k sides at once
resists with the product of the k failures. It is over when nobody is newly active.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.base import Info, State, Turn, advance, all_moves, codes_from, need, rows_of
from doxa.society.dynamics.cascade_kernels import cascade
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.graph import Graph
from doxa.society.randomness import key_from

NAMES = ("inactive", "newly active", "active")


@dataclass(frozen=True, eq=False)
class IndependentCascadeConfig:
    """Along which ties it spreads, how easily, and from whom.

    Attributes:
        graph: row i lists who may activate i; weights, where there are any, are probabilities.
        probability: of a try where ties have no weights, in [0, 1].
        share: of agents newly active at first, in [0, 1], drawn at random.
        start: 0 inactive, 1 newly active, 2 active at first, (n,) uint8, instead.
    """

    graph: Graph
    probability: float = 0.1
    share: float = 0.01
    start: UInt8[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        need(probability=(self.probability, 0.0, 1.0), share=(self.share, 0.0, 1.0))
        if self.graph.weights is not None and len(self.graph.weights):
            weights = self.graph.weights
            need(weights=(float(weights.min()), 0.0, 1.0))
            need(weights=(float(weights.max()), 0.0, 1.0))


@dynamics.register("independent-cascade")
class IndependentCascade:
    """The newly active try those who listen to them, once."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: IndependentCascadeConfig) -> State:
        """Return who is active before any step.

        Raises:
            InputError: ``start`` does not say 0, 1 or 2 for each agent.
        """
        return State(config, codes_from(rng, config.graph.n, len(NAMES), config.start, config.share))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return who is active after one step, and how many became so."""
        rows, key = rows_of(state, event, who="independent-cascade"), key_from(rng)
        probability = float(state.config.probability)
        after, count, moves = advance(
            lambda new, old, agents, begin, end: cascade(
                new, old, agents, event.draws, *rows, probability, key, begin, end
            ),
            state,
            event,
        )
        return after, Info(count, all_moves(moves))

    def labels(self, config: IndependentCascadeConfig) -> tuple[str, ...]:
        """Return the names of what agents can be."""
        del config
        return NAMES

    def example(self) -> Example:
        """Return three agents in a ring, one of them newly active."""
        config = IndependentCascadeConfig(ring_of_three(), probability=0.5, share=0.34)
        return Example(config, [Turn(), Turn(), Turn(np.array([0, 2], np.int32))])

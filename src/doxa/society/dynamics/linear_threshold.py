"""Linear threshold (Granovetter 1978; Kempe, Kleinberg and Tardos 2003): enough active ties make active.

Agent i becomes active for good when the share of its ties, by weight, that is with active agents reaches its threshold.
Who becomes active does not hang on the order in which agents look, only when.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from doxa.dynamics import Example, dynamics
from doxa.errors import InputError
from doxa.society.dynamics.base import Info, State, Turn, advance, all_moves, codes_from, kept, need, rows_of
from doxa.society.dynamics.cascade_kernels import cross_thresholds
from doxa.society.dynamics.degroot import check_weights, ring_of_three
from doxa.society.graph import Graph

NAMES = ("inactive", "active")


@dataclass(frozen=True, eq=False)
class LinearThresholdConfig:
    """Who looks at whom, how much it takes, and who begins.

    Attributes:
        graph: row i lists whom i looks at; weights must not be negative.
        thresholds: of each agent, (n,) float32 in [0, 1]; None draws them uniformly from [0, 1).
        share: of agents active at first, in [0, 1], drawn at random.
        start: 0 inactive, 1 active at first, (n,) uint8, instead.
    """

    graph: Graph
    thresholds: Float32[np.ndarray, " n"] | None = None
    share: float = 0.01
    start: UInt8[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        need(share=(self.share, 0.0, 1.0))
        check_weights(self.graph)
        given = self.thresholds
        if given is not None and (given.dtype != np.float32 or given.shape != (self.graph.n,)):
            raise InputError(f"thresholds: must be {self.graph.n} float32, not {given.dtype} {given.shape}")


@dynamics.register("linear-threshold")
class LinearThreshold:
    """Agents become active when enough of those they look at are."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: LinearThresholdConfig) -> State:
        """Return who is active before any step.

        Raises:
            InputError: ``start`` does not say 0 or 1 for each agent.
        """
        n = config.graph.n
        thresholds = rng.random(n, dtype=np.float32) if config.thresholds is None else config.thresholds
        return State(config, codes_from(rng, n, len(NAMES), config.start, config.share), thresholds)

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return who is active after one step, and how many became so; nothing is random."""
        del rng
        rows, thresholds = rows_of(state, event, who="linear-threshold"), kept(state)
        after, count, moves = advance(
            lambda new, old, agents, begin, end: cross_thresholds(
                new, old, agents, *rows, thresholds, begin, end
            ),
            state,
            event,
        )
        return after, Info(count, all_moves(moves))

    def labels(self, config: LinearThresholdConfig) -> tuple[str, ...]:
        """Return the names of what agents can be."""
        del config
        return NAMES

    def example(self) -> Example:
        """Return three agents in a ring, one of them active."""
        return Example(LinearThresholdConfig(ring_of_three(), share=0.34), [Turn(), Turn(in_turn=True)])

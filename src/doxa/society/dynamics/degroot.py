"""DeGroot (1974): everyone takes the weighted mean of those it listens to, x ← W x.

W is the graph's weights with rows divided by their sums; a loop is the weight of one's own opinion. Where W is
irreducible and aperiodic all come to agree on πᵀx(0), π the left eigenvector of W with eigenvalue 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from doxa.dynamics import Example, dynamics
from doxa.errors import InputError
from doxa.society.dynamics.averaging_kernels import average
from doxa.society.dynamics.base import Info, State, Turn, advance, opinions_from, rows_of
from doxa.society.graph import Graph

_ALL = np.ones(1, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class DeGrootConfig:
    """Who listens to whom, and where opinions begin.

    Attributes:
        graph: row i lists whom i listens to; weights must not be negative.
        start: opinions at first, (n,) float32; None draws them uniformly from [0, 1).
    """

    graph: Graph
    start: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        check_weights(self.graph)


@dynamics.register("degroot")
class DeGroot:
    """All at once, or in turn, agents take the mean opinion of those they listen to."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: DeGrootConfig) -> State:
        """Return the opinions before any step.

        Raises:
            InputError: ``start`` is not one finite opinion for each agent.
        """
        return State(config, opinions_from(rng, config.graph.n, config.start))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return the opinions after one step; nothing is random."""
        del rng
        rows = rows_of(state, event, who="degroot")
        after, count, _ = advance(
            lambda new, old, agents, begin, end: average(new, old, agents, *rows, None, _ALL, begin, end),
            state,
            event,
        )
        return after, Info(count)

    def example(self) -> Example:
        """Return three agents in a ring, and steps at once and in turn."""
        return Example(
            DeGrootConfig(ring_of_three()), [Turn(), Turn(np.array([2, 0], np.int32), in_turn=True)]
        )


def check_weights(graph: Graph) -> None:
    """Check that a mean over weights means something.

    Raises:
        InputError: a weight is negative.
    """
    if graph.weights is not None and len(graph.weights) and float(graph.weights.min()) < 0.0:
        raise InputError(f"weights down to {graph.weights.min()}: a mean needs weights >= 0")


def ring_of_three() -> Graph:
    """Return the smallest ring."""
    ends = np.arange(3)
    return Graph.from_edges(3, ends, (ends + 1) % 3)

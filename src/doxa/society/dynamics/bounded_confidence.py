"""Bounded confidence (Hegselmann and Krause 2002): the mean of all whose opinion is near one's own.

x_i ← mean of x_j over i itself and those it listens to with |x_j - x_i| <= ε. On a graph a step costs one look at
each tie; well mixed, opinions are sorted, and the mean of a window comes from two running sums: O(n log n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from doxa.dynamics import Example, dynamics
from doxa.errors import InputError
from doxa.society.dynamics.averaging_kernels import near_average, near_average_sorted
from doxa.society.dynamics.base import (
    Info,
    State,
    Turn,
    WellMixed,
    advance,
    mixed,
    need,
    opinions_from,
    rows_of,
)
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.graph import Graph


@dataclass(frozen=True, eq=False)
class BoundedConfidenceConfig:
    """Who listens to whom, and up to which distance.

    Attributes:
        graph: row i lists whom i listens to; weights are not used.
        confidence: ε, the greatest distance that counts as near, >= 0.
        start: opinions at first, (n,) float32; None draws them uniformly from [0, 1).
    """

    graph: Graph | WellMixed
    confidence: float = 0.2
    start: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        need(confidence=(self.confidence, 0.0, np.inf))


@dynamics.register("bounded-confidence")
class BoundedConfidence:
    """Agents take the mean of the opinions near their own."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: BoundedConfidenceConfig) -> State:
        """Return the opinions before any step.

        Raises:
            InputError: ``start`` is not one finite opinion for each agent.
        """
        return State(config, opinions_from(rng, config.graph.n, config.start))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return the opinions after one step; nothing is random.

        Raises:
            InputError: a well-mixed population cannot act in turn or in part.
        """
        del rng
        confidence = np.float32(state.config.confidence)
        if mixed(state, event):
            return _all_mixed(state, event, confidence)
        offsets, targets, _ = rows_of(state, event, who="bounded-confidence")
        after, count, _ = advance(
            lambda new, old, agents, begin, end: near_average(
                new, old, agents, offsets, targets, confidence, begin, end
            ),
            state,
            event,
        )
        return after, Info(count)

    def example(self) -> Example:
        """Return three agents in a ring, and steps at once and in turn."""
        config = BoundedConfidenceConfig(ring_of_three(), confidence=0.5)
        return Example(config, [Turn(), Turn(np.array([2, 1], np.int32), in_turn=True)])


def _all_mixed(state: State, turn: Turn, confidence: np.float32) -> tuple[State, Info]:
    if turn.agents is not None or turn.in_turn:
        raise InputError(
            "bounded-confidence: well mixed, all act at once; give a graph to let some act, or in turn"
        )
    order = np.argsort(state.values, kind="stable")
    new = np.empty_like(state.values)
    new[order] = near_average_sorted(state.values[order], confidence)
    return state._replace(values=new), Info(len(new))

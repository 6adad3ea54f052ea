"""A grid of beliefs with its own nodes on both sides of every break, so that jumps and kinks are not smeared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

BESIDE = 1e-9
"""How far beside a break its one-sided nodes lie; a planner that lands beside it aims twice as far."""


class Place(NamedTuple):
    """Where beliefs lie: the node to the left, and the weight of the one to its right."""

    left: Int[np.ndarray, "*shape"]
    right_weight: Float[np.ndarray, "*shape"]


@dataclass(frozen=True, eq=False)
class BeliefGrid:
    """Increasing beliefs from 0 to 1.

    Attributes:
        nodes: the beliefs; each break has three, one on it and one on either side.
        breaks: beliefs where the value may jump.
    """

    nodes: Float[np.ndarray, " nodes"]
    breaks: Float[np.ndarray, " breaks"]

    @classmethod
    def between(cls, breaks: Float[np.ndarray, " breaks"], per_segment: int) -> BeliefGrid:
        """Return a grid with evenly spaced nodes between neighbouring breaks.

        Args:
            breaks: increasing, inside (0, 1).
            per_segment: intervals between two breaks, >= 1.
        """
        ends = np.concatenate([[0.0], breaks, [1.0]])
        even = np.linspace(0.0, 1.0, per_segment + 1)[1:-1]
        inner = (ends[:-1, None] + even * np.diff(ends)[:, None]).ravel()
        beside = np.concatenate([breaks - BESIDE, breaks, breaks + BESIDE])
        return cls(np.unique(np.concatenate([[0.0, 1.0], inner, beside])), breaks)

    def with_nodes(self, more: Float[np.ndarray, " more"]) -> BeliefGrid:
        """Return the grid with further nodes, such as the places where the best action changes."""
        far = more[np.min(np.abs(more[:, None] - self.nodes), axis=1, initial=1.0) > BESIDE]
        return BeliefGrid(np.unique(np.concatenate([self.nodes, far])), self.breaks)

    def place(self, beliefs: Float[np.ndarray, "*shape"]) -> Place:
        """Return where beliefs in [0, 1] lie."""
        left = np.clip(np.searchsorted(self.nodes, beliefs, side="right") - 1, 0, self.nodes.size - 2)
        start = self.nodes[left]
        weight = (beliefs - start) / (self.nodes[left + 1] - start)
        return Place(left.astype(np.int32), np.clip(weight, 0.0, 1.0))

    def read(
        self, values: Float[np.ndarray, " nodes"], beliefs: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return values at any beliefs, linear between nodes."""
        left, weight = self.place(beliefs)
        return (1.0 - weight) * values[left] + weight * values[left + 1]

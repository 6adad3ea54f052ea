"""Realisation: individuals draw their own transition, so that their cluster's mean stays what was predicted.

Agent j in cluster k makes a driven transition with probability p·r_j, where r_j is its own exposure over that of all
who are at risk in its cluster, mixed with a background; attributes may multiply it. Nobody keeps less of the chance
to stay, 1 - p, than the background: there p·r_j is cut and the others are raised, so that the mean over those at risk
is p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.dynamics.compartments import Compartments
from doxa.society.graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BACKGROUND = 0.05
"""Share of a driven hazard that does not hang on an agent's own contacts: nobody is safe for sure."""


class Realisation:
    """Turns the probabilities of clusters into those of agents.

    Args:
        compartments: states and transitions.
        labels: cluster of each agent.
        contacts: links between agents, each row divided by its sum.
        background: see :data:`BACKGROUND`, in [0, 1]; 1 gives all members the mean.
        attributes: multiplier of each agent and transition, > 0, or None.
    """

    def __init__(
        self,
        compartments: Compartments,
        labels: Int[np.ndarray, " agents"],
        contacts: csr_array,
        *,
        background: float = BACKGROUND,
        attributes: Float[np.ndarray, "agents transitions"] | None = None,
    ) -> None:
        if not 0.0 <= background <= 1.0:
            raise InputError(f"background={background}: must be in [0, 1]")
        if attributes is not None and attributes.shape != (len(labels), len(compartments.transitions)):
            raise InputError(
                f"attributes of shape {attributes.shape}: give one multiplier for each of {len(labels)} agents and "
                f"{len(compartments.transitions)} transitions"
            )
        self.compartments, self.labels, self.background = compartments, labels, background
        self._contacts, self._attributes = contacts, attributes
        self._clusters = int(labels.max()) + 1

    def moves(
        self,
        states: Int[np.ndarray, "*paths agents"],
        cluster: Float[np.ndarray, "*paths clusters transitions"],
    ) -> Float[np.ndarray, "*paths agents transitions"]:
        """Return the probability of each transition for each agent, were it in the source state.

        Args:
            states: present states.
            cluster: probabilities of the clusters, in [0, 1], competing ones taken into account.

        Raises:
            InputError: a probability is outside [0, 1].
        """
        check_probabilities(cluster, self.compartments.ways, "cluster")
        out = cluster[..., self.labels, :].copy()
        for place, driver in enumerate(self.compartments.drivers):
            multiplier = self._multiplier(states, place, int(driver))
            if multiplier is not None:
                at_risk = states == self.compartments.sources[place]
                out[..., place] = self._kept(out[..., place], multiplier, at_risk)
        return out

    def _multiplier(self, states: np.ndarray, place: int, driver: int) -> np.ndarray | None:
        own = None if self._attributes is None else np.broadcast_to(self._attributes[:, place], states.shape)
        if driver < 0 or self.background == 1.0:
            return own
        met = (self._contacts @ (states == driver).astype(np.float64).T).T
        mean = self._mean(met, states == self.compartments.sources[place])
        relative = np.where(mean > 0, met / np.where(mean > 0, mean, 1.0), 1.0)
        mixed = self.background + (1 - self.background) * relative
        return mixed if own is None else mixed * own

    def _kept(self, wanted: np.ndarray, multiplier: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
        """Return wanted·multiplier, scaled within each cluster so that the mean over those at risk is kept."""
        p, most = wanted * multiplier, 1.0 - (1.0 - wanted) * self.background
        cut = np.zeros(p.shape, dtype=bool)
        while True:
            free = self._mean(np.where(cut, 0.0, p), at_risk)
            left = self._mean(np.where(cut, wanted - most, wanted), at_risk)
            scaled = np.where(free > 0, left / np.where(free > 0, free, 1.0), 1.0) * p
            # whoever is cut leaves the others more to carry, so that others may have to be cut in turn
            more = ~cut & (scaled > most)
            if not more.any():
                return np.where(cut, most, scaled)
            cut |= more

    def _mean(self, values: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
        """Return for each agent the mean of its cluster's members at risk; 0 where there is none."""
        lead = values.shape[:-1]
        rows = int(np.prod(lead)) if lead else 1
        place = (np.arange(rows)[:, None] * self._clusters + self.labels[None, :]).ravel()
        size = rows * self._clusters
        kept = at_risk.reshape(rows, -1).ravel().astype(np.float64)
        total = np.bincount(place, weights=values.reshape(rows, -1).ravel() * kept, minlength=size)
        count = np.bincount(place, weights=kept, minlength=size)
        return (total / np.maximum(1.0, count))[place].reshape(values.shape)


def draw(
    rng: np.random.Generator,
    compartments: Compartments,
    states: Int[np.ndarray, "*paths agents"],
    moves: Float[np.ndarray, "*paths agents transitions"],
) -> Int[np.ndarray, "*paths agents"]:
    """Return the next states; of competing transitions at most one happens."""
    chance = rng.random(states.shape)
    upper = np.zeros(states.shape)
    after = states.copy()
    for place, (source, target) in enumerate(zip(compartments.sources, compartments.targets, strict=True)):
        at_risk = states == source
        lower = upper
        upper = np.where(at_risk, lower + moves[..., place], lower)
        after = np.where(at_risk & (chance >= lower) & (chance < upper), target, after)
    return after


def check_probabilities(values: np.ndarray, names: Sequence[str], who: str) -> None:
    """Raise InputError unless all are in [0, 1]; the last axis is that of ``names``."""
    bad = ~((values >= 0.0) & (values <= 1.0))
    if np.any(bad):
        place = np.argwhere(bad)[0]
        raise InputError(
            f"{who}: probability {values[tuple(place)]} of {names[int(place[-1])]} must be in [0, 1]"
        )


def contacts_of(graph: Graph) -> csr_array:
    """Return a graph's links, each row divided by its sum."""
    from scipy.sparse import csr_array, diags_array

    matrix = csr_array(graph.to_scipy(), dtype=np.float64)
    ends = np.asarray(matrix.sum(axis=1)).ravel()
    return csr_array(diags_array(1.0 / np.where(ends > 0, ends, 1.0)) @ matrix)

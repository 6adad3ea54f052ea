"""What happened so far, by cluster: counts, events, and how much each cluster meets of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.errors import InputError
from doxa.society.dynamics.compartments import Compartments
from doxa.society.graph import Graph

WINDOW = 8
"""Days that a situation looks back, as published."""


class Situation(NamedTuple):
    """What is known at the start of a day; leading axes are days, or sample paths, or both.

    Attributes:
        day: the day.
        force: share of the driving state among a cluster's contacts, 1 where a transition has no driver.
        shares: shares of the states on the last days, the present day last.
        rates: events over those at risk on the days between them.
    """

    day: Float[np.ndarray, "*lead"]
    force: Float[np.ndarray, "*lead clusters transitions"]
    shares: Float[np.ndarray, "*lead window clusters states"]
    rates: Float[np.ndarray, "*lead window clusters transitions"]


@dataclass(frozen=True, eq=False)
class ClusterHistory:
    """Counts by day and cluster.

    Attributes:
        compartments: states and transitions.
        counts: agents in each state at the start of each day.
        events: transitions made during each day; the last day has none yet, so there is one day less.
        mixing: row k says which shares of cluster k's contacts lie in which cluster.

    Raises:
        InputError: a count is negative or no whole number, or more leave a state than are in it.
    """

    compartments: Compartments
    counts: Shaped[np.ndarray, "days clusters states"]
    events: Shaped[np.ndarray, "steps clusters transitions"]
    mixing: Float[np.ndarray, "clusters clusters"]

    def __post_init__(self) -> None:
        for name, table in (("counts", self.counts), ("events", self.events)):
            bad = ~np.isfinite(table) | (table < 0) | (table != np.floor(table))
            if np.any(bad):
                first = tuple(int(i) for i in np.argwhere(bad)[0])
                raise InputError(f"{name}{list(first)}={table[first]}: must be a whole number >= 0")
        if len(self.events) != len(self.counts) - 1:
            raise InputError(
                f"{len(self.counts)} days and {len(self.events)} steps: there is one step between two days"
            )
        many = self.events.sum(axis=0).shape[-1]
        if many != len(self.compartments.transitions):
            raise InputError(f"events of {many} transitions: there are {', '.join(self.compartments.ways)}")
        if np.any(self.events > self.at_risk):
            day, cluster, place = (int(i) for i in np.argwhere(self.events > self.at_risk)[0])
            raise InputError(
                f"{self.compartments.ways[place]} on day {day} in cluster {cluster}: "
                f"{self.events[day, cluster, place]} of {self.at_risk[day, cluster, place]} left"
            )

    @classmethod
    def of_agents(
        cls,
        compartments: Compartments,
        states: Int[np.ndarray, "days agents"],
        labels: Int[np.ndarray, " agents"],
        graph: Graph,
    ) -> ClusterHistory:
        """Return the history of agents whose states are known on each day.

        Raises:
            InputError: a state or a step is impossible, or the numbers of agents differ.
        """
        if states.shape[1] != len(labels) or graph.n != len(labels):
            raise InputError(
                f"{states.shape[1]} agents, {len(labels)} labels, {graph.n} nodes: must be the same number"
            )
        moved = compartments.moved(states[:-1], states[1:])
        clusters = int(labels.max()) + 1
        counts = _counted(states, labels, clusters, len(compartments.names))
        events = _counted(moved, labels, clusters, len(compartments.transitions))
        return cls(compartments, counts, events, mixing_of(graph, labels))

    @property
    def days(self) -> int:
        """Number of days on which states are known."""
        return len(self.counts)

    @property
    def sizes(self) -> Int[np.ndarray, " clusters"]:
        """Agents of each cluster."""
        return self.counts[0].sum(axis=-1)

    @property
    def at_risk(self) -> Int[np.ndarray, "steps clusters transitions"]:
        """Agents in the source state of each transition at the start of each day."""
        return self.counts[:-1][..., self.compartments.sources]

    @property
    def trials(self) -> Int[np.ndarray, "steps clusters transitions"]:
        """Those at risk who made no competing transition: what a transition alone is estimated from."""
        sources = self.compartments.sources
        rivals = (sources[:, None] == sources[None, :]) & ~np.eye(len(sources), dtype=bool)
        return self.at_risk - self.events @ rivals.astype(np.int64)

    @property
    def force(self) -> Float[np.ndarray, "days clusters transitions"]:
        """Share of the driving state among contacts at the start of each day, 1 without a driver."""
        return force_of(self.compartments, self.counts / np.maximum(1, self.sizes)[:, None], self.mixing)

    def situations(self, days: Int[np.ndarray, " lead"], window: int = WINDOW) -> Situation:
        """Return what was known at the start of some days.

        Raises:
            InputError: a day has no full window before it.
        """
        days = np.asarray(days)
        if days.size and (days.min() < window or days.max() >= self.days):
            raise InputError(
                f"days {days.min()} to {days.max()}: each needs {window} days before it, and there are {self.days}"
            )
        back = days[:, None] + np.arange(1 - window, 1)[None, :]
        shares = self.counts / np.maximum(1, self.sizes)[:, None]
        rates = self.events / np.maximum(1, self.at_risk)
        return Situation(days.astype(np.float64), self.force[days], shares[back], rates[back - 1])


def force_of(
    compartments: Compartments,
    shares: Float[np.ndarray, "*lead clusters states"],
    mixing: Float[np.ndarray, "clusters clusters"],
) -> Float[np.ndarray, "*lead clusters transitions"]:
    """Return the share of each transition's driver among each cluster's contacts; 1 where it has none."""
    met = mixing @ shares
    drivers = compartments.drivers
    return np.where(drivers >= 0, met[..., np.maximum(drivers, 0)], 1.0)


def mixing_of(graph: Graph, labels: Int[np.ndarray, " agents"]) -> Float[np.ndarray, "clusters clusters"]:
    """Return which share of each cluster's links lies in which cluster; one without links meets all alike."""
    clusters = int(labels.max()) + 1
    members = np.eye(clusters, dtype=np.float64)[labels]
    links = members.T @ (graph.to_scipy() @ members)
    ends = links.sum(axis=1, keepdims=True)
    return np.where(ends > 0, links / np.where(ends > 0, ends, 1.0), members.mean(axis=0)[None, :])


def _counted(values: np.ndarray, labels: np.ndarray, clusters: int, kinds: int) -> np.ndarray:
    """Return how often each kind, from 0 on, stands in each row and cluster; -1 is not counted."""
    days = len(values)
    row = np.arange(days)[:, None] * clusters + labels[None, :]
    flat = (row * kinds + values)[values >= 0]
    return np.bincount(flat, minlength=days * clusters * kinds).reshape(days, clusters, kinds)

"""What a part of a population holds: its own agents, whose rows are whole, and of others the values they listen to.

Rows keep their order, so that sums are added in the order in which the whole population adds them.
"""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32

from doxa.society.graph import Graph


class Piece(NamedTuple):
    """A part.

    Attributes:
        own: its agents, ascending.
        heard: agents of other parts that they listen to, by part and then ascending.
        graph: rows of the own ones, then empty rows of those heard; nodes are places in own and heard together.
        told: for each part, the places of own agents whose values it is told after a step.
        told_by: for each part, the range of places of those heard from it.
    """

    own: Int32[np.ndarray, " m"]
    heard: Int32[np.ndarray, " g"]
    graph: Graph
    told: tuple[Int32[np.ndarray, " _"], ...]
    told_by: tuple[tuple[int, int], ...]

    @property
    def agents(self) -> Int32[np.ndarray, " local"]:
        """All whose values it holds, in the order of places."""
        return np.concatenate([self.own, self.heard])


def pieces_of(graph: Graph, owner: Int32[np.ndarray, " n"], parts: int) -> list[Piece]:
    """Return the parts of a population.

    Args:
        graph: row i lists whom i listens to.
        owner: the part of each agent, 0..parts-1.
        parts: how many.
    """
    owned = [np.flatnonzero(owner == part).astype(np.int32) for part in range(parts)]
    heard = [_heard(graph, owner, part, own) for part, own in enumerate(owned)]
    places = np.empty(graph.n, dtype=np.int32)  # of each agent in its own part
    for own in owned:
        places[own] = np.arange(len(own), dtype=np.int32)
    pieces: list[Piece] = []
    for part, own in enumerate(owned):
        ends = np.searchsorted(owner[heard[part]], np.arange(parts + 1)) + len(own)
        told = tuple(
            places[others[owner[others] == part]] if other != part else places[:0]
            for other, others in enumerate(heard)
        )
        told_by = tuple((int(begin), int(end)) for begin, end in pairwise(ends))
        pieces.append(Piece(own, heard[part], _local(graph, own, heard[part]), told, told_by))
    return pieces


def _heard(
    graph: Graph, owner: Int32[np.ndarray, " n"], part: int, own: Int32[np.ndarray, " m"]
) -> Int32[np.ndarray, " g"]:
    named = np.zeros(graph.n, dtype=np.bool_)
    named[graph.targets[_entries(graph, own)]] = True
    named[owner == part] = False
    others = np.flatnonzero(named).astype(np.int32)
    return others[np.argsort(owner[others], kind="stable")]


def _entries(graph: Graph, own: Int32[np.ndarray, " m"]) -> np.ndarray:
    """Return the places in ``targets`` of some rows, row after row."""
    degree = graph.degree[own]
    ends = np.cumsum(degree)
    first = graph.offsets[own] - (ends - degree)
    return np.repeat(first, degree) + np.arange(int(ends[-1]) if len(ends) else 0)


def _local(graph: Graph, own: Int32[np.ndarray, " m"], heard: Int32[np.ndarray, " g"]) -> Graph:
    entries = _entries(graph, own)
    place = np.empty(graph.n, dtype=np.int32)
    place[own] = np.arange(len(own), dtype=np.int32)
    place[heard] = np.arange(len(own), len(own) + len(heard), dtype=np.int32)
    offsets = np.zeros(len(own) + len(heard) + 1, dtype=np.int64)
    np.cumsum(graph.degree[own], out=offsets[1 : len(own) + 1])
    offsets[len(own) + 1 :] = offsets[len(own)]
    weights = None if graph.weights is None else graph.weights[entries]
    return Graph.trusted(offsets, place[graph.targets[entries]], weights, directed=True)


def local_config(config: Any, piece: Piece) -> Any:
    """Return the settings of a part: its graph, and of settings with a value for each agent those of its agents."""
    n = config.graph.n
    changes: dict[str, Any] = {"graph": piece.graph}
    for part in fields(config):
        value = getattr(config, part.name)
        if isinstance(value, np.ndarray) and value.shape == (n,):
            changes[part.name] = value[piece.agents]
    return replace(config, **changes)

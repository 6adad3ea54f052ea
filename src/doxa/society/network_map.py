"""A few nodes of a graph and places for them, for a map that people can look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.graph import Graph

MOST_NODES = 200
"""Beyond this many, a map shows no more than it hides."""


class NetworkMap(NamedTuple):
    """Part of a graph, drawn.

    Attributes:
        nodes: their numbers in the graph.
        places: of the nodes, in [-1, 1].
        links: pairs of places in ``nodes`` that are linked, each once.
    """

    nodes: Int[np.ndarray, " nodes"]
    places: Float[np.ndarray, "nodes 2"]
    links: Int[np.ndarray, "links 2"]


def map_of(graph: Graph, rng: np.random.Generator, most: int = MOST_NODES) -> NetworkMap:
    """Return a map of a graph: all of a small one, of a larger one a node drawn at random and those nearest to it.

    Nearest are those reached by the fewest steps; of a ring that does not fit, those first in its order. Where they
    run out, another node is drawn.

    Args:
        graph: any.
        rng: draws the first node and the places to start from.
        most: nodes of the map, >= 1.

    Raises:
        InputError: the graph has no node, or ``most`` is below 1.
    """
    if graph.n < 1 or most < 1:
        raise InputError(f"a map of {most} of {graph.n} nodes: there must be at least one of both")
    nodes = np.arange(graph.n) if graph.n <= most else _around(graph, rng, most)
    place_of = {int(node): place for place, node in enumerate(nodes)}
    links = {
        (min(place, other), max(place, other))
        for place, node in enumerate(nodes)
        for neighbour in graph.neighbours(int(node))
        if (other := place_of.get(int(neighbour))) is not None and other != place
    }
    pairs = np.array(sorted(links), dtype=np.int64).reshape(-1, 2)
    return NetworkMap(nodes, _places(len(nodes), pairs, rng), pairs)


def _around(graph: Graph, rng: np.random.Generator, most: int) -> Int[np.ndarray, " nodes"]:
    """Return ``most`` nodes in the order in which a breadth-first search from a random one meets them."""
    met: dict[int, None] = {}
    waiting: list[int] = []
    while len(met) < most:
        if not waiting:
            start = int(rng.integers(graph.n))
            if start in met:
                continue
            met[start] = None
            waiting.append(start)
        for neighbour in graph.neighbours(waiting.pop(0)):
            if int(neighbour) not in met and len(met) < most:
                met[int(neighbour)] = None
                waiting.append(int(neighbour))
    return np.array(list(met), dtype=np.int64)


def _places(
    n: int, links: Int[np.ndarray, "links 2"], rng: np.random.Generator
) -> Float[np.ndarray, "nodes 2"]:
    import networkx as nx

    drawn = nx.Graph()
    drawn.add_nodes_from(range(n))
    drawn.add_edges_from(map(tuple, links.tolist()))
    seed = int(rng.integers(2**31))
    found = nx.spring_layout(drawn, k=1.6 / np.sqrt(n), iterations=120, seed=seed)
    places = np.array([found[node] for node in range(n)], dtype=np.float64).reshape(n, 2)
    return places / max(float(np.abs(places).max()), 1e-12)

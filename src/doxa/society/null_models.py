"""Null models: graphs that share their degrees with another, and nothing else.

What a graph does that its null model does not, its degrees do not explain.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer

from doxa.errors import InputError
from doxa.society import rewiring_kernels as kernels
from doxa.society.graph import Graph
from doxa.society.randomness import key_from
from doxa.society.seeds import Seed, generator


def configuration_model(degrees: Integer[np.ndarray, " n"], rng: Seed) -> Graph:
    """Return a random simple undirected graph with the given degrees.

    Ends are paired at random; loops and double edges are then swapped away. For sparse graphs that is nearly uniform
    over all simple graphs with these degrees; ``rewired`` brings any graph closer to it.

    Args:
        degrees: of the nodes, each in 0..n-1, with an even sum.
        rng: generator or seed.

    Raises:
        InputError: no simple graph has these degrees.
    """
    degrees, rng = np.asarray(degrees, dtype=np.int64), generator(rng, "configuration-model")
    n = len(degrees)
    _check_degrees(degrees)
    if degrees.sum() > n * (n - 1) // 2:  # the graph of the missing edges is the sparse one
        missing = configuration_model(n - 1 - degrees, rng).to_scipy().toarray() != 0.0
        sources, targets = np.nonzero(np.triu(~missing, 1))
        return Graph.from_edges(n, sources, targets)
    ends = np.repeat(np.arange(n, dtype=np.int32), degrees)
    rng.shuffle(ends)
    sources, targets = ends[: len(ends) // 2].copy(), ends[len(ends) // 2 :].copy()
    if not kernels.make_simple(sources, targets, n, False, key_from(rng)):
        raise InputError(
            f"degrees up to {degrees.max()} on {n} nodes: no random pairing without loops was found; "
            "take lower degrees or rewire a graph that has them"
        )
    return Graph.from_edges(n, sources, targets)


def configuration_of(graph: Graph, rng: Seed) -> Graph:
    """Return a random simple graph in which every node has the degree it has in ``graph``.

    Of a directed graph both degrees stay: to how many a node listens, and how many listen to it. Weights are dropped.

    Raises:
        InputError: the graph has loops or double edges that its degrees cannot do without.
    """
    rng = generator(rng, "configuration-of")
    if not graph.directed:
        return configuration_model(graph.degree, rng)
    edges = graph.edges()
    targets = rng.permutation(edges.targets)
    if not kernels.make_simple(edges.sources, targets, graph.n, True, key_from(rng)):
        raise InputError("no simple directed graph with these degrees was found; use rewired instead")
    return Graph.from_edges(graph.n, edges.sources, targets, directed=True)


def rewired(graph: Graph, rng: Seed, *, sweeps: float = 10.0) -> Graph:
    """Return the graph after random swaps of edges' ends, which leave every degree as it is.

    Edges a-b and c-d become a-d and c-b, unless that makes a loop or a double edge. Of a directed graph both degrees
    stay. The weight of an edge stays with its first node's end.

    Args:
        graph: without loops and double edges.
        rng: generator or seed.
        sweeps: tries per edge, at least 0; ten forget where the edges were.

    Raises:
        InputError: ``sweeps`` is negative, or the graph has loops or double edges.
    """
    if not 0.0 <= sweeps < float("inf"):
        raise InputError(f"sweeps={sweeps}: must be finite and at least 0")
    edges = graph.edges()
    sources, targets = edges.sources.copy(), edges.targets.copy()
    attempts = round(sweeps * len(sources))
    if (
        kernels.rewire(
            sources, targets, graph.n, attempts, graph.directed, key_from(generator(rng, "rewired"))
        )
        < 0
    ):
        raise InputError(
            "only graphs without loops and double edges can be rewired; load it with duplicates='drop'"
        )
    return Graph.from_edges(graph.n, sources, targets, edges.weights, directed=graph.directed)


def _check_degrees(degrees: Integer[np.ndarray, " n"]) -> None:
    """Refuse degrees that no simple graph has: Erdős and Gallai's condition."""
    n = len(degrees)
    if not n:
        return
    if degrees.min() < 0 or degrees.max() >= n:
        place = int(np.flatnonzero((degrees < 0) | (degrees >= n))[0])
        raise InputError(f"degrees[{place}]={degrees[place]}: a simple graph of {n} nodes has 0 to {n - 1}")
    if degrees.sum() % 2:
        raise InputError(f"degrees: their sum is {degrees.sum()}, and every edge has two ends; make it even")
    falling = np.sort(degrees)[::-1]
    k = np.arange(1, n + 1)
    at_least_k = n - np.searchsorted(falling[::-1], k)  # nodes of degree k or more come first
    split = np.maximum(at_least_k, k)
    sums = np.concatenate(([0], np.cumsum(falling)))
    room = k * (k - 1) + k * (split - k) + sums[n] - sums[split]
    if np.any(sums[1:] > room):
        most = int(np.flatnonzero(sums[1:] > room)[0]) + 1
        raise InputError(
            f"degrees: the {most} greatest have {sums[most]} ends, more than the others can take ({room[most - 1]}); "
            "no simple graph has these degrees"
        )

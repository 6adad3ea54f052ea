"""Slow second versions of the kernels in plain Python: whole numbers without bound, lists, one agent at a time."""

from __future__ import annotations

import math

import numpy as np

from doxa.society import Graph

M = 2**64


def bits(key: int, agent: int, draw: int) -> int:
    z = (int(key) + (agent + draw * 2**40 + 1) * 0x9E3779B97F4A7C15) % M
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % M
    return z ^ (z >> 31)


def uniform(key: int, agent: int, draw: int) -> float:
    return (bits(key, agent, draw) >> 11) / 2**53


def below(key: int, agent: int, draw: int, n: int) -> int:
    return int(uniform(key, agent, draw) * n)


def random_graph(
    n: int = 40, edges: int = 90, seed: int = 0, *, weighted: bool = False, directed: bool = False
) -> Graph:
    """A small graph with some node that has no ties."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n - 1, (2, edges))
    weights = rng.uniform(0.1, 0.9, edges).astype(np.float32) if weighted else None
    return Graph.from_edges(n, ends[0], ends[1], weights, directed=directed)


def ties(graph: Graph, i: int) -> list[tuple[int, float]]:
    begin, end = int(graph.offsets[i]), int(graph.offsets[i + 1])
    weights = [1.0] * (end - begin) if graph.weights is None else graph.weights[begin:end].tolist()
    return list(zip(graph.targets[begin:end].tolist(), weights, strict=True))


def meetings(key: int, graph: Graph | None, n: int, order: list[int] | None = None):
    """Yield who meets whom: draws 0 and 1 of each meeting."""
    for k in range(n if order is None else len(order)):
        i = below(key, k, 0, n) if order is None else order[k]
        if graph is None:
            j = below(key, k, 1, n - 1)
            yield i, j + (j >= i)
        elif row := ties(graph, i):
            yield i, row[below(key, k, 1, len(row))][0]


def compartments(
    key: int, old: list[int], graph: Graph, kinds: int, ways, agents=None, in_turn=False, factor=None
) -> list[int]:
    """``ways``: (source, target, via or None, probability) by number."""
    new = list(old)
    for k, i in enumerate(range(len(old)) if agents is None else agents):
        seen = new if in_turn else old
        hazards = [0.0] * kinds
        for source, target, via, probability in ways:
            if source == seen[i]:
                h = 50.0 if probability == 1.0 else -math.log1p(-probability)
                if via is not None:
                    met = sum(w for j, w in ties(graph, i) if seen[j] == via)
                    h *= met * (1.0 if factor is None else float(factor[i]))
                hazards[target] += h
        total = sum(hazards)
        if total > 0 and uniform(key, k, 0) < 1 - math.exp(-total):
            mark = uniform(key, k, 1) * total
            for there in range(kinds):
                if hazards[there] > 0:
                    new[i] = there
                    mark -= hazards[there]
                    if mark < 0:
                        break
    return new

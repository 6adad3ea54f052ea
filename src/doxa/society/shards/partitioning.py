"""Who is in which part of a population: parts of equal work, and few ties between them.

Two ways are tried and the one that cuts fewer ties is taken: METIS (Karypis and Kumar 1998), and ranges of agents,
which are better where neighbours have near numbers, as in a ring with few shortcuts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, Int64

from doxa.errors import InputError, MissingExtraError
from doxa.society.graph import Graph


class Cut(NamedTuple):
    """What a partition costs.

    Attributes:
        ties: share of the graph's entries that lead into another part, in [0, 1].
        values: values that travel in each step: for each part, others' agents that its own listen to.
        widest: work of the busiest part over the mean, at least 1.
    """

    ties: float
    values: int
    widest: float


def partition(graph: Graph, parts: int) -> Int32[np.ndarray, " n"]:
    """Return the part of each agent, 0..parts-1; the work of a part is its agents and their ties.

    Args:
        graph: row i lists whom i listens to.
        parts: from 1 to the number of agents.

    Raises:
        InputError: there are more parts than agents.
        MissingExtraError: METIS is not installed.
    """
    if not 1 <= parts <= graph.n:
        raise InputError(f"shards={parts}: must be from 1 to {graph.n}, as many as there are agents")
    ranges = by_ranges(graph, parts)
    if parts == 1 or not len(graph.targets):
        return ranges
    found = by_metis(graph, parts)
    return found if cut_of(graph, found).ties < cut_of(graph, ranges).ties else ranges


def by_ranges(graph: Graph, parts: int) -> Int32[np.ndarray, " n"]:
    """Return parts that are ranges of agents with equal work."""
    before = np.cumsum(work_of(graph)) - work_of(graph)
    return np.minimum(before * parts // int(work_of(graph).sum()), parts - 1).astype(np.int32)


def by_metis(graph: Graph, parts: int) -> Int32[np.ndarray, " n"]:
    """Return the parts that METIS finds.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pymetis  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError("a population in shards", "ray") from error
    library: Any = pymetis
    ties = graph
    if graph.directed or int(np.count_nonzero(_rows(graph) == graph.targets)):
        ties = Graph.from_edges(graph.n, _rows(graph), graph.targets)
    kind = library.zero_copy_dtype()
    adjacency = library.CSRAdjacency(ties.offsets.astype(kind), ties.targets.astype(kind))
    found = library.part_graph(parts, adjacency, vweights=work_of(graph).astype(kind))
    return np.asarray(found[1], dtype=np.int32)


def work_of(graph: Graph) -> Int64[np.ndarray, " n"]:
    """Return the work that a step is for each agent: one, and one for each whom it listens to."""
    return graph.degree + 1


def cut_of(graph: Graph, owner: Int32[np.ndarray, " n"]) -> Cut:
    """Return what a partition costs.

    Args:
        graph: row i lists whom i listens to.
        owner: the part of each agent.
    """
    listener, speaker = owner[_rows(graph)], owner[graph.targets]
    away = listener != speaker
    heard = np.unique(listener[away].astype(np.int64) * graph.n + graph.targets[away])
    work = np.bincount(owner, weights=work_of(graph))
    return Cut(float(away.mean()) if len(away) else 0.0, len(heard), float(work.max() / work.mean()))


def _rows(graph: Graph) -> Int32[np.ndarray, " entries"]:
    return np.repeat(np.arange(graph.n, dtype=np.int32), graph.degree)

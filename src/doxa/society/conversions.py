"""Graphs from and to what other libraries hold in memory: frames of edges, NetworkX, SciPy's sparse matrices.

Arrow tables are frames too: ``from_frame`` takes whatever speaks Arrow's C stream, and a Polars frame does so itself,
``pyarrow.table(to_frame(graph))``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from doxa.errors import InputError
from doxa.society.graph import Graph

if TYPE_CHECKING:
    import networkx as nx
    import polars as pl
    from scipy.sparse import sparray, spmatrix

    NxGraph: TypeAlias = nx.Graph[Any]
else:
    NxGraph = Any

Labels: TypeAlias = Shaped[np.ndarray, " n"]
"""What the nodes are called where the graph comes from: whole numbers or text, in ascending order."""


class LabelledGraph(NamedTuple):
    """A graph and what its nodes were called: node i is ``labels[i]``."""

    graph: Graph
    labels: Labels


def from_frame(
    frame: Any, *, directed: bool = False, weighted: bool = False, n: int | None = None
) -> LabelledGraph:
    """Return the graph of a frame of edges: its first two columns, who listens and to whom.

    Edges that are given again and edges from a node to itself are dropped.

    Args:
        frame: Polars frame, or anything that speaks Arrow's C stream.
        directed: whether an edge stands in the row of its first node only.
        weighted: whether the third column holds weights, else it is not read.
        n: number of nodes, where the nodes are 0..n-1 already and some may have no edge.

    Raises:
        InputError: fewer columns, a missing value, or a node outside 0..n-1.
    """
    import polars as pl

    table = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    needed = 3 if weighted else 2
    if table.width < needed:
        raise InputError(
            f"frame with columns {table.columns}: needs {needed}, who listens, to whom and the weight"
        )
    for column in table.get_columns()[:needed]:
        if column.null_count():
            row = column.is_null().arg_max()
            raise InputError(f"row {row} of column '{column.name}' is empty; drop the row or fill it")
    first, second = table.to_series(0), table.to_series(1)
    weights = table.to_series(2).cast(pl.Float32).to_numpy() if weighted else None
    if first.dtype.is_integer() and second.dtype.is_integer():
        return _of_whole_numbers(first.to_numpy(), second.to_numpy(), weights, directed=directed, n=n)
    for column in (first, second):
        if column.dtype.base_type() not in (pl.String, pl.Categorical, pl.Enum):
            raise InputError(
                f"column '{column.name}' holds {column.dtype}; nodes are whole numbers or text, in both"
            )
    if n is not None:
        raise InputError(
            f"n={n}: says that nodes are 0 to {n - 1}, and column '{first.name}' holds {first.dtype}"
        )
    return _of_text(first, second, weights, directed=directed)


def to_frame(graph: Graph, labels: Labels | None = None) -> pl.DataFrame:
    """Return the edges as columns ``source``, ``target`` and, where there are weights, ``weight``.

    Nodes without an edge are not in it.
    """
    import polars as pl

    edges = graph.edges()
    ends = {"source": edges.sources, "target": edges.targets}
    columns: dict[str, Any] = {key: ids if labels is None else labels[ids] for key, ids in ends.items()}
    return pl.DataFrame(columns if edges.weights is None else {**columns, "weight": edges.weights})


def from_networkx(graph: NxGraph) -> LabelledGraph:
    """Return a NetworkX graph with its direction, and with weights if every edge has a ``weight``.

    Nodes stay in their order. Of several edges between two nodes the first is kept; loops are dropped.
    """
    names = list(graph.nodes)
    place = {name: i for i, name in enumerate(names)}
    listed = [(place[u], place[v], data.get("weight")) for u, v, data in graph.edges(data=True)]
    sources = np.array([u for u, _, _ in listed], dtype=np.int64)
    targets = np.array([v for _, v, _ in listed], dtype=np.int64)
    weights = None
    if listed and all(weight is not None for _, _, weight in listed):
        weights = np.array([weight for _, _, weight in listed], dtype=np.float32)
    whole = all(isinstance(name, int) for name in names)
    labels = np.array(names, dtype=np.int64) if whole else np.array([str(name) for name in names])
    return LabelledGraph(
        Graph.from_edges(len(names), sources, targets, weights, directed=graph.is_directed()), labels
    )


def to_networkx(graph: Graph, labels: Labels | None = None) -> NxGraph:
    """Return a NetworkX ``Graph`` or ``DiGraph`` with all nodes, and with ``weight`` where there are weights."""
    import networkx as nx

    edges = graph.edges()
    names = np.arange(graph.n) if labels is None else labels
    made: NxGraph = nx.DiGraph() if graph.directed else nx.Graph()
    made.add_nodes_from(names.tolist())
    ends = (names[edges.sources].tolist(), names[edges.targets].tolist())
    if edges.weights is None:
        made.add_edges_from(zip(*ends, strict=True))
    else:
        made.add_weighted_edges_from(zip(*ends, edges.weights.tolist(), strict=True))
    return made


def from_scipy(matrix: sparray | spmatrix, *, directed: bool | None = None, weighted: bool = True) -> Graph:
    """Return the graph of a square sparse matrix: row i lists whom i listens to.

    Args:
        matrix: any sparse format; entries of value 0 are edges too, if they are stored.
        directed: by default whether the matrix differs from its transpose.
        weighted: whether the values are weights, else they are not read.

    Raises:
        InputError: not square, or said to be undirected and not symmetric.
    """
    from scipy.sparse import coo_array

    entries = coo_array(matrix)
    shape: tuple[int, ...] = tuple(entries.shape or ())
    if len(shape) != 2 or shape[0] != shape[1]:
        raise InputError(f"matrix {shape}: must be square, a row and a column for each node")
    entries.sum_duplicates()
    sources, targets = entries.coords
    weights = entries.data.astype(np.float32) if weighted else None
    graph = Graph.from_edges(shape[0], sources, targets, weights, directed=True, loops="keep")
    if directed is True or (directed is None and graph.digest != graph.transposed().digest):
        return graph
    return Graph(graph.offsets, graph.targets, graph.weights, directed=False)


def _of_whole_numbers(
    sources: Shaped[np.ndarray, " m"],
    targets: Shaped[np.ndarray, " m"],
    weights: Float32[np.ndarray, " m"] | None,
    *,
    directed: bool,
    n: int | None,
) -> LabelledGraph:
    """Return the graph of numbered nodes; without n they are numbered anew in ascending order, none left out."""
    if n is None:
        labels, sources, targets = _numbered_anew(sources, targets)
    else:
        labels = np.arange(n, dtype=np.int64)
    return LabelledGraph(Graph.from_edges(len(labels), sources, targets, weights, directed=directed), labels)


def _numbered_anew(sources: Any, targets: Any) -> tuple[Int64[np.ndarray, " n"], Any, Any]:
    if not len(sources):
        return np.empty(0, dtype=np.int64), sources, targets
    low = int(min(sources.min(), targets.min()))
    span = int(max(sources.max(), targets.max())) - low + 1
    if span > 8 * len(sources) + 1024:  # a table over so wide a range would cost more than an order
        labels, places = np.unique(np.concatenate((sources, targets)), return_inverse=True)
        return labels.astype(np.int64), places[: len(sources)], places[len(sources) :]
    seen = np.zeros(span, dtype=bool)
    seen[sources - low] = True
    seen[targets - low] = True
    labels = np.flatnonzero(seen) + low
    if len(labels) == span:
        return labels, sources - low, targets - low
    places = np.cumsum(seen, dtype=np.int32) - 1
    return labels, places[sources - low], places[targets - low]


def _of_text(first: pl.Series, second: pl.Series, weights: Any, *, directed: bool) -> LabelledGraph:
    import polars as pl

    first, second = first.cast(pl.String), second.cast(pl.String)
    names = pl.concat([first.unique(), second.unique().rename(first.name)]).unique().sort()
    kind = pl.Enum(names)
    sources, targets = (ids.cast(kind).to_physical().to_numpy() for ids in (first, second))
    graph = Graph.from_edges(len(names), sources, targets, weights, directed=directed)
    return LabelledGraph(graph, names.to_numpy().astype(str))

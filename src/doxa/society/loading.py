"""Files of graphs: the suffix says how one is written.

.graphml                            GraphML, through NetworkX; weights in ``weight``
.parquet, .arrow, .feather, .ipc    a frame of edges
.npz                                SciPy's sparse matrix
anything else, also .gz             a list of edges as text, see ``doxa.society.edge_lists``
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from doxa.errors import InputError
from doxa.society.conversions import (
    LabelledGraph,
    Labels,
    from_frame,
    from_networkx,
    from_scipy,
    to_frame,
    to_networkx,
)
from doxa.society.edge_lists import read_edge_list
from doxa.society.graph import Graph

if TYPE_CHECKING:
    import polars as pl

FRAMES = (".arrow", ".feather", ".ipc")


def read_graph(
    path: Path, *, directed: bool | None = None, weighted: bool = False, n: int | None = None
) -> LabelledGraph:
    """Read a graph; edges that are given again and edges from a node to itself are dropped.

    Args:
        path: the file; its suffix says how it is written.
        directed: whether row i says whom i listens to; by default what the file says, else no.
        weighted: whether to read weights where the file may hold other things in their place: the third column of
            lists and frames. GraphML and SciPy's files always say whether they have them.
        n: number of nodes of a list or frame whose nodes are 0..n-1 already; some may have no edge.

    Raises:
        InputError: there is no such file, or it holds no graph.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    kind = path.suffix.lower()
    if kind == ".graphml" or path.name.lower().endswith(".graphml.gz"):
        return _turned(_graphml(path), directed)
    if kind == ".npz":
        graph = _npz(path, directed)
        return LabelledGraph(graph, np.arange(graph.n, dtype=np.int64))
    if kind in (".parquet", *FRAMES):
        return from_frame(_frame(path), directed=bool(directed), weighted=weighted, n=n)
    return read_edge_list(path, directed=directed, weighted=weighted, n=n)


def write_graph(graph: Graph, path: Path, labels: Labels | None = None) -> None:
    """Write a graph as the suffix says: .csv with a header, .gz compressed, else edges between tabs as SNAP does.

    Lists and frames do not say of nodes without an edge, nor whether edges have a direction: give ``n`` and
    ``directed`` when you read them again.
    """
    name = path.name.lower()
    if name.endswith((".graphml", ".graphml.gz")):
        import networkx as nx

        nx.write_graphml(to_networkx(graph, labels), path)
    elif name.endswith(".npz"):
        from scipy.sparse import save_npz

        save_npz(path, graph.to_scipy())
    elif name.endswith(".parquet"):
        to_frame(graph, labels).write_parquet(path)
    elif name.endswith(FRAMES):
        to_frame(graph, labels).write_ipc(path)
    else:
        _write_text(graph, path, labels)


def _write_text(graph: Graph, path: Path, labels: Labels | None) -> None:
    csv = path.name.lower().removesuffix(".gz").endswith(".csv")
    text = to_frame(graph, labels).write_csv(separator="," if csv else "\t", include_header=csv)
    if not csv:
        kind = "Directed" if graph.directed else "Undirected"
        text = f"# {kind} graph\n# Nodes: {graph.n} Edges: {graph.n_edges}\n{text}"
    path.write_bytes(gzip.compress(text.encode(), 6, mtime=0) if path.suffix == ".gz" else text.encode())


def _graphml(path: Path) -> LabelledGraph:
    import xml.etree.ElementTree as ET

    import networkx as nx

    try:
        return from_networkx(nx.read_graphml(path))
    except (ET.ParseError, nx.NetworkXError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: is not GraphML: {error}") from error


def _npz(path: Path, directed: bool | None) -> Graph:
    from scipy.sparse import load_npz

    try:
        matrix = load_npz(path)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: is not SciPy's sparse matrix: {error}") from error
    unweighted = bool(np.all(matrix.data == 1.0))
    return from_scipy(matrix, directed=directed, weighted=not unweighted)


def _frame(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(path) if path.suffix.lower() == ".parquet" else pl.read_ipc(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _turned(read: LabelledGraph, directed: bool | None) -> LabelledGraph:
    """Return a graph with the direction that is asked for; an undirected edge goes both ways."""
    graph, labels = read
    if directed is None or directed == graph.directed:
        return read
    if directed:
        return LabelledGraph(Graph(graph.offsets, graph.targets, graph.weights, directed=True), labels)
    edges = graph.edges()
    return LabelledGraph(Graph.from_edges(graph.n, edges.sources, edges.targets, edges.weights), labels)

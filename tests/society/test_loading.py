from __future__ import annotations

import gzip
import os
from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from doxa.errors import InputError
from doxa.society import Graph, generators
from doxa.society.conversions import from_frame, from_networkx, from_scipy, to_frame, to_networkx
from doxa.society.loading import read_graph, write_graph
from doxa.streams import stream

LISTS = {
    "snap.txt": "# Directed graph\n# FromNodeId\tToNodeId\n3\t7\n7\t9\n\n3\t9\n",
    "blanks.txt": "3 7\n7   9\n 3 9 \n",
    "commas.csv": "follower,followee\n3,7\n7,9\n3,9\n",
    "spaced.csv": "3, 7\n7, 9\n3, 9\n",
    "konect.tsv": "% sym\n3\t7\n7\t9\n3\t9\n",
    "semicolons.csv": "from;to;time\n3;7;100\n7;9;101\n3;9;x\n",
    "again.txt": "3 7\n7 3\n3 3\n7 9\n3 9\n3 9\n",
    "noend.txt": "3 7\n7 9\n3 9",
    "windows.csv": "from,to\r\n3,7\r\n7,9\r\n3,9\r\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("compressed", [False, True])
def test_lists_of_edges_are_read_as_they_come(tmp_path, name, compressed):
    path = tmp_path / (name + ".gz" if compressed else name)
    data = LISTS[name].encode()
    path.write_bytes(gzip.compress(data) if compressed else data)
    graph, labels = read_graph(path)
    assert labels.tolist() == [3, 7, 9]
    assert [graph.neighbours(i).tolist() for i in range(3)] == [[1, 2], [0, 2], [0, 1]]
    directed = read_graph(path, directed=True).graph
    if name != "again.txt":
        assert [directed.neighbours(i).tolist() for i in range(3)] == [[1, 2], [2], []]


def write(folder: Path, text: str, name: str = "edges.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_text_is_kept_as_labels_in_order(tmp_path):
    for text in (
        "source,target\nzoë,adam\nadam,bob\n",
        "zoë,adam\nadam,bob\n",
        '"zoë","adam"\n"adam","bob"\n',
    ):
        graph, labels = read_graph(write(tmp_path, text))
        assert labels.tolist() == ["adam", "bob", "zoë"]
        assert edges_of(graph) == [(0, 1), (0, 2)]


def edges_of(graph: Graph) -> list[tuple[int, int]]:
    return list(zip(*(part.tolist() for part in graph.edges()[:2]), strict=True))


def test_far_apart_and_negative_numbers_are_labels_too(tmp_path):
    graph, labels = read_graph(write(tmp_path, "900000000000 -5\n-5 12\n", "far.txt"))
    assert labels.tolist() == [-5, 12, 900000000000]
    assert edges_of(graph) == [(0, 1), (0, 2)]


def test_weights_are_read_where_they_are_asked_for(tmp_path):
    path = write(tmp_path, "a b 0.5\nb c 2\n", "weights.txt")
    assert read_graph(path).graph.weights is None
    graph = read_graph(path, weighted=True, directed=True).graph
    assert graph.weights is not None
    assert graph.weights.tolist() == [0.5, 2.0]


def test_nodes_without_an_edge_are_there_where_n_is_said(tmp_path):
    path = write(tmp_path, "1 3\n", "few.txt")
    assert read_graph(path).graph.n == 2
    graph, labels = read_graph(path, n=5)
    assert graph.degree.tolist() == [0, 1, 0, 1, 0]
    assert labels.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match=r"targets\[0\]=3: nodes are 0 to 2"):
        read_graph(path, n=3)
    with pytest.raises(InputError, match="holds String"):
        read_graph(write(tmp_path, "a b\n"), n=3)


def test_the_header_of_graphs_jl_counts_from_one(tmp_path):
    path = write(tmp_path, "4,2,d,name\n1,3\n3,4\n", "small.jlg")
    graph, labels = read_graph(path)
    assert (graph.directed, labels.tolist(), edges_of(graph)) == (True, [1, 2, 3, 4], [(0, 2), (2, 3)])
    assert not read_graph(path, directed=False).graph.directed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "line 2: '3' has not the 2 fields"),
        ("a,b\n\n# note\n3,4,5\n", "line 4: '3,4,5' has 3 fields, those before 2"),
        ("from,to\n1,2\n3,x\n", "line 3: 'x' is not a whole number"),
        ("1,2\n1,2.5\n", "line 2: '2.5' is not a whole number"),
        ("1,2\n1,99999999999999999999\n", "line 2: '99999999999999999999' is not a whole number"),
        ("1,2\n1,\n", "line 2: '1,' has not the 2 fields"),
        ("lonely\n", "line 1: 'lonely' has not the 2 fields"),
        ("# nothing\n\n", "holds no edges"),
        ("", "holds no edges"),
        ("from,to\n", "a header and no edges"),
        ("1,2\n\x00\xff", "line 2"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_graph(write(tmp_path, text))


def test_a_bad_weight_is_named(tmp_path):
    with pytest.raises(InputError, match="line 2: weight 'much' is not a number"):
        read_graph(write(tmp_path, "1,2,0.5\n2,3,much\n"), weighted=True)
    with pytest.raises(InputError, match="must be finite"):
        read_graph(write(tmp_path, "1,2,0.5\n2,3,nan\n"), weighted=True)
    with pytest.raises(InputError, match="has not the 3 fields"):
        read_graph(write(tmp_path, "1,2\n"), weighted=True)


@pytest.mark.parametrize(
    "name", ["no.txt", "bad.graphml", "bad.npz", "bad.parquet", "bad.arrow", "bad.txt.gz"]
)
def test_files_that_hold_no_graph_are_refused(tmp_path, name):
    path = tmp_path / name
    if name != "no.txt":
        path.write_bytes(b"\x1f\x8bnonsense\n")
    with pytest.raises(InputError, match=name):
        read_graph(path)


SUFFIXES = [
    ".txt",
    ".tsv",
    ".csv",
    ".txt.gz",
    ".csv.gz",
    ".parquet",
    ".arrow",
    ".graphml",
    ".graphml.gz",
    ".npz",
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["plain", "directed", "weighted"])
def test_graphs_come_back_from_every_kind_of_file(tmp_path, suffix, kind):
    graph = generators.erdos_renyi(60, 4.0, 1)
    if kind != "plain":
        sources, targets = stream(1, "edges").integers(0, 60, (2, 300))
        weights = stream(1, "weights").random(300, dtype=np.float32) if kind == "weighted" else None
        graph = Graph.from_edges(60, sources, targets, weights, directed=kind == "directed")
    path = tmp_path / f"graph{suffix}"
    write_graph(graph, path)
    lists = not suffix.startswith((".graphml", ".npz"))
    options = {"directed": graph.directed, "weighted": kind == "weighted", "n": 60} if lists else {}
    assert read_graph(path, **options).graph.digest == graph.digest


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".graphml", ".parquet"])
def test_labels_are_written(tmp_path, suffix):
    labels = np.array(["ann", "bob", "cy"])
    graph = Graph.from_edges(3, np.array([2, 0]), np.array([1, 1]))
    path = tmp_path / f"graph{suffix}"
    write_graph(graph, path, labels)
    again = read_graph(path)
    assert again.labels.tolist() == ["ann", "bob", "cy"]
    assert again.graph.digest == graph.digest


def test_the_direction_of_a_file_can_be_overruled(tmp_path):
    graph = Graph.from_edges(3, np.array([2, 0]), np.array([1, 1]), directed=True)
    write_graph(graph, tmp_path / "graph.graphml")
    assert edges_of(read_graph(tmp_path / "graph.graphml", directed=False).graph) == [(0, 1), (1, 2)]
    write_graph(read_graph(tmp_path / "graph.graphml", directed=False).graph, tmp_path / "both.graphml")
    assert edges_of(read_graph(tmp_path / "both.graphml", directed=True).graph) == [
        (0, 1),
        (1, 0),
        (1, 2),
        (2, 1),
    ]


def test_networkx_graphs_keep_names_direction_and_weights():
    theirs = nx.DiGraph()
    theirs.add_weighted_edges_from([("b", "a", 0.5), ("a", "c", 2.0)])
    theirs.add_node("alone")
    graph, labels = from_networkx(theirs)
    assert labels.tolist() == ["b", "a", "c", "alone"]
    assert (graph.directed, graph.n) == (True, 4)
    back = to_networkx(graph, labels)
    assert nx.utils.graphs_equal(back, theirs)
    plain = nx.karate_club_graph()
    for edge in plain.edges:
        plain.edges[edge].clear()
    for node in plain.nodes:
        plain.nodes[node].clear()
    assert nx.utils.edges_equal(to_networkx(from_networkx(plain).graph).edges, plain.edges)


def test_scipy_matrices_are_rows_of_whom_one_listens_to():
    matrix = sp.random_array((40, 40), density=0.1, rng=stream(0, "matrix"), dtype=np.float32)
    graph = from_scipy(matrix)
    assert graph.directed
    assert abs(graph.to_scipy() - matrix.tocsr()).nnz == 0
    both = matrix + matrix.T
    assert not from_scipy(both).directed
    assert abs(from_scipy(sp.csr_matrix(both)).to_scipy() - both).nnz == 0
    with pytest.raises(InputError, match=r"row \d+ does not hold it"):
        from_scipy(matrix, directed=False)
    with pytest.raises(InputError, match="must be square"):
        from_scipy(sp.coo_array((3, 4)))


def test_frames_and_arrow_tables_are_lists_of_edges():
    frame = pl.DataFrame({"a": ["x", "y"], "b": ["y", "z"], "w": [1, 2]})
    for table in (frame, frame.to_arrow(), frame.with_columns(pl.col("a").cast(pl.Categorical))):
        graph, labels = from_frame(table, weighted=True, directed=True)
        assert labels.tolist() == ["x", "y", "z"]
        assert edges_of(graph) == [(0, 1), (1, 2)]
        assert to_frame(graph, labels).rows() == [("x", "y", 1.0), ("y", "z", 2.0)]
    with pytest.raises(InputError, match="row 1 of column 'b' is empty"):
        from_frame(pl.DataFrame({"a": [1, 2], "b": [3, None]}))
    with pytest.raises(InputError, match="needs 2"):
        from_frame(pl.DataFrame({"a": [1, 2]}))
    with pytest.raises(InputError, match="Float64"):
        from_frame(pl.DataFrame({"a": [1.0, 2.0], "b": [2.0, 3.0]}))
    with pytest.raises(InputError, match="column 'a' holds Int64"):
        from_frame(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


REAL = {
    "facebook-combined.jlg": (4_039, 88_234),
    "twitch_ENGB_edges.csv": (7_126, 35_324),
    "twitch_PTBR_edges.csv": (1_912, 31_299),
    "oasis_197_follow_edges.csv": (196, 1_269),
}


@pytest.mark.parametrize("name", REAL)
def test_real_graphs_have_the_size_their_source_states(name):
    path = Path(os.environ.get("DOXA_DATA", "")) / "friendship-paradox" / name
    if not path.is_file():
        pytest.skip("the data set friendship-paradox is not here")
    graph = read_graph(path, directed=True if name.startswith("oasis") else None).graph
    assert (graph.n, graph.n_edges) == REAL[name]


def test_a_million_lines_are_not_read_line_by_line(tmp_path, monkeypatch):
    """A tidy file goes to the table reader whole: the slow path, which may look at every line, is not entered."""
    graph = generators.erdos_renyi(100_000, 10.0, 0)
    write_graph(graph, tmp_path / "large.txt")
    monkeypatch.setattr("doxa.society.edge_lists._tidy", lambda *_: pytest.fail("read line by line"))
    assert read_graph(tmp_path / "large.txt", n=graph.n).graph.digest == graph.digest

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.society import Graph
from doxa.streams import stream

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def of(pairs, n=7, weights=None, **options) -> Graph:
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Graph.from_edges(n, both[:, 0].copy(), both[:, 1].copy(), weights, **options)


def rows(graph: Graph) -> list[list[int]]:
    return [graph.neighbours(i).tolist() for i in range(graph.n)]


def test_a_small_graph_by_hand():
    graph = of([(0, 2), (2, 1), (2, 0), (1, 1)], n=4)
    assert rows(graph) == [[2], [2], [0, 1], []]
    assert graph.offsets.tolist() == [0, 1, 2, 4, 4]
    assert (graph.n, graph.n_edges, graph.degree.tolist()) == (4, 2, [1, 1, 2, 0])
    assert [part.tolist() for part in graph.edges()[:2]] == [[0, 1], [2, 2]]
    assert graph.transposed() is graph


def test_a_directed_graph_lists_whom_each_listens_to():
    graph = of([(0, 2), (2, 1), (2, 0)], n=3, directed=True)
    assert rows(graph) == [[2], [], [0, 1]]
    assert rows(graph.transposed()) == [[2], [2], [0]]
    assert graph.transposed() is graph.transposed()
    assert graph.n_edges == 3


@given(PAIRS, st.booleans(), st.sampled_from(["drop", "keep"]), st.sampled_from(["drop", "keep"]))
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_a_slow_builder(pairs, directed, duplicates, loops):
    graph = of(pairs, directed=directed, duplicates=duplicates, loops=loops)
    slow: list[list[int]] = [[] for _ in range(7)]
    for i, j in pairs:
        if i == j and loops == "drop":
            continue
        slow[i].append(j)
        if i != j and not directed:
            slow[j].append(i)
    expected = [sorted(set(row)) if duplicates == "drop" else sorted(row) for row in slow]
    assert rows(graph) == expected
    again = Graph(graph.offsets, graph.targets, directed=directed)
    assert again.digest == graph.digest
    matrix = graph.to_scipy().toarray()
    assert np.array_equal(graph.transposed().to_scipy().toarray(), matrix.T)
    assert of(
        list(zip(*graph.edges()[:2], strict=True)), duplicates="keep", loops="keep", directed=directed
    ).digest == (graph.digest)
    assert len(graph.edges().sources) == graph.n_edges


def test_long_rows_are_put_in_order_with_their_weights():
    ids = np.arange(200)[::-1].copy()
    weights = ids.astype(np.float32)
    for given_weights in (None, weights):
        star = Graph.from_edges(201, np.full(200, 200), ids, given_weights)
        assert star.neighbours(200).tolist() == list(range(200))
        if given_weights is not None:
            assert star.weights is not None
            assert star.weights[star.offsets[200] :].tolist() == list(range(200))


def test_the_first_weight_of_an_edge_given_twice_is_kept():
    weights = np.array([0.5, 2.0, 3.0], dtype=np.float32)
    graph = of([(0, 1), (1, 0), (1, 2)], n=3, weights=weights)
    assert np.array_equal(graph.to_scipy().toarray(), [[0, 0.5, 0], [0.5, 0, 3], [0, 3, 0]])
    assert graph.edges().weights is not None
    assert graph.digest != of([(0, 1), (1, 2)], n=3).digest
    directed = of([(0, 1), (1, 0), (1, 2)], n=3, weights=weights, directed=True).transposed()
    assert np.array_equal(directed.to_scipy().toarray(), [[0, 2, 0], [0.5, 0, 0], [0, 3, 0]])


def test_a_graph_equals_scipys_matrix_of_the_same_edges():
    rng = stream(0, "edges")
    sources, targets = rng.integers(0, 300, (2, 4000))
    ours = Graph.from_edges(300, sources, targets, directed=True, loops="keep").to_scipy()
    theirs = sp.coo_array((np.ones(4000, dtype=np.float32), (sources, targets)), shape=(300, 300)).tocsr()
    theirs.data[:] = 1.0
    assert abs(ours - theirs).nnz == 0


def test_a_graph_is_a_value():
    graph = of([(0, 1)])
    with pytest.raises(ValueError, match="read-only"):
        graph.targets[0] = 3
    with pytest.raises(AttributeError):
        graph.directed = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        ([(0, 7)], {}, r"targets\[0\]=7: nodes are 0 to 6"),
        ([(-1, 2)], {}, r"sources\[0\]=-1"),
        ([(0, 1), (1, 0)], {"duplicates": "refuse"}, "edge 0-1 is given twice"),
        ([(0, 1), (3, 3)], {"loops": "refuse"}, "edge 1: node 3 is linked with itself"),
        ([(0, 1)], {"weights": np.array([np.nan], dtype=np.float32)}, r"weights\[0\]=nan"),
        ([(0, 1)], {"n": 2**31}, "nodes"),
    ],
)
def test_bad_edges_are_refused(pairs, options, message):
    with pytest.raises(InputError, match=message):
        of(pairs, **options)


@pytest.mark.parametrize(
    ("offsets", "targets", "options", "message"),
    [
        ([0, 1, 1], [1], {}, "edge 0-1: row 1 does not hold it"),
        ([0, 2, 2], [1, 0], {"directed": True}, "row 0: nodes must ascend"),
        ([0, 1, 1], [2], {"directed": True}, "row 0"),
        ([0, 2, 1], [1], {"directed": True}, "must rise from 0"),
        ([0, 1, 3], [1], {"directed": True}, "must rise from 0"),
    ],
)
def test_bad_rows_are_refused(offsets, targets, options, message):
    with pytest.raises(InputError, match=message):
        Graph(np.array(offsets, dtype=np.int64), np.array(targets, dtype=np.int32), **options)


def test_weights_of_both_directions_must_agree():
    offsets, targets = np.array([0, 1, 2]), np.array([1, 0], dtype=np.int32)
    with pytest.raises(InputError, match="same weight"):
        Graph(offsets, targets, np.array([1.0, 2.0], dtype=np.float32))


def test_an_empty_graph_has_no_edges():
    graph = of([], n=0)
    assert (graph.n, graph.n_edges) == (0, 0)
    with pytest.raises(InputError, match="node 0"):
        graph.neighbours(0)

from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.graph import Graph
from doxa.society.network_map import map_of


def ring(n: int) -> Graph:
    nodes = np.arange(n)
    return Graph.from_edges(n, nodes, (nodes + 1) % n)


def test_a_small_graph_is_shown_whole():
    shown = map_of(ring(12), np.random.default_rng(0))
    assert shown.nodes.tolist() == list(range(12))
    assert sorted(map(tuple, shown.links.tolist())) == sorted([(i, i + 1) for i in range(11)] + [(0, 11)])
    assert shown.places.shape == (12, 2)
    assert np.abs(shown.places).max() == pytest.approx(1.0)


def test_of_a_large_one_a_node_and_those_nearest_to_it():
    shown = map_of(ring(1000), np.random.default_rng(1), most=21)
    first = int(shown.nodes[0])
    assert sorted((int(node) - first + 500) % 1000 - 500 for node in shown.nodes) == list(range(-10, 11))
    assert len(shown.links) == 20


def test_where_neighbours_run_out_others_are_drawn():
    shown = map_of(Graph.from_edges(50, np.array([0]), np.array([1])), np.random.default_rng(2), most=30)
    assert len(set(shown.nodes.tolist())) == 30


def test_the_same_stream_gives_the_same_map():
    one, other = (map_of(ring(300), np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_empty_map_is_refused():
    with pytest.raises(InputError, match="a map of 0 of 5 nodes"):
        map_of(ring(5), np.random.default_rng(0), most=0)

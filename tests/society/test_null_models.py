from __future__ import annotations

from collections import Counter

import networkx as nx
import numpy as np
import pytest
import scipy.stats

from doxa.errors import InputError
from doxa.society import Graph, generators
from doxa.society.conversions import to_networkx
from doxa.society.null_models import configuration_model, configuration_of, rewired
from doxa.streams import stream


def directed_graph(n: int, edges: int, seed: int) -> Graph:
    sources, targets = stream(seed, "directed").integers(0, n, (2, edges))
    weights = stream(seed, "weights").random(edges, dtype=np.float32)
    return Graph.from_edges(n, sources, targets, weights, directed=True)


def simple(graph: Graph) -> Graph:
    edges = graph.edges()
    assert np.all(edges.sources != edges.targets)
    return Graph.from_edges(
        graph.n, edges.sources, edges.targets, directed=graph.directed, duplicates="refuse", loops="refuse"
    )


@pytest.mark.parametrize(
    "degrees",
    [
        [3, 2, 2, 2, 1],
        [5, 1, 1, 1, 1, 1],  # a star, the only graph
        [4, 4, 4, 4, 4],  # complete
        [5, 5, 4, 4, 4, 4, 2, 0],  # hubs that are nearly forced
        [0, 0, 0],
        [],
    ],
)
def test_degrees_are_those_asked_for(degrees):
    graph = simple(configuration_model(np.array(degrees, dtype=np.int64), 0))
    assert graph.degree.tolist() == degrees


@pytest.mark.parametrize("null", [configuration_of, rewired])
def test_degrees_stay(null):
    skewed = generators.barabasi_albert(2_000, 3, 1)
    other = simple(null(skewed, 2))
    assert np.array_equal(other.degree, skewed.degree)
    assert other.digest != skewed.digest
    directed = directed_graph(200, 2_000, 3)
    turned = simple(null(directed, 4))
    assert turned.digest not in (directed.digest, simple(directed).digest)
    assert np.array_equal(turned.degree, directed.degree)
    assert np.array_equal(turned.transposed().degree, directed.transposed().degree)


def test_weights_stay_with_the_first_end_of_directed_edges():
    directed = directed_graph(60, 400, 5)
    turned = rewired(directed, 6)
    for i in range(60):
        old, new = ((g.weights[g.offsets[i] : g.offsets[i + 1]]) for g in (directed, turned))
        assert sorted(old.tolist()) == sorted(new.tolist())


@pytest.mark.parametrize("null", [configuration_of, rewired])
def test_triangles_and_assortativity_go_to_their_expectation(null):
    """A ring of 12 nearest has 30,000 triangles; with its degrees alone about (k - 1)^3 / 6 are left."""
    n, k = 2_000, 12
    lattice = generators.ring(n, k)
    counts = [sum(nx.triangles(to_networkx(null(lattice, seed))).values()) / 3 for seed in range(6)]
    expected = (k - 1) ** 3 / 6
    assert abs(np.mean(counts) - expected) < 4 * np.sqrt(expected / 6) + 2
    sorted_ends = Graph.from_edges(400, *sorted_pairs())
    assert nx.degree_assortativity_coefficient(to_networkx(sorted_ends)) > 0.9
    rho = nx.degree_assortativity_coefficient(to_networkx(null(sorted_ends, 0)))
    assert abs(rho) < 4 / np.sqrt(sorted_ends.n_edges)


def sorted_pairs() -> tuple[np.ndarray, np.ndarray]:
    """Two rings, one of degree 4 and one of degree 12, joined nowhere: like links with like."""
    sparse, dense = generators.ring(200, 4).edges(), generators.ring(200, 12).edges()
    return np.concatenate((sparse.sources, dense.sources + 200)), np.concatenate(
        (sparse.targets, dense.targets + 200)
    )


@pytest.mark.parametrize("directed", [False, True])
def test_rewiring_reaches_every_graph_of_these_degrees_equally_often(directed):
    """Compared with all simple graphs of the degrees, listed by brute force."""
    if directed:
        start = Graph.from_edges(4, np.array([0, 0, 1, 2, 3]), np.array([1, 2, 3, 3, 0]), directed=True)
        possible = [(i, j) for i in range(4) for j in range(4) if i != j]
    else:
        start = Graph.from_edges(6, np.array([0, 0, 1, 2, 3]), np.array([1, 2, 3, 4, 5]))
        possible = [(i, j) for i in range(6) for j in range(i)]
    whole = sum(1 for _ in graphs_with_degrees(start, possible))
    rng, draws = stream(0, "uniform", int(directed)), 6_000
    seen = Counter(rewired(start, rng, sweeps=40).digest for _ in range(draws))
    assert len(seen) == whole > 4
    assert scipy.stats.chisquare(list(seen.values())).pvalue > 0.001


def graphs_with_degrees(like: Graph, possible: list[tuple[int, int]]):
    from itertools import combinations

    for chosen in combinations(possible, like.n_edges):
        sources, targets = np.array(chosen).T
        out, into = (np.bincount(ends, minlength=like.n) for ends in (sources, targets))
        if like.directed:
            same = np.array_equal(out, like.degree) and np.array_equal(into, like.transposed().degree)
        else:
            same = np.array_equal(out + into, like.degree)
        if same:
            yield chosen


def test_a_seed_gives_one_graph():
    ring = generators.ring(50, 4)
    assert rewired(ring, 1).digest == rewired(ring, 1).digest != rewired(ring, 2).digest
    assert rewired(ring, 1, sweeps=0).digest == ring.digest


@pytest.mark.parametrize(
    ("degrees", "message"),
    [
        ([1, 1, 1], "sum is 3"),
        ([3, 1, 1], r"degrees\[0\]=3"),
        ([-1, 1], r"degrees\[0\]=-1"),
        ([3, 3, 1, 1], "the 2 greatest have 6 ends"),
    ],
)
def test_degrees_of_no_simple_graph_are_refused(degrees, message):
    with pytest.raises(InputError, match=message):
        configuration_model(np.array(degrees), 0)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_condition_on_degrees_is_networkxs(n):
    from itertools import product

    for degrees in product(range(n), repeat=n):
        try:
            configuration_model(np.array(degrees), 0)
            possible = True
        except InputError:
            possible = False
        assert possible == nx.is_graphical(degrees)


def test_graphs_that_are_not_simple_are_not_rewired():
    twice = Graph.from_edges(3, np.array([0, 0, 1]), np.array([1, 1, 2]), duplicates="keep")
    with pytest.raises(InputError, match="without loops and double edges"):
        rewired(twice, 0)
    with pytest.raises(InputError, match="sweeps=-1"):
        rewired(generators.ring(5), 0, sweeps=-1)

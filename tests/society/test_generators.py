from __future__ import annotations

import math
from collections import Counter

import networkx as nx
import numpy as np
import pytest
import scipy.stats

from doxa.errors import InputError
from doxa.society import Graph, generators
from doxa.society.addresses import open_graph
from doxa.society.conversions import to_networkx
from doxa.society.generator_kernels import near_on_torus
from doxa.streams import stream

MADE = [
    "ring?n=31&k=4",
    "lattice?n=60",
    "lattice?n=60&neighbours=8&periodic=false",
    "complete?n=12",
    "regular?n=50&degree=7",
    "regular?n=20&degree=15",
    "er?n=300&mean_degree=6",
    "ws?n=200&k=6&p=0.3",
    "ws?n=9&k=6&p=1",
    "ba?n=300&m=4",
    "ba?n=5&m=4",
    "sbm?n=101&blocks=3&inside=6&outside=2",
    "power-law?n=300&exponent=2.2&min_degree=2",
    "geometric?n=300&mean_degree=8",
    "geometric?n=9&mean_degree=2",
]


@pytest.mark.parametrize("address", MADE)
def test_every_graph_is_simple_and_hangs_on_its_seed_alone(address):
    graph = open_graph(address, 3)
    checked = Graph(
        graph.offsets.copy(), graph.targets.copy()
    )  # raises where a row is out of order or one-sided
    edges = checked.edges()
    assert np.all(edges.sources < edges.targets)
    assert len(np.unique(edges.sources.astype(np.int64) * graph.n + edges.targets)) == graph.n_edges > 0
    assert graph.degree.sum() == 2 * graph.n_edges
    assert open_graph(address, 3).digest == graph.digest
    if any(name in address for name in ("er?", "ba?n=300", "geometric?n=300", "regular?n=50")):
        assert open_graph(address, 4).digest != graph.digest


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("ring?n=20&k=6", nx.circulant_graph(20, [1, 2, 3])),
        ("ws?n=20&k=6&p=0", nx.watts_strogatz_graph(20, 6, 0)),
        ("complete?n=9", nx.complete_graph(9)),
        ("regular?n=8&degree=7", nx.complete_graph(8)),
        ("ba?n=6&m=5", nx.star_graph(5)),
        ("er?n=7&mean_degree=6", nx.complete_graph(7)),
        ("lattice?n=20&columns=5", nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 5, periodic=True))),
        ("lattice?n=6&columns=1&periodic=false", nx.path_graph(6)),
    ],
)
def test_fixed_graphs_are_those_of_networkx(ours, theirs):
    made = to_networkx(open_graph(ours, 0))
    assert sorted(made.edges) == sorted(tuple(sorted(edge)) for edge in theirs.edges)


def test_eight_neighbours_are_a_kings_moves():
    graph = open_graph("lattice?n=12&columns=4&neighbours=8&periodic=false", 0)
    for i in range(12):
        near = [j for j in range(12) if j != i and max(abs(i // 4 - j // 4), abs(i % 4 - j % 4)) == 1]
        assert graph.neighbours(i).tolist() == near


def edge_set(graph: Graph) -> tuple[tuple[int, int], ...]:
    sources, targets, _ = graph.edges()
    return tuple(zip(sources.tolist(), targets.tolist(), strict=True))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            lambda rng: generators.barabasi_albert(6, 2, rng),
            lambda seed: nx.barabasi_albert_graph(6, 2, seed=seed),
        ),
        (
            lambda rng: generators.watts_strogatz(6, 4, 0.5, rng),
            lambda seed: nx.watts_strogatz_graph(6, 4, 0.5, seed=seed),
        ),
        (
            lambda rng: generators.erdos_renyi(4, 1.2, rng),
            lambda seed: nx.gnp_random_graph(4, 0.4, seed=seed),
        ),
        (
            lambda rng: generators.stochastic_block([2, 3], np.array([[0.5, 0.2], [0.2, 0.7]]), rng),
            lambda seed: nx.stochastic_block_model([2, 3], [[0.5, 0.2], [0.2, 0.7]], seed=seed),
        ),
    ],
)
def test_small_random_graphs_have_networkx_distribution(ours, theirs):
    """Each possible graph is as frequent as among NetworkX's: chi-squared of the two rows of counts."""
    rng, draws = stream(0, "small graphs"), 2_500
    mine = Counter(edge_set(ours(rng)) for _ in range(draws))
    other = Counter(
        tuple(sorted(tuple(sorted(edge)) for edge in theirs(seed).edges)) for seed in range(draws)
    )
    common = [key for key in mine | other if mine[key] + other[key] >= 20]
    table = np.array([[counts[key] for key in common] for counts in (mine, other)])
    rest = draws - table.sum(axis=1)
    if rest.min() > 0:
        table = np.column_stack((table, rest))
    assert table.shape[1] > 5
    assert scipy.stats.chi2_contingency(table).pvalue > 0.001


def test_degrees_of_an_erdos_renyi_graph_are_binomial():
    graph = generators.erdos_renyi(20_000, 8.0, 1)
    seen = np.bincount(np.clip(graph.degree, 2, 15), minlength=16)[2:]
    cdf = scipy.stats.binom(19_999, 8.0 / 19_999).cdf(np.arange(2, 15))
    expected = np.diff(np.concatenate(([0.0], cdf, [1.0]))) * 20_000
    assert scipy.stats.chisquare(seen, expected).pvalue > 0.001
    pairs = 20_000 * 19_999 / 2
    p = 8.0 / 19_999
    assert abs(graph.n_edges - pairs * p) < 4 * math.sqrt(pairs * p * (1 - p))


def test_a_ring_has_the_clustering_of_the_closed_form_and_rewiring_destroys_it():
    k = 10
    for p, low, high in ((0.0, 2 / 3, 2 / 3), (1.0, 0.0, 0.02)):
        graph = to_networkx(generators.watts_strogatz(2_000, k, p, 0))
        assert low - 1e-12 <= nx.transitivity(graph) <= high + 1e-12
    assert 3 * (k - 2) / (4 * (k - 1)) == pytest.approx(2 / 3)


def test_watts_strogatz_moves_one_end_of_the_share_p_of_edges():
    n, k, p = 20_000, 10, 0.1
    graph = generators.watts_strogatz(n, k, p, 2)
    sources, targets, _ = graph.edges()
    apart = np.minimum(targets - sources, n - targets + sources)
    moved, edges = int((apart > k // 2).sum()), n * k // 2
    assert graph.n_edges == edges
    # a moved end may land nearby, with probability about k / n
    assert abs(moved - edges * p) < 4 * math.sqrt(edges * p * (1 - p)) + edges * p * k / n * 4
    assert graph.degree.min() >= k // 2


def test_barabasi_alberts_degrees_follow_the_closed_form():
    """Stationary degrees: P(k) = 2m(m+1) / (k(k+1)(k+2)), so P(degree >= k) = m(m+1) / (k(k+1))."""
    n, m = 50_000, 3
    degree = generators.barabasi_albert(n, m, 0).degree
    assert degree.sum() == 2 * (m + (n - m - 1) * m)
    assert degree[m + 1 :].min() == m
    edges = np.array([3, 4, 5, 6, 8, 11, 16, 26, 51])
    tail = m * (m + 1) / (edges * (edges + 1.0))
    expected = -np.diff(np.concatenate((tail, [0.0]))) * n
    seen = np.array(
        [((degree >= a) & (degree < b)).sum() for a, b in zip(edges, [*edges[1:], n], strict=True)]
    )
    assert np.abs(seen / expected - 1.0).max() < 0.12
    large = degree[degree >= 20]
    exponent = 1.0 + len(large) / np.log(large / 19.5).sum()
    assert exponent == pytest.approx(3.0, abs=0.25)


def test_each_listens_to_k_others_and_all_are_heard_alike():
    graph = generators.k_out(5_000, 6, 1)
    checked = Graph(graph.offsets.copy(), graph.targets.copy(), directed=True)
    edges = checked.edges()
    assert np.all(graph.degree == 6)
    assert np.all(edges.sources != edges.targets)
    assert np.all(np.diff(edges.targets)[np.arange(1, 30_000) % 6 > 0] > 0)
    heard = np.bincount(np.clip(graph.transposed().degree, 1, 12), minlength=13)[1:]
    cdf = scipy.stats.binom(4_999, 6 / 4_999).cdf(np.arange(1, 12))
    expected = np.diff(np.concatenate(([0.0], cdf, [1.0]))) * 5_000
    assert scipy.stats.chisquare(heard, expected).pvalue > 0.001


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_every_choice_of_k_others_is_as_frequent(k):
    rng = stream(0, "k out")
    seen = Counter(tuple(generators.k_out(4, k, rng).neighbours(1).tolist()) for _ in range(1_500))
    assert len(seen) == math.comb(3, k)
    assert all(set(chosen) < {0, 2, 3} or len(chosen) == 3 for chosen in seen)
    assert len(seen) == 1 or scipy.stats.chisquare(list(seen.values())).pvalue > 0.001


def test_blocks_have_the_densities_asked_for():
    sizes, densities = [300, 200, 500], np.array([[0.1, 0.02, 0.0], [0.02, 0.05, 0.03], [0.0, 0.03, 1.0]])
    graph = generators.stochastic_block(sizes, densities, 5)
    block = np.repeat(np.arange(3), sizes)
    sources, targets, _ = graph.edges()
    for a in range(3):
        for b in range(a + 1):
            seen = ((block[targets] == a) & (block[sources] == b)).sum()
            pairs = sizes[a] * (sizes[a] - 1) // 2 if a == b else sizes[a] * sizes[b]
            p = densities[a, b]
            assert abs(seen - pairs * p) <= 4 * math.sqrt(pairs * p * (1 - p))


def test_equal_blocks_have_the_mean_degrees_asked_for():
    graph = open_graph("sbm?n=10001&blocks=4&inside=8&outside=2", 1)
    block = np.repeat(np.arange(4), [2501, 2500, 2500, 2500])
    sources, targets, _ = graph.edges()
    same = (block[sources] == block[targets]).sum()
    assert 2 * same / graph.n == pytest.approx(8.0, rel=0.03)
    assert 2 * (graph.n_edges - same) / graph.n == pytest.approx(2.0, rel=0.05)


def test_a_power_law_has_its_exponent():
    degree = generators.power_law(50_000, 2.5, 3, 0, max_degree=1_000).degree
    ks = np.arange(3, 1_001)
    tail = degree[degree >= 3]
    grid = np.linspace(2.3, 2.7, 401)
    fit = grid[np.argmin([gamma * np.log(tail).mean() + np.log((ks**-gamma).sum()) for gamma in grid])]
    assert fit == pytest.approx(2.5, abs=0.03)


def test_points_are_linked_as_all_their_distances_say():
    rng, side, radius = stream(0, "points"), 5, 0.19
    points = rng.random((400, 2))
    cell = (points[:, 1] * side).astype(int) * side + (points[:, 0] * side).astype(int)
    points = points[np.argsort(cell, kind="stable")]
    cells = np.concatenate(([0], np.cumsum(np.bincount(cell, minlength=side * side))))
    sources, targets = near_on_torus(points, cells, side, radius)
    apart = np.abs(points[:, None] - points[None])
    near = (np.minimum(apart, 1.0 - apart) ** 2).sum(axis=2) <= radius**2
    assert sorted(zip(sources, targets, strict=True)) == sorted(
        zip(*np.nonzero(np.triu(near, 1)), strict=True)
    )


def test_the_mean_degree_of_points_on_a_torus_is_the_one_asked_for():
    assert generators.geometric(20_000, 12.0, 0).degree.mean() == pytest.approx(12.0, rel=0.02)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ws?n=10&k=3&p=0.1", "k=3: must be even and in 2..9"),
        ("ws?n=10&k=4&p=1.5", "p=1.5: a probability is in 0..1"),
        ("k-out?n=10&k=10", "k=10: must be in 0..9"),
        ("ba?n=10&m=10", r"m=10: must be in 1..9"),
        ("ring?n=0", "n=0"),
        ("lattice?n=10&columns=3", "does not divide n=10; the divisor nearest to square is 5"),
        ("lattice?n=7", "links nodes twice"),
        ("lattice?n=9&neighbours=5", "4 or 8"),
        ("complete?n=1000000", "well-mixed"),
        ("regular?n=5&degree=3", "n \\* degree even"),
        ("er?n=10&mean_degree=10", "mean_degree=10.0: must be in 0..9"),
        ("sbm?n=10&blocks=0&inside=1&outside=1", "blocks=0"),
        ("sbm?n=10&blocks=2&inside=9&outside=1", "must be in 0..1"),
        ("power-law?n=100&exponent=1&min_degree=2", "exponent=1.0"),
        ("power-law?n=100&exponent=2&min_degree=2&max_degree=100", "must be in 1..99"),
        ("geometric?n=100&mean_degree=60", "a third of the torus"),
    ],
)
def test_values_out_of_range_are_refused(address, message):
    with pytest.raises(InputError, match=message):
        open_graph(address, 0)


def test_densities_must_be_a_symmetric_matrix():
    with pytest.raises(InputError, match="symmetric"):
        generators.stochastic_block([2, 2], np.array([[0.1, 0.2], [0.3, 0.1]]), 0)
    with pytest.raises(InputError, match="at least 0"):
        generators.stochastic_block([2, -2], np.full((2, 2), 0.1), 0)

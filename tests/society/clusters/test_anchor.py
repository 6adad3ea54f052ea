from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.society.clusters import refine
from doxa.society.clusters.anchor import (
    AnchorPlan,
    anchor_clustering,
    hybrid,
    modularity,
    spread_labels,
    ward,
)
from doxa.society.clusters.contrastive import anchors_of, contrastive_loss
from doxa.society.clusters.embedding import graphsage
from doxa.society.clusters.motifs import find_motifs, profiles_of
from doxa.society.clusters.probes import Trace, embedded_traces
from doxa.society.clusters.reasoners import CLIMATE, EPIDEMIC
from doxa.society.clusters.world import epidemic_plan, make_world
from doxa.society.graph import Graph

QUICK = AnchorPlan(k_coarse=3, k_fine=4, epochs=3)


@pytest.fixture(scope="module")
def world():
    return make_world(epidemic_plan(agents_per_type=30, days=2), 5)


@pytest.fixture(scope="module")
def motifs(world):
    return find_motifs(embedded_traces(EPIDEMIC, world.types, 5), 120, seed=5)


def test_contrastive_loss_is_cross_entropy_over_anchors():
    rng = torch.Generator().manual_seed(0)
    rows, anchors = torch.randn(9, 6, generator=rng), torch.randn(3, 6, generator=rng)
    labels = torch.arange(9) % 3
    units = [part / part.norm(dim=1, keepdim=True) for part in (rows, anchors)]
    by_hand = torch.nn.functional.cross_entropy(units[0] @ units[1].T / 0.07, labels)
    assert contrastive_loss(rows, anchors, labels) == pytest.approx(float(by_hand))
    assert contrastive_loss(5 * rows, 0.1 * anchors, labels) == pytest.approx(float(by_hand), rel=1e-5)
    assert float(contrastive_loss(rows, anchors[:1], torch.zeros(9, dtype=torch.int64))) == 0.0
    apart = torch.eye(3)
    assert float(contrastive_loss(apart, apart, torch.arange(3))) < 1e-5


def test_the_anchor_is_the_member_nearest_to_the_mean():
    profiles = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.2, 0.8]])
    assert anchors_of(profiles, np.array([0, 0, 0, 1])).tolist() == [1, 3]


def test_motifs_tell_stances_apart(world, motifs):
    assert motifs.profiles.sum(axis=1) == pytest.approx(np.ones(120))
    assert motifs.unheard == ()
    assert len(motifs.examples) == 15
    means = np.stack([motifs.profiles[world.types == kind].mean(axis=0) for kind in range(4)])
    assert np.abs(means[0] - means[3]).sum() > 1.0


def test_clusters_find_types_only_with_motifs(world, motifs):
    from sklearn.metrics import adjusted_rand_score

    found = anchor_clustering(world.graph, world.features, motifs.profiles, seed=5, plan=QUICK)
    assert adjusted_rand_score(world.types, found.labels) > 0.5
    assert set(found.labels) == set(range(len(found.anchors)))
    blind = AnchorPlan(k_coarse=3, k_fine=4, epochs=3, use=("graph", "contrastive", "boundary"))
    other = anchor_clustering(
        world.graph, world.features, motifs.profiles, seed=5, plan=blind, places=found.places
    )
    assert adjusted_rand_score(world.types, other.labels) < 0.2


def test_agents_in_another_order_have_the_same_clusters(world, motifs):
    plan = AnchorPlan(k_coarse=3, k_fine=4, use=("motifs", "boundary"))
    places = np.zeros((120, 2))
    one = anchor_clustering(world.graph, world.features, motifs.profiles, seed=5, plan=plan, places=places)
    order = np.random.default_rng(0).permutation(120)
    place = np.argsort(order)
    edges = world.graph.edges()
    graph = Graph.from_edges(120, place[edges.sources], place[edges.targets])
    two = anchor_clustering(
        graph, world.features[order], motifs.profiles[order], seed=5, plan=plan, places=places
    )
    from sklearn.metrics import adjusted_rand_score

    assert adjusted_rand_score(one.labels[order], two.labels) == 1.0


def test_blocks_side_by_side_are_weighted_squared_distances():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(9, 3)), rng.normal(size=(9, 5))
    whole = hybrid([(0.3, first), (0.7, second)])
    one, two = hybrid([(1.0, first)]), hybrid([(1.0, second)])

    def squared(table):
        return ((table[:, None] - table[None]) ** 2).sum(-1)

    assert squared(whole) == pytest.approx(0.3 * squared(one) + 0.7 * squared(two))
    assert hybrid([(0.3, first), (0.7, second)], "sum").shape == (9, 128)


def test_merging_leaves_two_and_splitting_leaves_no_gap():
    same = np.full((12, 4), 0.25)
    labels = np.repeat(np.arange(4), 3)
    assert set(refine.merged(labels, same, 0.5)) == {0, 1}
    mixed = np.eye(4)[np.arange(12) % 4]
    halves = refine.split(np.zeros(12, dtype=np.int64), mixed, 0.75)
    assert set(halves) == {0, 1}
    assert set(refine.split(np.repeat([0, 1, 2, 3], 3), mixed, 0.1)) == {0, 1, 2, 3}, "small ones stay whole"
    assert refine.contiguous(np.array([7, 3, 7])).tolist() == [1, 0, 1]


def test_reassigning_empties_no_cluster(world, motifs):
    labels = ward(motifs.profiles, 4)
    moved = refine.reassigned(labels, motifs.profiles, motifs.profiles, world.graph.to_scipy())
    assert set(moved) == {0, 1, 2, 3}


def test_modularity_of_two_cliques():
    sources, targets = np.array([0, 0, 1, 3, 3, 4, 2]), np.array([1, 2, 2, 4, 5, 5, 3])
    graph = Graph.from_edges(6, sources, targets)
    assert modularity(graph, np.array([0, 0, 0, 1, 1, 1])) == pytest.approx(6 / 7 - 1 / 2)


def test_graph_vectors_bring_linked_nodes_together():
    rng = np.random.default_rng(0)
    block = np.repeat([0, 1], 30)
    linked = np.triu(rng.random((60, 60)) < np.where(block[:, None] == block, 0.4, 0.01), 1)
    graph = Graph.from_edges(60, *np.nonzero(linked))
    vectors = graphsage(graph, rng.normal(size=(60, 2)), seed=0, width=16)
    likeness = vectors @ vectors.T
    same = block[:, None] == block
    assert likeness[same].mean() > likeness[~same].mean() + 0.3


def test_labels_spread_to_neighbours():
    vectors = np.concatenate(
        [np.random.default_rng(0).normal(size=(20, 2)), np.random.default_rng(1).normal(size=(20, 2)) + 8]
    )
    known = np.full(40, -1)
    known[[0, 1, 20, 21]] = [0, 0, 1, 1]
    assert spread_labels(vectors, known).tolist() == [0] * 20 + [1] * 20
    with pytest.raises(InputError, match="no agent has a label"):
        spread_labels(vectors, np.full(40, -1))


def test_agents_without_traces_are_listed_and_even():
    shares, unheard = profiles_of(np.array([[1.0, 3.0], [0.0, 0.0], [np.nan, 1.0]]))
    assert unheard == (1, 2)
    assert shares.tolist() == [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]


def test_bad_input_is_named(world, motifs):
    graph, features, profiles = world.graph, world.features, motifs.profiles
    with pytest.raises(InputError, match="one row for each of 120"):
        anchor_clustering(graph, features[:9], profiles, seed=0)
    with pytest.raises(InputError, match="profiles of 9"):
        anchor_clustering(graph, features, profiles[:9], seed=0)
    with pytest.raises(InputError, match="k_fine=200"):
        anchor_clustering(graph, features, profiles, seed=0, plan=AnchorPlan(k_fine=200))
    broken = features.copy()
    broken[4, 0] = np.nan
    with pytest.raises(InputError, match="node 4"):
        anchor_clustering(graph, broken, profiles, seed=0)
    with pytest.warns(UserWarning, match="made to sum to 1"):
        assert AnchorPlan(weights=(1.0, 1.0, 2.0)).weights == (0.25, 0.25, 0.5)
    with pytest.raises(InputError, match="use="):
        AnchorPlan(use=("boundary",))
    with pytest.raises(InputError, match="type 3"):
        embedded_traces(CLIMATE, np.array([3]), 0)
    with pytest.raises(InputError, match="trace of agent 5"):
        find_motifs([Trace(5, 0, "a", "because"), Trace(0, 0, "a", "why not")], 2, seed=0)
    with pytest.raises(InputError, match="different reasons"):
        find_motifs([Trace(0, 0, "a", "because")], 2, seed=0)

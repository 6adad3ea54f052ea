from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.clusters.history import ClusterHistory, mixing_of
from doxa.society.clusters.realisation import Realisation, check_probabilities, contacts_of, draw
from doxa.society.clusters.symbolic import SymbolicPath
from doxa.society.clusters.world import epidemic_plan, make_world
from doxa.society.dynamics import Compartments
from doxa.society.graph import Graph


def test_realised_moves_keep_the_clusters_mean():
    world = make_world(epidemic_plan(days=20, agents_per_type=60), 1)
    made = world.plan.compartments
    realisation = Realisation(made, world.types, contacts_of(world.graph))
    states = world.states[15]
    wanted = np.random.default_rng(0).uniform(0.02, 0.9, size=(4, 5))
    moves = realisation.moves(states, wanted)
    for cluster in range(4):
        risk = (world.types == cluster) & (states == 0)
        assert moves[risk, 0].mean() == pytest.approx(wanted[cluster, 0], abs=1e-6)
        assert moves[risk, 0].std() > 0
    rng = np.random.default_rng(1)
    many = np.repeat(states[None, :], 4000, axis=0)
    after = draw(rng, made, many, np.repeat(moves[None], 4000, axis=0))
    risk = states == 0
    found = (after[:, risk] == 1).mean()
    assert found == pytest.approx(moves[risk, 0].mean(), abs=4 * np.sqrt(0.25 / (4000 * risk.sum())))


def test_impossible_histories_are_refused():
    made = Compartments.seird()
    counts, events = np.full((2, 1, 5), 3), np.zeros((1, 1, 5), dtype=np.int64)
    for bad in (-1, 0.5, np.nan):
        wrong = events.astype(float)
        wrong[0, 0, 1] = bad
        with pytest.raises(InputError, match="whole number"):
            ClusterHistory(made, counts, wrong, np.eye(1))
    wrong = events.copy()
    wrong[0, 0, 2] = 4
    with pytest.raises(InputError, match="infected→recovered on day 0"):
        ClusterHistory(made, counts, wrong, np.eye(1))
    for probability in (0.0, 1.0):
        with pytest.raises(InputError, match="infected→recovered: probability"):
            SymbolicPath(Compartments.seird(recovery=probability))
    with pytest.raises(InputError, match="must be in"):
        check_probabilities(np.array([[1.2]]), ["infection"], "path")


def test_a_window_needs_days_before_it():
    world = make_world(epidemic_plan(days=20, agents_per_type=20), 1)
    history = ClusterHistory.of_agents(world.plan.compartments, world.states, world.types, world.graph)
    with pytest.raises(InputError, match="needs 8 days before it"):
        history.situations(np.array([5]))
    assert history.counts.sum() == 20 * 80
    assert history.mixing.sum(axis=1) == pytest.approx(np.ones(4))


def test_mixing_counts_links():
    graph = Graph.from_edges(4, np.array([0, 1, 2]), np.array([1, 2, 3]))
    assert mixing_of(graph, np.array([0, 0, 1, 1])) == pytest.approx(
        np.array([[2 / 3, 1 / 3], [1 / 3, 2 / 3]])
    )

"""A population in parts against the whole one: every number the same, whatever the parts, the dynamics and the day."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.society.dynamics import (
    BoundedConfidenceConfig,
    DeffuantConfig,
    DeGrootConfig,
    FriedkinJohnsenConfig,
    IndependentCascadeConfig,
    LinearThresholdConfig,
    SeirdConfig,
    SirConfig,
    VoterConfig,
    WellMixed,
)
from doxa.society.graph import Graph
from doxa.society.interventions import Change, Isolate, Persuade, Put, Target
from doxa.society.population import Plan, simulate
from doxa.society.schedules import Schedule
from doxa.society.shards import cut_of, partition, pieces_of
from doxa.society.shards.engine import HostsHere, ShardedSteps
from doxa.society.shards.links import ShardLostError
from doxa.society.shards.partitioning import by_metis, by_ranges
from doxa.streams import stream
from tests.society.dynamics import slow
from tests.society.shards.parts import in_parts, same

N = 300
GRAPH = slow.random_graph(N, 1_500)
RNG = stream(0, "tests", "shards")
WEIGHTED = Graph.from_edges(
    N,
    RNG.integers(0, N, 2_000),
    RNG.integers(0, N, 2_000),
    RNG.random(2_000, dtype=np.float32),
    directed=True,
    loops="keep",
)
CONFIGS = {
    "degroot": DeGrootConfig(WEIGHTED),
    "friedkin-johnsen": FriedkinJohnsenConfig(WEIGHTED, openness=RNG.random(N, dtype=np.float32)),
    "bounded-confidence": BoundedConfidenceConfig(GRAPH, confidence=0.3),
    "linear-threshold": LinearThresholdConfig(WEIGHTED, share=0.1),
    "independent-cascade": IndependentCascadeConfig(GRAPH, probability=0.3, share=0.05),
    "voter": VoterConfig(GRAPH),
    "sir": SirConfig(
        graph=GRAPH,
        infection=0.2,
        recovery=0.1,
        begin={"infected": 0.1},
        susceptibility=RNG.random(N, dtype=np.float32),
    ),
    "seird": SeirdConfig(
        graph=WEIGHTED,
        infection=0.3,
        incubation=0.3,
        recovery=0.1,
        death=0.02,
        waning=0.1,
        begin={"infected": 0.1},
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("activity", [None, 0.5])
def test_parts_give_the_numbers_of_the_whole(name, activity):
    order = "together" if name == "voter" else "usual"
    plan = Plan(name, CONFIGS[name], 4, schedule=Schedule(order, activity=activity), steps=3, seed=5)
    whole = simulate(plan)
    assert not np.array_equal(whole.history.arrays().popitem()[1][0], whole.state.values)
    for shards in (1, 2, 5):
        same(in_parts(plan, shards), whole)


def test_interventions_reach_all_parts():
    acts = (
        Persuade((2,), 1.0, 0.5, Target(share=0.3)),
        Put((3,), 0.0, Target(share=0.1, by="degree")),
        Isolate((3,), Target(share=0.2)),
        Change((4,), "openness", 0.1),
    )
    plan = Plan("friedkin-johnsen", FriedkinJohnsenConfig(GRAPH), 5, interventions=acts, steps=2)
    same(in_parts(plan, 3), simulate(plan))


class HostsThatLose(HostsHere):
    """Lose their parts on some days, after the steps were taken."""

    def __init__(self, days: tuple[int, ...]) -> None:
        super().__init__()
        self.days = list(days)
        self.loads = 0

    def load(self, loads) -> None:
        self.loads += 1
        super().load(loads)

    def day(self, day, steps):
        said = super().day(day, steps)
        if day in self.days:
            self.days.remove(day)
            raise ShardLostError("gone")
        return said


def test_a_part_that_is_lost_costs_the_day_and_nothing_else(tmp_path):
    plan = Plan("sir", CONFIGS["sir"], 5, steps=2)
    hosts = HostsThatLose((1, 3, 3))
    same(in_parts(plan, 2, hosts), simulate(plan))
    assert hosts.loads == 4
    with pytest.raises(ShardLostError):
        in_parts(plan, 2, HostsThatLose((2,) * 20), folder=tmp_path)
    same(in_parts(plan, 3, folder=tmp_path), simulate(plan))


@given(st.integers(1, 40), st.integers(0, 120), st.integers(1, 6), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_pieces_hold_all_rows_once_and_know_whom_they_hear(n, m, parts, directed, seed):
    rng = stream(seed, "tests", "pieces")
    graph = Graph.from_edges(n, rng.integers(0, n, m), rng.integers(0, n, m), directed=directed, loops="keep")
    owner = rng.integers(0, parts, n).astype(np.int32)
    pieces = pieces_of(graph, owner, parts)
    assert sorted(np.concatenate([piece.own for piece in pieces])) == list(range(n))
    for part, piece in enumerate(pieces):
        for place, agent in enumerate(piece.own):
            assert np.array_equal(piece.agents[piece.graph.neighbours(place)], graph.neighbours(int(agent)))
        assert not piece.graph.degree[len(piece.own) :].any()
        for other, (begin, end) in enumerate(piece.told_by):
            heard = pieces[other].own[pieces[other].told[part]]
            assert np.array_equal(piece.agents[begin:end], heard)
    assert cut_of(graph, owner).values == sum(len(piece.heard) for piece in pieces)


def test_two_groups_with_one_tie_between_them_are_cut_at_it():
    inside = np.array([(i, j) for g in (0, 10) for i in range(g, g + 10) for j in range(i + 1, g + 10)])
    mixed = np.arange(20).reshape(2, 10).T.ravel()  # so that ranges of numbers cut nearly everything
    ends = np.argsort(mixed)[np.vstack([inside, [(0, 10)]])]
    graph = Graph.from_edges(20, ends[:, 0], ends[:, 1])
    owner = partition(graph, 2)
    assert cut_of(graph, owner) == (pytest.approx(2 / 182), 2, pytest.approx(1.0))
    assert cut_of(graph, by_ranges(graph, 2)).ties > 0.4


def test_of_a_ring_ranges_are_as_good_and_taken():
    ends = np.arange(1_000)
    graph = Graph.from_edges(1_000, ends, (ends + 1) % 1_000)
    assert cut_of(graph, partition(graph, 4)).values == 8
    assert np.array_equal(partition(graph, 1), np.zeros(1_000))
    assert cut_of(WEIGHTED, by_metis(WEIGHTED, 3)).widest < 1.1


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (
            Plan("deffuant", DeffuantConfig(GRAPH), 1),
            "agents meet in turn.*as dynamics=bounded-confidence: .*degroot",
        ),
        (Plan("voter", VoterConfig(GRAPH), 1), "agents act in turn.*give it order='together'"),
        (Plan("bounded-confidence", BoundedConfidenceConfig(WellMixed(9)), 1), "give a graph"),
        (Plan("sir", CONFIGS["sir"], 1, schedule=Schedule(contacts=2)), "give a graph"),
        (Plan("sir", CONFIGS["sir"], 1, schedule=Schedule("shuffled")), "act in turn"),
    ],
)
def test_what_does_not_go_in_parts_is_refused(plan, why):
    with pytest.raises(InputError, match=why):
        ShardedSteps(plan, HostsHere(), 2)


def test_more_parts_than_agents_are_refused():
    with pytest.raises(InputError, match="shards=301: must be from 1 to 300"):
        partition(GRAPH, 301)

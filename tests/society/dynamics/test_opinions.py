"""DeGroot, Friedkin-Johnsen and bounded confidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.society import Graph
from doxa.society.dynamics import (
    BoundedConfidence,
    BoundedConfidenceConfig,
    DeGroot,
    DeGrootConfig,
    FriedkinJohnsen,
    FriedkinJohnsenConfig,
    State,
    Turn,
    WellMixed,
)
from doxa.streams import stream
from tests.society.dynamics import slow

ORDER = np.array([5, 3, 5, 0, 39], np.int32)
TURNS = [Turn(), Turn(ORDER), Turn(ORDER, in_turn=True), Turn(in_turn=True)]
GRAPHS = [
    slow.random_graph(),
    slow.random_graph(weighted=True),
    slow.random_graph(directed=True),
    slow.random_graph(weighted=True, directed=True),
]


def run(model, config, steps: int) -> np.ndarray:
    state = model.init(stream(0, "init"), config)
    for step in range(steps):
        state, _ = model.step(stream(0, step), state, Turn())
    return state.values


def slowly(old: list[float], turn: Turn, rule) -> list[float]:
    new = list(old)
    for i in range(len(old)) if turn.agents is None else turn.agents.tolist():
        new[i] = rule(i, new if turn.in_turn else old)
    return new


def mean_of(graph: Graph, i: int, x: list[float]) -> float:
    row = slow.ties(graph, i)
    return sum(w * x[j] for j, w in row) / sum(w for _, w in row) if row else x[i]


def matrix(graph: Graph) -> np.ndarray:
    dense = graph.to_scipy().toarray().astype(np.float64)
    sums = dense.sum(1, keepdims=True)
    return np.where(sums > 0, dense / np.where(sums > 0, sums, 1), np.eye(graph.n))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_degroot_step_by_step(graph, turn):
    model, state = DeGroot(), DeGroot().init(stream(1), DeGrootConfig(graph))
    for step in range(5):
        expected = slowly(state.values.tolist(), turn, lambda i, x: mean_of(graph, i, x))
        state, info = model.step(stream(2, step), state, turn)
        np.testing.assert_allclose(state.values, expected, atol=1e-6)
        assert info.updates == (40 if turn.agents is None else 5)


def test_degroot_agrees_on_the_left_eigenvector_s_mean():
    rng = np.random.default_rng(3)
    n = 30
    i, j = np.nonzero(rng.random((n, n)) < 0.3)
    graph = Graph.from_edges(
        n, i, j, rng.uniform(0.2, 1, len(i)).astype(np.float32), directed=True, loops="keep"
    )
    values, left = np.linalg.eig(matrix(graph).T)
    influence = np.real(left[:, np.argmax(values.real)])
    influence /= influence.sum()
    start = rng.random(n).astype(np.float32)
    end = run(DeGroot(), DeGrootConfig(graph, start), 200)
    np.testing.assert_allclose(end, influence @ start, atol=2e-6)


def test_degroot_weights_by_degree_without_direction():
    graph = Graph.from_edges(4, np.array([0, 1, 2, 0]), np.array([1, 2, 3, 2]))  # a triangle with a tail
    start = np.array([1, 0, 0, 0], np.float32)
    np.testing.assert_allclose(run(DeGroot(), DeGrootConfig(graph, start), 300), 2 / 8, atol=1e-6)


def test_degroot_refuses_weights_below_zero_and_no_graph():
    graph = Graph.from_edges(2, np.array([0]), np.array([1]), np.array([-1], np.float32))
    with pytest.raises(InputError, match="a mean needs weights >= 0"):
        DeGrootConfig(graph)
    with pytest.raises(InputError, match="start: must be 40 finite float32"):
        DeGroot().init(stream(0), DeGrootConfig(GRAPHS[0], np.zeros(39, np.float32)))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("openness", [0.7, np.linspace(0, 1, 40).astype(np.float32)], ids=["one", "each"])
def test_friedkin_johnsen_step_by_step(graph, turn, openness):
    model = FriedkinJohnsen()
    state = model.init(stream(1), FriedkinJohnsenConfig(graph, openness))
    anchors, s = state.values.tolist(), np.broadcast_to(openness, 40)
    for step in range(5):
        expected = slowly(
            state.values.tolist(),
            turn,
            lambda i, x: s[i] * mean_of(graph, i, x) + (1 - s[i]) * anchors[i],
        )
        state, _ = model.step(stream(2, step), state, turn)
        np.testing.assert_allclose(state.values, expected, atol=1e-6)


@pytest.mark.parametrize("graph", GRAPHS)
def test_friedkin_johnsen_settles_where_the_equation_says(graph):
    openness = np.random.default_rng(5).uniform(0.2, 0.95, 40).astype(np.float32)
    start = np.random.default_rng(6).random(40).astype(np.float32)
    a = np.diag(openness.astype(np.float64))
    settled = np.linalg.solve(np.eye(40) - a @ matrix(graph), (np.eye(40) - a) @ start)
    end = run(FriedkinJohnsen(), FriedkinJohnsenConfig(graph, openness, start), 500)
    np.testing.assert_allclose(end, settled, atol=2e-6)


def test_friedkin_johnsen_wholly_open_is_degroot_and_wholly_closed_stays():
    start = np.random.default_rng(6).random(40).astype(np.float32)
    open_ = run(FriedkinJohnsen(), FriedkinJohnsenConfig(GRAPHS[0], 1.0, start), 7)
    np.testing.assert_allclose(open_, run(DeGroot(), DeGrootConfig(GRAPHS[0], start), 7), atol=1e-6)
    np.testing.assert_array_equal(
        run(FriedkinJohnsen(), FriedkinJohnsenConfig(GRAPHS[0], 0.0, start), 7), start
    )
    for wrong in (1.1, -0.1, np.full(40, 2, np.float32)):
        with pytest.raises(InputError, match="must be from 0 to 1"):
            FriedkinJohnsenConfig(GRAPHS[0], wrong)
    with pytest.raises(InputError, match="one for each of 40 agents"):
        FriedkinJohnsenConfig(GRAPHS[0], np.zeros(3, np.float32))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("graph", GRAPHS[::2])
def test_bounded_confidence_step_by_step(graph, turn):
    def rule(i, x):
        near = [x[j] for j, _ in slow.ties(graph, i) if abs(np.float32(x[j]) - np.float32(x[i])) <= 0.3]
        return (x[i] + sum(near)) / (1 + len(near))

    model, state = (
        BoundedConfidence(),
        BoundedConfidence().init(stream(1), BoundedConfidenceConfig(graph, 0.3)),
    )
    for step in range(5):
        expected = slowly(state.values.tolist(), turn, rule)
        state, _ = model.step(stream(2, step), state, turn)
        np.testing.assert_allclose(state.values, expected, atol=1e-6)


def test_well_mixed_is_the_complete_graph():
    n = 60
    i, j = np.triu_indices(n, 1)
    whole = Graph.from_edges(n, i, j)
    for seed in range(5):
        start = np.random.default_rng(seed).random(n).astype(np.float32)
        for steps in (1, 4):
            np.testing.assert_allclose(
                run(BoundedConfidence(), BoundedConfidenceConfig(WellMixed(n), 0.15, start), steps),
                run(BoundedConfidence(), BoundedConfidenceConfig(whole, 0.15, start), steps),
                atol=1e-6,
            )


def groups(opinions: np.ndarray, gap: float = 1e-3) -> list[int]:
    """Sizes of runs of opinions that lie together."""
    ordered = np.sort(opinions)
    return np.diff(np.flatnonzero(np.r_[True, np.diff(ordered) > gap, True])).tolist()


def test_bounded_confidence_freezes_in_groups_farther_apart_than_confidence():
    start = np.linspace(0, 1, 2_001).astype(np.float32)
    for confidence in (0.5, 0.25, 0.15, 0.1):
        config = BoundedConfidenceConfig(WellMixed(2_001), confidence, start)
        end = run(BoundedConfidence(), config, 60)
        again = run(BoundedConfidence(), BoundedConfidenceConfig(WellMixed(2_001), confidence, end), 1)
        np.testing.assert_allclose(again, end, atol=1e-5)  # frozen
        centres = np.unique(np.round(end, 2))
        assert (np.diff(centres) > confidence).all()
        # Blondel, Hendrickx and Tsitsiklis 2009: groups of many agents end about 2.155 confidences apart
        assert abs(len(groups(end)) - 1 / (2.155 * confidence)) < 1
        assert (np.diff(end) >= -1e-6).all()  # nobody overtakes


def test_without_confidence_nobody_moves():
    start = np.random.default_rng(0).random(40).astype(np.float32)
    np.testing.assert_array_equal(
        run(BoundedConfidence(), BoundedConfidenceConfig(GRAPHS[0], 0.0, start), 3), start
    )
    with pytest.raises(InputError, match="confidence=-1"):
        BoundedConfidenceConfig(GRAPHS[0], -1.0)


def test_well_mixed_acts_at_once():
    state = State(BoundedConfidenceConfig(WellMixed(5)), np.zeros(5, np.float32))
    with pytest.raises(InputError, match="all act at once"):
        BoundedConfidence().step(stream(0), state, Turn(in_turn=True))
    with pytest.raises(InputError, match="n=1"):
        WellMixed(1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.booleans())
def test_names_of_agents_do_not_matter_and_no_opinion_leaves_the_range(seed, n, directed):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n, (2, 3 * n))
    graph = Graph.from_edges(n, *ends, directed=directed)
    names = rng.permutation(n)
    renamed = Graph.from_edges(n, *names[ends], directed=directed)
    start = rng.random(n, dtype=np.float32)
    moved = np.empty_like(start)
    moved[names] = start
    for model, make in (
        (DeGroot(), DeGrootConfig),
        (FriedkinJohnsen(), lambda ties, x: FriedkinJohnsenConfig(ties, 0.6, x)),
    ):
        end = run(model, make(graph, start), 4)
        np.testing.assert_allclose(run(model, make(renamed, moved), 4)[names], end, atol=1e-5)
        assert start.min() - 1e-6 <= end.min()
        assert end.max() <= start.max() + 1e-6

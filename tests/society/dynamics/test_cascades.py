"""Independent cascade and linear threshold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society import Graph
from doxa.society.dynamics import (
    IndependentCascade,
    IndependentCascadeConfig,
    LinearThreshold,
    LinearThresholdConfig,
    Turn,
)
from doxa.society.randomness import key_from
from doxa.streams import stream
from tests.society.dynamics import slow

GRAPHS = [slow.random_graph(), slow.random_graph(weighted=True, directed=True)]
ORDER = np.array([5, 3, 5, 0, 39, 17], np.int32)
TURNS = [Turn(), Turn(ORDER, in_turn=True), Turn(in_turn=True)]


def to_the_end(model, config, seed: int) -> np.ndarray:
    state = model.init(stream(seed), config)
    for step in range(150):
        after, _ = model.step(stream(seed, step), state, Turn())
        if (after.values == state.values).all():
            return after.values
        state = after
    raise AssertionError("no end")


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_cascade_step_by_step(graph, turn):
    model = IndependentCascade()
    state = model.init(stream(1), IndependentCascadeConfig(graph, probability=0.3, share=0.1))
    for step in range(4):
        k, new = int(key_from(stream(2, step))), state.values.tolist()
        old = new if turn.in_turn else list(new)
        for place, i in enumerate(range(40) if turn.agents is None else turn.agents.tolist()):
            if old[i] == 0:
                resists = 1.0
                for j, w in slow.ties(graph, i):
                    if old[j] == 1:
                        resists *= 1 - (0.3 if graph.weights is None else w)
                if slow.uniform(k, place, 0) < 1 - resists:
                    new[i] = 1
            elif old[i] == 1:
                new[i] = 2
        state, info = model.step(stream(2, step), state, turn)
        assert state.values.tolist() == new
        assert info.moves.sum() == info.updates


def test_cascade_reaches_each_as_often_as_exact_enumeration_says():
    """Each tie is alive or not (Kempe, Kleinberg and Tardos 2003): reach in all 2^6 graphs of live ties."""
    who, whom = np.array([1, 2, 3, 3, 4, 0]), np.array([0, 0, 1, 2, 3, 4])
    chance = np.array([0.5, 0.3, 0.7, 0.2, 0.6, 0.4], np.float32)
    graph = Graph.from_edges(5, who, whom, chance, directed=True)
    exact = np.zeros(5)
    for alive in product([False, True], repeat=6):
        reached, before = {0}, set()
        while reached != before:
            before = set(reached)
            reached |= {
                int(i) for i, j, live in zip(who, whom, alive, strict=True) if live and int(j) in reached
            }
        weight = np.prod(np.where(alive, chance.astype(float), 1 - chance.astype(float)))
        exact[list(reached)] += weight
    start = np.array([1, 0, 0, 0, 0], np.uint8)
    config = IndependentCascadeConfig(graph, start=start)
    runs = 2_000
    found = sum(to_the_end(IndependentCascade(), config, seed) > 0 for seed in range(runs)) / runs
    assert found[0] == exact[0] == pytest.approx(1)
    assert (np.abs(found - exact)[1:] < 4 * np.sqrt(exact * (1 - exact) / runs)[1:]).all()


def test_a_certain_cascade_takes_all_it_can_reach_in_the_order_of_distance():
    line = Graph.from_edges(6, np.arange(5), np.arange(1, 6))
    state = IndependentCascade().init(
        stream(0),
        IndependentCascadeConfig(line, probability=1.0, start=np.array([1, 0, 0, 0, 0, 0], np.uint8)),
    )
    for step in range(1, 6):
        state, _ = IndependentCascade().step(stream(0, step), state, Turn())
        assert state.values.tolist() == [2] * step + [1] + [0] * (5 - step)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_threshold_step_by_step(graph, turn):
    model = LinearThreshold()
    state = model.init(stream(1), LinearThresholdConfig(graph, share=0.2))
    for step in range(4):
        new = state.values.tolist()
        old = new if turn.in_turn else list(new)
        for i in range(40) if turn.agents is None else turn.agents.tolist():
            row = slow.ties(graph, i)
            share = sum(w for j, w in row if old[j]) / sum(w for _, w in row) if row else 0.0
            if share >= state.fixed[i]:
                new[i] = 1
        state, _ = model.step(stream(2, step), state, turn)
        assert state.values.tolist() == new


def test_thresholds_by_hand():
    """Granovetter's crowd: thresholds 0, 1/99, 2/99, ... topple one another; with one missing, nobody follows."""
    n = 100
    i, j = np.triu_indices(n, 1)
    whole = Graph.from_edges(n, i, j)
    nobody = np.zeros(n, np.uint8)
    crowd = (np.arange(n) / 99).astype(np.float32) - np.float32(1e-6)
    assert to_the_end(LinearThreshold(), LinearThresholdConfig(whole, crowd, start=nobody), 0).all()
    crowd[1] = crowd[2]
    assert to_the_end(LinearThreshold(), LinearThresholdConfig(whole, crowd, start=nobody), 0).sum() == 1


def test_who_becomes_active_does_not_hang_on_the_order():
    ends = set()
    for turn in (Turn(), Turn(in_turn=True), Turn(np.arange(39, -1, -1, dtype=np.int32), in_turn=True)):
        state = LinearThreshold().init(stream(0), LinearThresholdConfig(GRAPHS[0], share=0.2))
        for _ in range(60):
            state, _ = LinearThreshold().step(stream(0), state, turn)
        ends.add(state.values.tobytes())
    assert len(ends) == 1


def test_what_makes_no_sense_is_told_of():
    heavy = Graph.from_edges(2, np.array([0]), np.array([1]), np.array([1.5], np.float32))
    with pytest.raises(InputError, match=r"weights=1\.5: must be from 0 to 1"):
        IndependentCascadeConfig(heavy)
    with pytest.raises(InputError, match="thresholds: must be 40 float32"):
        LinearThresholdConfig(GRAPHS[0], np.zeros(3, np.float32))
    with pytest.raises(InputError, match=r"share=2\.0"):
        LinearThresholdConfig(GRAPHS[0], share=2.0)

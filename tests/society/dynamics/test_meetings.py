"""Voter, Deffuant and algorithmic bias."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from doxa.errors import InputError
from doxa.society import Graph
from doxa.society.dynamics import (
    AlgorithmicBias,
    AlgorithmicBiasConfig,
    Deffuant,
    DeffuantConfig,
    Turn,
    Voter,
    VoterConfig,
    WellMixed,
)
from doxa.society.randomness import key_from
from doxa.streams import stream
from tests.society.dynamics import slow

ORDER = np.array([5, 3, 5, 0, 39, 17], np.int32)
GRAPH = slow.random_graph()
PLACES = [GRAPH, slow.random_graph(directed=True), None]
ORDERS = [None, ORDER]


def key(*names) -> int:
    return int(key_from(stream(*names)))


def society(graph: Graph | None):
    return WellMixed(40) if graph is None else graph


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("graph", PLACES)
def test_voter_step_by_step(graph, order):
    model = Voter()
    state = model.init(
        stream(1), VoterConfig(society(graph), opinions=5, start=np.arange(40, dtype=np.uint8) % 5)
    )
    for step in range(4):
        expected = state.values.tolist()
        for i, j in slow.meetings(key(2, step), graph, 40, None if order is None else order.tolist()):
            expected[i] = expected[j]
        state, info = model.step(stream(2, step), state, Turn(order))
        assert state.values.tolist() == expected
        assert info.updates == (40 if order is None else 6)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("graph", PLACES)
def test_voter_all_at_once(graph, order):
    model = Voter()
    state = model.init(
        stream(1), VoterConfig(society(graph), opinions=5, start=np.arange(40, dtype=np.uint8) % 5)
    )
    old, k = state.values.tolist(), key(2)
    expected = list(old)
    acting = list(range(40)) if order is None else order.tolist()
    for i, j in slow.meetings(k, graph, 40, acting):
        expected[i] = old[j]
    state, _ = model.step(stream(2), state, Turn(order, in_turn=False))
    assert state.values.tolist() == expected


def test_voter_shares_are_a_martingale_and_end_in_agreement():
    config = VoterConfig(WellMixed(50), share=0.3)
    ends, middles = [], []
    for seed in range(400):
        state = Voter().init(stream(seed, "init"), config)
        shares = []
        while not shares or 0.0 < shares[-1] < 1.0:
            state, _ = Voter().step(stream(seed, len(shares)), state, Turn())
            shares.append(float(state.values.mean()))
        middles.append(shares[min(10, len(shares) - 1)])  # agreement, once reached, lasts
        ends.append(shares[-1])
    assert set(ends) <= {0.0, 1.0}
    assert abs(np.mean(middles) - 0.3) < 4 * np.std(middles) / 20
    assert stats.binomtest(int(sum(ends)), 400, 0.3).pvalue > 1e-3


def test_voter_on_a_star_weights_by_degree():
    """The centre's opinion, with half of all ties, wins half the time: the conserved mean is by degree."""
    star = Graph.from_edges(5, np.zeros(4, int), np.arange(1, 5))
    start = np.array([1, 0, 0, 0, 0], np.uint8)
    wins = 0
    for seed in range(400):
        state = Voter().init(stream(0), VoterConfig(star, start=start))
        step = 0
        while state.values.min() != state.values.max():
            # drawing agents at random conserves the mean weighted by degree for copying along a random tie
            state, _ = Voter().step(stream(seed, step), state, Turn())
            step += 1
        wins += int(state.values[0])
    assert stats.binomtest(wins, 400, 0.5).pvalue > 1e-3


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("graph", PLACES)
def test_deffuant_step_by_step(graph, order):
    model = Deffuant()
    state = model.init(stream(1), DeffuantConfig(society(graph), confidence=0.3, rate=0.4))
    for step in range(4):
        x = [np.float32(value) for value in state.values]
        for i, j in slow.meetings(key(2, step), graph, 40, None if order is None else order.tolist()):
            apart = x[j] - x[i]
            if abs(apart) < np.float32(0.3):
                x[i] += np.float32(0.4) * apart
                x[j] -= np.float32(0.4) * apart
        state, _ = model.step(stream(2, step), state, Turn(order))
        np.testing.assert_allclose(state.values, x, atol=1e-6)


def test_deffuant_keeps_the_mean_and_ends_in_few_groups():
    n = 20_000
    for confidence, groups in ((0.5, 1), (0.2, 2), (0.125, 4)):
        state = Deffuant().init(stream(0), DeffuantConfig(WellMixed(n), confidence))
        before = state.values.mean(dtype=np.float64)
        for step in range(60):
            state, _ = Deffuant().step(stream(0, step), state, Turn())
        assert abs(state.values.mean(dtype=np.float64) - before) < 1e-5
        counts = np.histogram(state.values, 200, (0, 1))[0]
        large = np.sum(np.diff(np.r_[0, counts > 0.02 * n, 0]) == 1)
        assert abs(large - groups) <= (1 if confidence == 0.125 else 0)  # 1/(2ε) is a rule of thumb


def choices(config: AlgorithmicBiasConfig, opinions: np.ndarray, i: int, draws: int) -> np.ndarray:
    """How often agent i meets each, read from whom its opinion moved to."""
    met = np.zeros(len(opinions), int)
    for seed in range(draws):
        state = AlgorithmicBias().init(stream(0), config)
        after, _ = AlgorithmicBias().step(stream(seed), state, Turn(np.array([i], np.int32)))
        moved = np.flatnonzero(after.values != opinions)
        met[moved[moved != i]] += 1
    return met


@pytest.mark.parametrize("bias", [0.0, 1.0, 2.5])
def test_likeness_draws_as_its_power(bias):
    opinions = np.array([0.5, 0.45, 0.6, 0.3, 0.9, 0.1], np.float32)
    hub = Graph.from_edges(6, np.zeros(5, int), np.arange(1, 6))
    met = choices(AlgorithmicBiasConfig(hub, confidence=2.0, bias=bias, start=opinions), opinions, 0, 3_000)
    weights = np.abs(opinions[1:] - opinions[0]).astype(np.float64) ** -bias
    assert met.sum() == 3_000
    assert stats.chisquare(met[1:], 3_000 * weights / weights.sum()).pvalue > 1e-3


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("graph", PLACES[:2])
@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_algorithmic_bias_step_by_step(graph, order, bias):
    model = AlgorithmicBias()
    state = model.init(stream(1), AlgorithmicBiasConfig(graph, confidence=0.3, bias=bias))
    for step in range(4):
        x, k = [float(value) for value in state.values], key(2, step)
        for place in range(40 if order is None else 6):
            i = slow.below(k, place, 0, 40) if order is None else int(order[place])
            row = [j for j, _ in slow.ties(graph, i)]
            if not row:
                continue
            sums = np.cumsum([max(abs(x[j] - x[i]), 1e-5) ** -bias for j in row])
            j = row[
                min(len(row) - 1, int(np.searchsorted(sums, slow.uniform(k, place, 1) * sums[-1], "right")))
            ]
            apart = x[j] - x[i]
            if abs(apart) < 0.3:
                x[i] += 0.5 * apart
                x[j] -= 0.5 * apart
        state, _ = model.step(stream(2, step), state, Turn(order))
        np.testing.assert_allclose(state.values, x, atol=1e-5)


def test_more_ties_than_the_buffer_holds():
    hub = Graph.from_edges(301, np.zeros(300, int), np.arange(1, 301))
    config = AlgorithmicBiasConfig(hub, confidence=2.0, bias=0.0)
    state = AlgorithmicBias().init(stream(0), config)
    after, _ = AlgorithmicBias().step(stream(0), state, Turn(np.zeros(50, np.int32)))
    assert np.count_nonzero(after.values != state.values) > 30


def test_what_makes_no_sense_is_told_of():
    state = Deffuant().init(stream(0), DeffuantConfig(GRAPH))
    with pytest.raises(InputError, match="meetings come in turn"):
        Deffuant().step(stream(0), state, Turn(in_turn=False))
    with pytest.raises(InputError, match=r"rate=0\.6"):
        DeffuantConfig(GRAPH, rate=0.6)
    with pytest.raises(InputError, match="floor=0"):
        AlgorithmicBiasConfig(GRAPH, floor=0.0)
    with pytest.raises(InputError, match="start: must be 40 uint8 from 0 to 1"):
        Voter().init(stream(0), VoterConfig(GRAPH, start=np.full(40, 2, np.uint8)))

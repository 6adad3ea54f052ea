from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.society.opinion_bandits.crowds import ConfidentCrowd, DeGrootCrowd
from doxa.society.opinion_bandits.experiment import crowd, pilot_radius
from doxa.worlds.linear_bandits.experiments import DYNAMIC, STATIC, make_agents
from doxa.worlds.linear_bandits.simulation import play

ONE = ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5))


@given(st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_people_of_degroot_are_a_linear_bandit(seed):
    people = DeGrootCrowd(ONE, (0.25, 0.1), (0.0, 0.2), people=12, neighbours=4, noise=0.0, seed=seed)
    bandit, step = people.bandit(), people.start(seed)
    state, rng = bandit.init(), np.random.default_rng(seed)
    for _ in range(30):
        u = bandit.actions[rng.integers(3)]
        state, paid = bandit.step(state, u)
        assert step(u) == pytest.approx(paid.expected, abs=1e-6)
    assert np.all(bandit.A >= 0.0)
    assert bandit.A.sum(axis=1) == pytest.approx(0.6, abs=1e-6)


def test_agents_meet_the_same_people_in_the_room_and_in_matrices():
    people = crowd(0.001)
    bandit = people.bandit()
    for agent in make_agents(bandit, 300, (DYNAMIC, STATIC)):
        room = play(people.start(4), agent, 300)
        agent.reset()
        matrices = play(people.matrices(4), agent, 300)
        assert room.arms.tolist() == matrices.arms.tolist()
        assert room.rewards == pytest.approx(matrices.rewards, abs=1e-6)
    assert set(room.arms.tolist()) > {0}


def test_weights_are_read_row_by_row():
    people = crowd(0.0)
    bandit, graph = people.bandit(), people.graph
    for i in (0, 7, people.people - 1):
        row = slice(graph.offsets[i], graph.offsets[i + 1])
        whole = np.zeros(people.people + 4)
        whole[graph.targets[row]] = graph.weights[row] / graph.weights[row].sum(dtype=float)
        assert bandit.A[i] == pytest.approx(whole[:-4])
        assert bandit.B[i] == pytest.approx(whole[-4:-1])


def test_a_message_alone_by_hand():
    people = DeGrootCrowd(((1.0,), (0.0,)), (0.3,), (0.1,), people=4, neighbours=2, peers=0.5, noise=0.0)
    bandit, step = people.bandit(), people.start(0)
    assert step(np.array([1.0])) == pytest.approx(0.1)  # applause alone: nobody has moved yet
    assert step(np.array([0.0])) == pytest.approx(bandit.B.mean(), abs=1e-7)
    assert step(np.array([0.0])) == pytest.approx((bandit.A @ bandit.B).mean(), abs=1e-7)


def test_the_message_that_pleases_is_not_the_one_that_persuades():
    bandit = crowd(0.01).bandit()
    assert int(np.argmax(bandit.theta)) == 1
    assert bandit.h[0] > 0.1 > bandit.theta[0]
    assert bandit.spectral_radius == pytest.approx(0.5, abs=1e-6)


def test_confident_people_hear_what_is_near():
    far = ConfidentCrowd(positions=(0.4, 1.0), confidence=0.2, noise=0.0, arriving=0.0, innate=0.3)
    near, away = far.settled(0, 200), far.settled(1, 200)
    assert near == pytest.approx(0.4, abs=0.05)
    assert away < 0.5  # nobody is within 0.2 of it


def test_runs_reproduce():
    people = ConfidentCrowd()
    first, again = people.start(3), people.start(3)
    assert [first(people.actions[t % 3]) for t in range(20)] == [
        again(people.actions[t % 3]) for t in range(20)
    ]
    other = people.start(4)
    assert other(people.actions[0]) != people.start(3)(people.actions[0])


@given(st.floats(0.1, 0.8), st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_the_pilot_finds_how_long_a_process_remembers(radius, seed):
    noise = np.random.default_rng(seed).standard_normal(4000)
    series = np.zeros(4000)
    for t in range(1, 4000):
        series[t] = radius * series[t - 1] + noise[t]
    assert pilot_radius(series) == pytest.approx(radius, abs=0.08)


def test_pilots_without_anything_to_find():
    assert pilot_radius(np.ones(10)) == 0.0
    assert pilot_radius(np.array([1.0, -1.0] * 10)) == 0.0
    assert pilot_radius(np.arange(1000.0)) == 0.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeGrootCrowd(ONE, (0.3, 0.3), (0.0, 0.0), peers=0.5), "sum is below 1"),
        (lambda: DeGrootCrowd(ONE, (0.3, -0.1), (0.0, 0.0)), "shares >= 0"),
        (lambda: DeGrootCrowd(ONE, (0.1, 0.1), (0.0,)), "one for each message"),
        (lambda: ConfidentCrowd(arriving=1.5), "arriving=1.5"),
        (lambda: ConfidentCrowd(positions=(0.5, 2.0)), "must be in"),
    ],
)
def test_bad_populations(make, message):
    with pytest.raises(InputError, match=message):
        make()

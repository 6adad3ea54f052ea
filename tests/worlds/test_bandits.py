from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.bandits import (
    UCB1,
    BanditState,
    GaussianBandit,
    NormalPrior,
    ThompsonSampling,
    commitment_time,
    cumulative_arm,
)

arms_played = st.lists(st.integers(0, 1), min_size=1, max_size=30)


def play(bandit, choose, runs=1):
    """Return arms and regrets of all rounds."""
    state, table = bandit.init(runs), bandit.rewards(runs)
    arms, regrets = [], []
    for _ in range(bandit.horizon):
        arm = choose(state)
        state, pull = bandit.step(state, arm, table)
        arms.append(arm)
        regrets.append(pull.regret)
    return np.stack(arms, 1), np.stack(regrets, 1), state


def test_rewards_are_reproducible_and_do_not_hang_on_what_was_pulled_or_on_the_number_of_runs():
    bandit = GaussianBandit((95.0, 105.0), (10.0, 10.0), 50, seed=3)
    table = bandit.rewards(3)
    assert np.array_equal(table, bandit.rewards(3))
    assert np.array_equal(table[:2], bandit.rewards(2))
    assert not np.array_equal(table, GaussianBandit((95.0, 105.0), (10.0, 10.0), 50, seed=4).rewards(3))
    wide = bandit.rewards(400)
    assert wide.mean((0, 1)) == pytest.approx([95, 105], abs=0.3)
    assert wide.std((0, 1)) == pytest.approx([10, 10], abs=0.3)


def test_a_step_counts_pays_and_leaves_out_who_sits_out():
    bandit = GaussianBandit((0.0, 1.0), (0.0, 0.0), 3)
    state, pull = bandit.step(bandit.init(3), np.array([1, 0, -1]), bandit.rewards(3))
    assert pull.reward.tolist()[:2] == [1.0, 0.0]
    assert pull.regret.tolist()[:2] == [0.0, 1.0]
    assert math.isnan(pull.reward[2])
    assert math.isnan(pull.regret[2])
    assert state.counts.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert np.isnan(state.means).tolist() == [[True, False], [False, True], [True, True]]
    assert bandit.mirrored.means == (1.0, 0.0)


def test_regret_of_the_best_arm_is_zero_and_of_the_other_the_gap():
    bandit = GaussianBandit((99.0, 101.0), (10.0, 10.0), 20)
    _, best, _ = play(bandit, lambda state: np.array([1]))
    _, worst, _ = play(bandit, lambda state: np.array([0]))
    assert best.sum() == 0.0
    assert worst.sum() == pytest.approx(20 * 2.0)


def test_posterior_by_hand_and_against_sequential_updates():
    prior = NormalPrior(mean=2.0, sd=3.0, noise_sd=1.5)
    rewards = [4.0, 1.0, 5.5]
    mean, variance = 2.0, 9.0
    for reward in rewards:
        gain = variance / (variance + 1.5**2)
        mean, variance = mean + gain * (reward - mean), variance * (1 - gain)
    found = prior.posterior(np.array([[3, 0]]), np.array([[sum(rewards), 0.0]]))
    assert found.means[0] == pytest.approx([mean, 2.0])
    assert found.sds[0] == pytest.approx([math.sqrt(variance), 3.0])
    unit = NormalPrior().posterior(np.array([[1, 1]]), np.array([[-1.0, 1.0]]))
    assert unit.probability_second_better == pytest.approx([0.5 * math.erfc(-1.0 / math.sqrt(2))])


def test_thompson_sampling_pulls_an_arm_as_often_as_it_believes_it_is_better():
    counts, sums = np.array([[4, 2]]), np.array([[1.0, 1.5]])
    state = BanditState(6, counts.repeat(40_000, 0), sums.repeat(40_000, 0))
    arms = ThompsonSampling().choose(state, stream(0, "test", "thompson"))
    better = NormalPrior().posterior(counts, sums).probability_second_better[0]
    assert arms.mean() == pytest.approx(better, abs=4 * math.sqrt(better * (1 - better) / 40_000))


def test_ucb_tries_every_arm_first_and_then_equals_its_formula():
    bandit = GaussianBandit((0.2, 0.8, 0.5), (0.1, 0.1, 0.1), 40, seed=1)
    arms, _, _ = play(bandit, UCB1().choose)
    assert arms[0, :3].tolist() == [0, 1, 2]
    counts, sums = np.zeros(3), np.zeros(3)
    table = bandit.rewards(1)[0]
    for t, arm in enumerate(arms[0]):
        if t >= 3:
            assert arm == np.argmax(sums / counts + np.sqrt(2 * math.log(t) / counts))
        counts[arm] += 1
        sums[arm] += table[t, arm]


def test_the_reference_players_beat_chance_where_arms_differ():
    bandit = GaussianBandit((-1.0, 1.0), (1.0, 1.0), 50, seed=2)
    rng = stream(0, "test", "players")
    _, thompson, _ = play(bandit, lambda state: ThompsonSampling().choose(state, rng), 200)
    _, ucb, _ = play(bandit, UCB1(scale=1.0).choose, 200)
    assert thompson.sum(1).mean() < 10 < 50
    assert ucb.sum(1).mean() < 15


@given(arms_played)
def test_commitment_time_is_the_first_round_of_the_last_stretch(arms):
    found = commitment_time(np.array(arms))
    assert len(set(arms[found:])) == 1
    assert found == 0 or arms[found - 1] != arms[found]


@given(arms_played)
def test_the_cumulative_arm_stays_between_flat_and_the_diagonal(arms):
    total = cumulative_arm(np.array(arms))
    assert np.all((total >= 0) & (total <= np.arange(1, len(arms) + 1)))
    assert cumulative_arm(np.zeros(4, dtype=int)).tolist() == [0, 0, 0, 0]
    assert cumulative_arm(np.ones(4, dtype=int)).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GaussianBandit((1.0,), (1.0,), 5), "two or more"),
        (lambda: GaussianBandit((1.0, 2.0), (1.0,), 5), "of one length"),
        (lambda: GaussianBandit((1.0, math.nan), (1.0, 1.0), 5), "finite"),
        (lambda: GaussianBandit((1.0, 2.0), (1.0, -1.0), 5), "sds >= 0"),
        (lambda: GaussianBandit((1.0, 2.0), (1.0, 1.0), 0), "horizon=0"),
        (lambda: GaussianBandit((1.0, 2.0), (1.0, 1.0), 5).init(0), "runs=0"),
        (lambda: NormalPrior(sd=0.0), "sd=0.0"),
        (lambda: commitment_time(np.array([], dtype=int)), "at least one round"),
        (lambda: commitment_time(np.array([0, -1])), "without gaps"),
        (
            lambda: NormalPrior().posterior(np.zeros((1, 3)), np.zeros((1, 3))).probability_second_better,
            "two",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_there_is_no_round_after_the_last_and_no_other_arm():
    bandit = GaussianBandit((0.0, 1.0), (1.0, 1.0), 1)
    table = bandit.rewards(1)
    with pytest.raises(InputError, match=r"0 \.\. 1"):
        bandit.step(bandit.init(1), np.array([2]), table)
    state, _ = bandit.step(bandit.init(1), np.array([0]), table)
    with pytest.raises(InputError, match="horizon of 1"):
        bandit.step(state, np.array([0]), table)

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.worlds.linear_bandits import (
    UCB1,
    BanditResult,
    Bounds,
    DiscountedLinUCB,
    DynLinUCB,
    Exp3,
    FixedPolicy,
    LinUCB,
    clairvoyant,
    simulate,
)
from doxa.worlds.linear_bandits import simulation as home
from tests.worlds.linear_bandits.systems import MIXES, synthetic

HORIZON = 3000


def pair(bandit, horizon=HORIZON):
    told = Bounds.of(bandit)
    return [
        DynLinUCB(MIXES, 0.2, bandit.sigma, horizon, bounds=told),
        LinUCB(MIXES, bandit.sigma, horizon, bounds=told, rho_bar=0.2),
        Exp3(MIXES, horizon, told, rho_bar=0.2),
    ]


@pytest.fixture(scope="module")
def found():
    bandit = synthetic()
    return simulate(bandit, pair(bandit), HORIZON, 3, seed=7)


def same(one, other):
    return (
        np.array_equal(one.actions, other.actions)
        and np.array_equal(one.rewards, other.rewards)
        and np.array_equal(one.pseudo_regret, other.pseudo_regret)
        and all(np.array_equal(a, b) for a, b in zip(one.boards, other.boards, strict=True))
    )


def test_the_three_regrets_are_what_they_say(found):
    bandit = synthetic()
    values = bandit.values
    for place in range(3):
        for trial in (0, 2):
            arms, rewards = found.actions[place, trial], found.rewards[place, trial]
            gaps = np.cumsum(bandit.optimal_value - values[arms])
            assert found.pseudo_regret[place, trial] == pytest.approx(gaps[found.checkpoints - 1], abs=1e-9)
            paid = np.cumsum(bandit.optimal_value - rewards)
            assert found.realised_regret[place, trial] == pytest.approx(paid[found.checkpoints - 1], abs=1e-9)
            state, total, marks = np.zeros(3), 0.0, []
            for arm in arms:
                total += bandit.optimal_value - bandit.omega @ state - bandit.theta @ MIXES[arm]
                state = bandit.A @ state + bandit.B @ MIXES[arm]
                marks.append(total)
            assert found.expected_regret[place, trial] == pytest.approx(
                np.array(marks)[found.checkpoints - 1], abs=1e-9
            )
            assert found.pulls[place][trial, -1].tolist() == np.bincount(arms, minlength=6).tolist()


def test_seeds_reproduce_whatever_the_workers_and_the_chunks(found, monkeypatch):
    bandit = synthetic()
    assert same(found, simulate(bandit, pair(bandit), HORIZON, 3, seed=7, workers=3))
    monkeypatch.setattr(home, "CHUNK", 777)
    assert same(found, simulate(bandit, pair(bandit), HORIZON, 3, seed=7))
    other = simulate(bandit, pair(bandit), HORIZON, 3, seed=8)
    assert not same(found, other)


def test_more_trials_or_agents_leave_the_first_as_they_are(found):
    bandit = synthetic()
    fewer = simulate(bandit, pair(bandit)[1:], HORIZON, 2, seed=7)
    assert np.array_equal(fewer.actions, found.actions[1:, :2])


def test_all_agents_meet_the_same_noise():
    bandit = synthetic(0.5)
    agents = {"first": FixedPolicy(MIXES, 1), "second": FixedPolicy(MIXES, 1, name="another")}
    paired = simulate(bandit, agents, 50, seed=1)
    assert np.array_equal(paired.rewards[0], paired.rewards[1])
    apart = simulate(bandit, agents, 50, seed=1, paired_noise=False)
    assert not np.array_equal(apart.rewards[0], apart.rewards[1])


def test_finished_trials_are_not_played_again(found, tmp_path, monkeypatch):
    bandit = synthetic()
    simulate(bandit, pair(bandit), HORIZON, 2, seed=7, folder=tmp_path)
    played = []
    whole = home._play_trial
    monkeypatch.setattr(home, "_play_trial", lambda plan, trial: played.append(trial) or whole(plan, trial))
    assert same(found, simulate(bandit, pair(bandit), HORIZON, 3, seed=7, folder=tmp_path))
    assert played == [2]
    next(tmp_path.glob("trial-0-*")).write_bytes(b"cut")
    simulate(bandit, pair(bandit), HORIZON, 3, seed=7, folder=tmp_path)
    assert played == [2, 0]
    simulate(bandit, pair(bandit), HORIZON, 1, seed=8, folder=tmp_path)
    assert played == [2, 0, 0]
    half = next(tmp_path.glob("trial-1-*"))
    half.write_bytes(half.read_bytes()[:-40])
    simulate(bandit, pair(bandit), HORIZON, 2, seed=7, folder=tmp_path)
    assert played == [2, 0, 0, 1]


def test_other_actions_are_another_trial(tmp_path):
    paid = []
    for actions in (MIXES, MIXES * 0.5):
        bandit = synthetic(actions=actions)
        paid.append(simulate(bandit, [UCB1(actions)], 40, seed=1, folder=tmp_path).rewards)
    assert len(list(tmp_path.iterdir())) == 2
    assert not np.array_equal(*paid)


def test_slopes_of_known_growth():
    marks = np.arange(1, 101)
    curve = np.sqrt(marks)[None, None]
    empty = np.zeros((1, 100, 0))
    known = BanditResult(
        ("root",), None, None, curve, 3 * curve**2, 0 * curve, marks,
        (empty.astype(int),), (empty,), (empty,), (MIXES[:0],), np.zeros(1),
    )  # fmt: skip
    assert known.slope(10, 100).of("root") == pytest.approx([0.5])
    assert known.slope(10, 100, "expected").of("root") == pytest.approx([1.0])
    assert np.isnan(known.slope(10, 100, "realised").of("root")).all()
    with pytest.raises(InputError, match="three or more"):
        known.slope(10, 11)
    with pytest.raises(InputError, match="did you mean 'root'"):
        known.final("roof")
    with pytest.raises(InputError, match="regret kind='true'"):
        replace(known).regret("true")
    with pytest.raises(InputError, match="pseudo-regret falls"):
        replace(known, pseudo_regret=-curve)


def test_tables_and_figures(found):
    frame = found.to_frame()
    assert frame.height == 3 * 3 * found.checkpoints.size
    last = frame.filter((frame["agent"] == "LinUCB") & (frame["trial"] == 2))["pseudo_regret"][-1]
    assert last == found.final("LinUCB")[2]
    drawn = found.plot()
    assert [figure.id for figure in drawn][:2] == ["pseudo-regret", "pseudo-growth"]
    assert "board-linucb" in [figure.id for figure in drawn]
    for figure in drawn:
        json.dumps(figure.spec, allow_nan=False)


def test_a_million_rounds_with_forgetting_stay_finite():
    bandit = synthetic(0.1)
    forgetful = DiscountedLinUCB(MIXES, 0.1, 1_000_000, bounds=Bounds.of(bandit), rho_bar=0.2, discount=0.99)
    found = simulate(bandit, [forgetful], 1_000_000, keep_rounds=False)
    assert found.actions is None
    assert np.isfinite(found.boards[0]).all()
    assert np.isfinite(found.pseudo_regret).all()


def test_a_wrong_radius_is_warned_of():
    bandit = synthetic()
    with pytest.warns(UserWarning, match="under-estimated rho_bar can give linear regret"):
        simulate(bandit, [DynLinUCB(MIXES, 0.1, 0.01, 10, bounds=Bounds.of(bandit))], 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0}, "horizon=0"),
        ({"n_trials": 0}, "n_trials=0"),
        ({"workers": 0}, "workers=0"),
        ({"agents": []}, "give some"),
        ({"agents": [FixedPolicy(MIXES), FixedPolicy(MIXES, 1)]}, "no two of one name"),
        ({"agents": [FixedPolicy([[1.0, 1.0, 1.0]])]}, "more than J\\*"),
        ({"agents": [FixedPolicy([[1.0, 0.0]])]}, "actions of 2 numbers: the system takes 3"),
        ({"checkpoints": [5, 3]}, "increasing"),
        ({"checkpoints": [1, 30]}, "the horizon is 20"),
    ],
)
def test_bad_simulations(changes, message):
    bandit = synthetic()
    given = {"env": bandit, "agents": [clairvoyant(bandit)], "horizon": 20, **changes}
    with pytest.raises(InputError, match=message):
        simulate(**given)

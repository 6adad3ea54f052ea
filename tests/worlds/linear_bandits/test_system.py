from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError, UnstableSystemError
from doxa.worlds.linear_bandits import (
    Bounds,
    DynamicalLinearBandit,
    budgeted_actions,
    epoch_schedule,
    one_hot,
)
from tests.worlds.linear_bandits.systems import MIXES, drawn, synthetic

REAL = {
    "A": [[0.38, 0.33, 0.6], [0.07, 0.76, -0.54], [0.18, 0.34, 0.05]],
    "B": [[0.14, 0.34, -0.05], [-0.17, 0.03, -0.01], [0.04, -0.09, 0.17]],
    "C": [[0.25, -0.14, 0.01], [-0.55, 0.2, -0.13], [-0.31, -0.1, -0.01]],
    "D": [[0.11, 0.1, 0.01], [0.01, 0.36, 0.01], [0.01, -0.05, 0.0]],
    "m": 3,
    "n": 3,
    "p": 3,
    "noise_sigma": 0.01,
    "max_daily_budget": 1.5,
    "max_camp_budget": 1.0,
    "min_camp_budget": 0.0,
    "expert": [1641952.0, 259591273.0, 716354611.0],
}
"""Numbers of the paper's second experiment, as its repository gives them (MIT)."""


def test_the_synthetic_system_in_closed_form():
    bandit = synthetic()
    assert bandit.h == pytest.approx([0.5625, 0.5, 0.1 + 0.01 / 0.9], abs=1e-12)
    assert bandit.optimal_action.tolist() == [1.0, 0.5, 0.0]
    assert bandit.optimal_value == pytest.approx(0.8125, abs=1e-12)
    assert bandit.spectral_radius == pytest.approx(0.2, abs=1e-12)
    assert bandit.phi == 1.0
    assert bandit.expected_reward([1.0, 0.5, 0.0]) == 0.25  # before the state has moved
    assert bandit.expected_reward([1.0, 0.5, 0.0], 60) == pytest.approx(bandit.J([1.0, 0.5, 0.0]), abs=1e-12)


def test_the_real_system_has_the_published_numbers(tmp_path):
    path = tmp_path / "real.json"
    path.write_text(json.dumps(REAL))
    bandit = DynamicalLinearBandit.from_config(path, seed=3)
    assert bandit.h == pytest.approx([0.2515, -0.0363, 0.1061], abs=5e-5)
    assert bandit.optimal_action.tolist() == [1.0, 0.0, 0.5]
    assert bandit.optimal_value == pytest.approx(0.3046, abs=5e-5)
    largest = max(np.linalg.eigvals(bandit.A), key=abs)
    assert abs(largest.real) == pytest.approx(0.6139, abs=5e-5)  # what is given as the radius
    assert bandit.spectral_radius == pytest.approx(0.66689, abs=5e-5) == abs(largest)
    assert bandit.phi == pytest.approx(2.781, abs=5e-4)
    assert bandit.noise_sds == pytest.approx((0.01 * 3**0.5, 0.01))
    assert bandit.expert_action(1.5).max() == 1.0
    assert bandit.expert.sum() == pytest.approx(1.0)
    assert bandit.h.dtype == np.float64  # its eigenvalues are complex
    assert np.abs(np.linalg.eigvals(bandit.A).imag).max() > 0.0
    assert bandit.seed == 3
    with pytest.raises(InputError, match="no expert"):
        synthetic().expert_action(1.5)


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_markov_parameters_sum_to_h_and_phi_bounds_the_powers(seed):
    bandit = drawn(seed)
    total, power = bandit.theta.copy(), np.eye(3)
    for tau in range(400):
        assert np.linalg.norm(power, 2) <= bandit.phi * bandit.spectral_radius**tau * (1 + 1e-9) + 1e-300
        total += bandit.B.T @ power.T @ bandit.omega
        power = power @ bandit.A
    assert bandit.h == pytest.approx(total, abs=1e-9)


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_a_normal_matrix_has_no_transient_growth(seed):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert synthetic(A=basis @ np.diag([0.9, -0.5, 0.2]) @ basis.T).phi == pytest.approx(1.0, abs=1e-9)


def test_phi_of_what_does_not_scale():
    assert synthetic(A=np.zeros((3, 3))).phi == 1.0
    assert synthetic(A=np.diag([1.0, 1.0], 1)).phi == np.inf  # nilpotent
    assert synthetic(A=0.5 * np.eye(3) + np.diag([1.0, 1.0], 1)).phi == np.inf  # a block of Jordan


@given(st.integers(0, 200), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_a_held_action_comes_near_its_value_as_fast_as_the_bound_says(seed, rounds):
    bandit = drawn(seed)
    u = bandit.actions[0]
    settled = np.linalg.solve(np.eye(3) - bandit.A, bandit.B @ u)
    gap = abs(bandit.expected_reward(u, rounds + 1) - bandit.J(u))
    bound = (
        bandit.phi
        * bandit.spectral_radius**rounds
        * np.linalg.norm(bandit.omega)
        * (np.linalg.norm(bandit.x0) + np.linalg.norm(settled))
    )
    assert gap <= bound * (1 + 1e-9)


def test_one_dimension_decays_geometrically():
    a, b, omega, u = 0.8, 0.3, 2.0, 1.5
    bandit = DynamicalLinearBandit([[a]], [[b]], [omega], [0.0], 0.0, [[u]])
    for k in range(8):
        gap = bandit.J([u]) - bandit.expected_reward([u], k + 1)
        assert gap == pytest.approx(omega * b * u * a**k / (1 - a), abs=1e-12)


def test_a_round_by_hand():
    bandit = DynamicalLinearBandit([[0.5]], [[2.0]], [3.0], [1.0], 0.1, [[1.0], [-1.0]], x0=[1.0])
    state, paid = bandit.step(bandit.init(), [1.0], [1.0, -1.0])
    assert paid.expected == 4.0
    assert paid.reward == pytest.approx(4.1)
    assert paid.regret == 0.0
    assert state.hidden == pytest.approx([0.5 + 2.0 - 0.1])
    _, worse = bandit.step(state, [-1.0])
    assert worse.regret == pytest.approx(2 * 13.0)
    with pytest.raises(InputError, match="one number for η and 1"):
        bandit.step(state, [1.0], [0.0])


def test_epochs_at_the_powers_of_five():
    schedule = epoch_schedule(0.2, 2000)
    held = schedule.lengths - 1
    assert set(held[:4]) == {0}  # epochs 1 to 4
    assert set(held[4:24]) == {1}
    assert set(held[24:124]) == {2}
    assert held[124] == 3
    assert schedule.lengths.sum() == 2000
    assert epoch_schedule(0.0, 7).lengths.tolist() == [1] * 7


@given(st.integers(2, 9), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_holding_times_change_exactly_at_powers(base, power):
    held = epoch_schedule(1.0 / base, 40 * base**power).lengths - 1
    if held.size > base**power:
        assert held[base**power - 1] == power
        assert held[base**power - 2] == power - 1


@given(st.floats(0.0, 0.95), st.integers(1, 3000))
@settings(max_examples=40, deadline=None)
def test_the_epochs_fill_the_horizon(rho_bar, horizon):
    schedule = epoch_schedule(rho_bar, horizon)
    assert schedule.lengths.sum() == horizon
    assert schedule.starts[0] == 0
    assert np.all(np.diff(schedule.lengths[: schedule.whole]) >= 0)
    assert schedule.lengths.size - schedule.whole in (0, 1)


def test_budgeted_actions():
    assert sorted(map(tuple, MIXES.tolist())) == sorted(
        {(1, 0.5, 0), (1, 0, 0.5), (0.5, 1, 0), (0, 1, 0.5), (0.5, 0, 1), (0, 0.5, 1)}
    )
    assert budgeted_actions(2, 5.0).tolist() == [[1.0, 1.0]]
    assert budgeted_actions(2, 1.0, low=(0.2, 0.0), high=(1.0, 0.5)).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    corners = set(map(tuple, budgeted_actions(2, 1.5, spend=False).tolist()))
    assert corners == {(0, 0), (1, 0), (0, 1), (1, 0.5), (0.5, 1)}
    assert one_hot(3).tolist() == np.eye(3).tolist()
    for arguments, message in (
        ((9, 1.0), "from 1 to 8"),
        ((2, -1.0), "needs low <= high"),
    ):
        with pytest.raises(InputError, match=message):
            budgeted_actions(*arguments)


def test_what_a_learner_is_told():
    told = Bounds.of(synthetic())
    assert told.theta == pytest.approx(0.26**0.5)
    assert told.omega == pytest.approx(1.01**0.5)
    assert (told.B, told.phi) == (pytest.approx(0.45), 1.0)
    assert told.state(0.2) == pytest.approx(1.25**0.5 / 0.8)
    assert Bounds.of(synthetic(), tight=True).x == pytest.approx(0.45 * 1.25**0.5 / 0.8)
    assert told.bias(0.2) == pytest.approx(0.26**0.5 + 1.01**0.5 * 0.45 / 0.8)
    assert told.noise(0.01, 0.2) == pytest.approx(0.01 * (1 + 1.01 / 0.96) ** 0.5)


def test_live_and_gymnasium_like(monkeypatch):
    bandit = synthetic(seed=4)
    live, env = bandit.live(), bandit.to_gym(horizon=2)
    assert env.action_space.n == 6
    observation, _ = env.reset(seed=4)
    assert observation.tolist() == [0.0]
    for over in (False, True):
        seen, reward, terminated, truncated, about = env.step(1)
        assert (terminated, truncated) == (False, over)
        assert reward == seen[0] == live.step(MIXES[1])
        assert about["regret"] == pytest.approx(0.8125 - bandit.J(MIXES[1]))
    first = env.reset()[0], env.step(0)[1]
    assert (env.reset()[0], env.step(0)[1]) != first  # another trial
    with pytest.raises(InputError, match="actions 0 to 5"):
        env.step(6)
    with pytest.raises(InputError, match="horizon=0"):
        bandit.to_gym(horizon=0)
    env.close()
    spaces = types.ModuleType("gymnasium.spaces")
    spaces.Discrete = lambda n: ("discrete", n)
    spaces.Box = lambda *shape: ("box", *shape)
    monkeypatch.setitem(sys.modules, "gymnasium", types.ModuleType("gymnasium"))
    monkeypatch.setitem(sys.modules, "gymnasium.spaces", spaces)
    assert bandit.to_gym().action_space == ("discrete", 6)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"A": np.diag([0.2, 1.0, 0.1])}, UnstableSystemError, "eigenvalue 1"),
        ({"A": [[0.0, 1.1, 0], [-1.1, 0.0, 0], [0, 0, 0]]}, UnstableSystemError, r"1.1j of size 1.1"),
        ({"A": np.eye(2) * 0.1}, InputError, r"A has shape \(2, 2\)"),
        ({"B": np.zeros((3, 2))}, InputError, r"B has shape \(3, 2\)"),
        ({"omega": [np.nan, 0, 0]}, InputError, "omega.*must be finite"),
        ({"sigma": -1.0}, InputError, "sigma=-1.0: must be >= 0"),
        ({"actions": []}, InputError, "at least one vector"),
        ({"actions": [[1, 0]]}, InputError, "actions of 2 numbers: the system takes 3"),
        ({"actions": [[1, 0, 0], [0, 1, 0], [1, 0, 0]]}, InputError, r"actions\[2\].*twice"),
        ({"actions": [[1, 0], [0]]}, InputError, "vectors of one length"),
        ({"actions": [[1, 0, np.inf]]}, InputError, "must be finite"),
        ({"x0": [1.0]}, InputError, "x0"),
        ({"outputs": 0}, InputError, "outputs=0"),
    ],
)
def test_bad_systems(changes, error, message):
    with pytest.raises(error, match=message):
        synthetic(**changes)


def test_bad_questions(tmp_path):
    with pytest.raises(UnstableSystemError, match=r"rho_bar=1\.0"):
        epoch_schedule(1.0, 10)
    with pytest.raises(InputError, match=r"rho_bar=-0\.1"):
        epoch_schedule(-0.1, 10)
    with pytest.raises(InputError, match="horizon=0"):
        epoch_schedule(0.5, 0)
    with pytest.raises(InputError, match="must be 3 finite numbers"):
        synthetic().J([1.0])
    with pytest.raises(InputError, match="rounds=0"):
        synthetic().expected_reward([1, 0, 0], 0)
    with pytest.raises(InputError, match=r"bounds\.theta=-1"):
        Bounds(-1.0, 1.0, 1.0).check()
    with pytest.raises(InputError, match=r"bounds\.phi=0\.5"):
        Bounds(1.0, 1.0, 1.0, phi=0.5).check()
    (tmp_path / "half.json").write_text('{"m": 3}')
    for name in ("half.json", "none.json"):
        with pytest.raises(InputError, match="no configuration of a system"):
            DynamicalLinearBandit.from_config(tmp_path / name)

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import logsumexp, softmax

from doxa.errors import InputError
from doxa.worlds import decision_examples as worlds
from doxa.worlds.decision_process import FiniteMDP, TieWarning
from doxa.worlds.decision_solvers import value_iteration

sizes = st.tuples(st.integers(1, 5), st.integers(1, 4))
discounts = st.sampled_from([0.0, 0.5, 0.9, 0.99])


def random(seed, states=4, actions=3, gamma=0.9, many=()):
    return worlds.random_mdp(np.random.default_rng(seed), states, actions, gamma, many)


def by_linear_programming(mdp):
    """Return Q* from the least V with V >= R + gamma P V."""
    s, a = mdp.R.shape
    rows = (mdp.gamma * mdp.P - np.eye(s)[:, None, :]).reshape(s * a, s)
    found = linprog(np.ones(s), A_ub=rows, b_ub=-mdp.R.reshape(-1), bounds=[(None, None)] * s, method="highs")
    return mdp.R + mdp.gamma * mdp.P @ found.x


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), size=sizes, gamma=discounts)
def test_q_star_is_that_of_linear_programming_and_of_value_iteration(seed, size, gamma):
    mdp = random(seed, *size, gamma)
    assert mdp.q_star() == pytest.approx(by_linear_programming(mdp), abs=1e-6)
    assert mdp.q_star() == pytest.approx(value_iteration(mdp.P, mdp.R, gamma, tolerance=1e-10), abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 9999),
    size=sizes,
    gamma=st.sampled_from([0.0, 0.5, 0.9]),
    alpha=st.sampled_from([0.01, 0.3, 5.0]),
)
def test_soft_values_are_those_of_soft_value_iteration(seed, size, gamma, alpha):
    mdp = random(seed, *size, gamma)
    soft = mdp.soft_q(alpha)
    again = value_iteration(mdp.P, mdp.R, gamma, temperature=alpha, tolerance=1e-10)
    assert soft == pytest.approx(again, abs=1e-8)
    value = alpha * logsumexp(soft / alpha, axis=-1)
    assert mdp.R + gamma * mdp.P @ value == pytest.approx(soft, abs=1e-9)
    assert mdp.policy("soft", alpha) == pytest.approx(softmax(soft / alpha, axis=-1), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts)
def test_nearness_to_a_base_policy(seed, gamma):
    rng = np.random.default_rng(seed)
    mdp, base = random(seed, 4, 3, gamma), rng.dirichlet(np.ones(3), size=4)
    q = mdp.kl_q(0.7, base)
    value = 0.7 * logsumexp(q / 0.7 + np.log(base), axis=-1)
    assert mdp.R + gamma * mdp.P @ value == pytest.approx(q, abs=1e-9)
    uniform = np.full((4, 3), 1 / 3)
    soft = mdp.soft_q(0.7) - gamma / (1 - gamma) * 0.7 * np.log(3)
    assert mdp.kl_q(0.7, uniform) == pytest.approx(soft, abs=1e-8)
    assert mdp.policy("kl", 1e6, base) == pytest.approx(base, abs=1e-3)


def test_a_base_without_mass_keeps_an_action_out():
    mdp = worlds.self_loop_bandit(np.array([0.0, 1.0, 9.0]), 0.5)
    policy = mdp.policy("kl", 0.5, np.array([[0.5, 0.5, 0.0]]))
    assert policy[0, 2] == 0.0
    assert policy[0, 1] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_many_processes_at_once_are_each_what_they_are_alone():
    many = random(5, 4, 3, 0.9, (7,))
    for k in range(7):
        alone = FiniteMDP(many.P[k], many.R[k], 0.9)
        assert many.q_star()[k] == pytest.approx(alone.q_star(), abs=1e-11)
        assert many.soft_q(0.2)[k] == pytest.approx(alone.soft_q(0.2), abs=1e-10)
        assert many.policy("uniform")[k].tolist() == alone.policy("uniform").tolist()
        assert many.policy("soft", np.linspace(0.1, 1, 7))[k] == pytest.approx(
            alone.policy("soft", float(np.linspace(0.1, 1, 7)[k])), abs=1e-9
        )


def test_closed_forms_of_one_state():
    r = np.array([0.3, -1.0, 0.7])
    bandit = worlds.self_loop_bandit(r, 0.8)
    assert bandit.q_star()[0] == pytest.approx(r + 0.8 * 0.7 / 0.2)
    value = 0.5 * logsumexp(r / 0.5) / 0.2
    assert bandit.soft_q(0.5)[0] == pytest.approx(r + 0.8 * value)
    assert bandit.policy("soft", 0.5)[0] == pytest.approx(softmax(r / 0.5))
    assert worlds.self_loop_bandit(r).q_star()[0] == pytest.approx(r)


def test_without_a_future_q_is_the_reward():
    mdp = random(1, gamma=0.0)
    assert mdp.q_star() == pytest.approx(mdp.R)
    assert mdp.soft_q(0.1) == pytest.approx(mdp.R)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts, c=st.floats(-50, 50))
def test_a_constant_moves_values_and_no_policy(seed, gamma, c):
    mdp = random(seed, gamma=gamma)
    moved = replace(mdp, R=mdp.R + c)
    assert moved.q_star() == pytest.approx(mdp.q_star() + c / (1 - gamma), abs=1e-7)
    assert moved.policy("soft", 0.3) == pytest.approx(mdp.policy("soft", 0.3), abs=1e-7)
    assert moved.optimal_actions().tolist() == mdp.optimal_actions().tolist()


def test_soft_policies_lie_between_the_uniform_optimum_and_chance():
    tied = worlds.tied_mdp(np.random.default_rng(2), 4, 4, 0.0, ways=3)
    assert tied.mdp.policy("soft", 1e-3) == pytest.approx(tied.mdp.policy("uniform"), abs=1e-6)
    assert tied.mdp.policy("soft", 1e6) == pytest.approx(np.full((4, 4), 0.25), abs=1e-4)


def test_with_a_future_the_limit_is_optimal_and_keeps_more_ways_open():
    # both actions of state 0 pay nothing; the first leads to a tie of three actions, the second to one action
    P = np.zeros((3, 3, 3))
    P[0, 0, 1] = P[0, 1:, 2] = P[1, :, 1] = P[2, :, 2] = 1.0
    R = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [0.0, -1.0, -1.0]])
    soft = FiniteMDP(P, R, 0.5).policy("soft", 1e-4)
    assert soft[0, 2] == 0.0
    assert soft[0, 0] / soft[0, 1] == pytest.approx(3.0)  # exp(gamma ln 3/(1 - gamma))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts, alpha=st.sampled_from([0.01, 0.1, 1.0]))
def test_the_price_of_softness(seed, gamma, alpha):
    mdp = random(seed, gamma=gamma)
    loss = mdp.q_star().max(-1) - mdp.values(mdp.policy("soft", alpha))
    assert np.all(loss > -1e-9)
    assert np.all(loss <= alpha * np.log(mdp.actions) / (1 - gamma) + 1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), ways=st.integers(2, 4), gamma=discounts)
def test_ties_by_construction(seed, ways, gamma):
    tied = worlds.tied_mdp(np.random.default_rng(seed), 3, 4, gamma, ways, (5,))
    for k, best in enumerate(tied.mdp.optimal_actions()):
        assert np.flatnonzero(best[tied.state[k]]).tolist() == tied.tied[k].tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts)
def test_inverse_bellman_round_trip(seed, gamma):
    rng = np.random.default_rng(seed)
    P, Q = worlds.random_transitions(rng, 4, 3), rng.standard_normal((4, 3))
    mdp = FiniteMDP(P, worlds.inverse_bellman(Q, P, gamma), gamma)
    assert mdp.q_star() == pytest.approx(Q, abs=1e-10)


def test_two_equally_short_routes_and_a_toll():
    grid = worlds.two_routes(4, 0.9)
    best = grid.mdp.optimal_actions()[grid.start]
    assert np.flatnonzero(best).tolist() == [worlds.RIGHT, worlds.DOWN]
    assert grid.mdp.q_star()[grid.start].max() == pytest.approx(0.9**5)
    for weight, first in ((1e-7, worlds.DOWN), (-1e-7, worlds.RIGHT)):
        tolled = replace(grid.mdp, R=grid.mdp.R + weight * grid.toll)
        assert np.flatnonzero(tolled.optimal_actions()[grid.start]).tolist() == [first]


def test_helpful_and_safe_conflict():
    mdp, (helpful, safe) = worlds.helpful_and_safe()
    assert replace(mdp, R=helpful).policy()[:2].argmax(-1).tolist() == [worlds.COMPLY, worlds.COMPLY]
    assert replace(mdp, R=safe).policy()[1].argmax() == worlds.REFUSE
    # at the risky follow-up 2w - 1, 0.2 + 0.3w and 1 - w meet at 8/13 and at 12/17
    for w, action in (
        (0.61, worlds.REFUSE),
        (0.62, worlds.HEDGE),
        (0.70, worlds.HEDGE),
        (0.71, worlds.COMPLY),
    ):
        mixed = replace(mdp, R=w * helpful + (1 - w) * safe)
        assert mixed.policy()[1].argmax() == action


def test_gaps_and_visits_by_hand():
    mdp = worlds.self_loop_bandit(np.array([1.0, 1.0, 0.25]), 0.5)
    assert mdp.gap().tolist() == [0.75]
    assert np.isinf(worlds.self_loop_bandit(np.array([1.0, 1.0])).gap()[0])
    chain = FiniteMDP(np.array([[[0.0, 1.0]], [[0.0, 1.0]]]), np.array([[1.0], [0.0]]), 0.5)
    assert chain.visits(np.ones((2, 1)), np.array([1.0, 0.0])).tolist() == [1.0, 1.0]
    assert chain.values(np.ones((2, 1))).tolist() == [1.0, 0.0]
    assert chain.action_values(np.ones((2, 1))).tolist() == [[1.0], [0.0]]


def test_a_tolerance_above_the_smallest_gap_is_warned_of():
    mdp = worlds.self_loop_bandit(np.array([1.0, 1.0 - 1e-4, 0.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mdp.optimal_actions().tolist() == [[True, False, False]]
    with pytest.warns(
        TieWarning, match=r"tol=0.001: is larger than the smallest gap, 0.0001 \(first at s=0\)"
    ):
        assert mdp.optimal_actions(1e-3).tolist() == [[True, True, False]]


ONE = np.ones((1, 2, 1))


@pytest.mark.parametrize(
    ("P", "R", "gamma", "message"),
    [
        (0.9 * ONE, np.zeros((1, 2)), 0.5, r"P at \(s=0, a=0\) sums to 0.9"),
        (ONE, np.zeros((1, 2)), 1.0, r"gamma=1.0: must be in \[0, 1\)"),
        (ONE, np.zeros((1, 2)), -0.1, "gamma=-0.1"),
        (ONE, np.array([[0.0, np.nan]]), 0.5, r"R at \(s=0, a=1\) is nan"),
        (ONE, np.array([[0.0, np.inf]]), 0.5, "rewards must be finite"),
        (ONE, np.zeros((1, 3)), 0.5, r"R has shape \(1, 3\): must be \(states, actions\) = \(1, 2\)"),
        (np.ones((1, 2)), np.zeros((1, 2)), 0.5, r"P has shape \(1, 2\)"),
        (np.array([[[1.5, -0.5]], [[0.5, 0.5]]]), np.zeros((2, 1)), 0.5, "is negative"),
        (np.ones((2, 1, 2, 1)), np.zeros((3, 1, 2)), 0.5, "they must broadcast"),
        (ONE, np.zeros(2), 0.5, r"R has shape \(2,\)"),
    ],
)
def test_bad_processes(P, R, gamma, message):
    with pytest.raises(InputError, match=message):
        FiniteMDP(P, R, gamma)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.soft_q(0.0), "alpha=0.0: must be > 0"),
        (lambda m: m.policy("soft", -1.0), "alpha=-1.0"),
        (lambda m: m.policy("kl", 1.0), "needs base="),
        (lambda m: m.policy("sofft"), "did you mean 'soft'"),
        (lambda m: m.kl_q(1.0, np.full((4, 3), 0.5)), "must sum to 1"),
        (lambda m: m.kl_q(0.0, np.full((4, 3), 1 / 3)), "beta=0.0"),
        (lambda m: m.values(np.ones((2, 2)) / 2), "policy has shape"),
        (lambda m: m.optimal_actions(-1.0), "tol=-1.0"),
        (lambda m: random(0, 30, 5, 0.99).q_star(1e-30), "is known to"),
        (lambda m: worlds.tied_mdp(np.random.default_rng(0), 2, 2, 0.5, 3), "ways=3"),
        (lambda m: worlds.two_routes(2), "side=2"),
        (lambda m: worlds.inverse_bellman(np.full((4, 3), np.nan), m.P, 0.5), "Q at"),
        (lambda m: worlds.inverse_bellman(m.R, m.P, 1.5), "gamma=1.5"),
    ],
)
def test_bad_questions(ask, message):
    with pytest.raises(InputError, match=message):
        ask(random(3))

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.distances import total_variation
from doxa.errors import InputError
from doxa.training.reward_policy import (
    cliff_perturbation,
    effective_reward,
    incomplete_reward_gap,
    lipschitz_bound,
    potential_shaping,
    reward_policy_map,
    stability_radius,
)
from doxa.worlds.decision_examples import random_mdp, self_loop_bandit, tied_mdp
from doxa.worlds.decision_process import FiniteMDP

discounts = st.sampled_from([0.0, 0.5, 0.9, 0.99])


def tied(seed, ways=2, gamma=0.9):
    found = tied_mdp(np.random.default_rng(seed), 4, 4, gamma, ways)
    return found.mdp, int(found.state), found.tied.tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999), ways=st.integers(2, 4), gamma=discounts, power=st.integers(-6, 0))
def test_any_change_however_small_makes_a_tied_action_the_only_optimum(seed, ways, gamma, power):
    mdp, s, actions = tied(seed, ways, gamma)
    eps = 10.0**power
    for a in actions[1:]:
        R = cliff_perturbation(mdp, s, a, eps)
        assert np.abs(R - mdp.R).max() <= eps * (1 + gamma) + 1e-12
        moved = replace(mdp, R=R)
        assert np.flatnonzero(moved.optimal_actions()[s]).tolist() == [a]
        jump = total_variation(mdp.policy("uniform"), moved.policy("uniform"))
        assert jump[s] == pytest.approx((ways - 1) / ways)
        assert total_variation(mdp.policy(), moved.policy())[s] == 1.0


def test_two_actions_have_a_closed_form():
    alpha, delta = 0.4, np.array([1e-4, 0.01, 0.3])
    flat = self_loop_bandit(np.zeros(2))
    curve = reward_policy_map(flat, [np.array([[-1.0, 1.0]])], delta, "soft", alpha=alpha)
    assert curve.tv[0, :, 0] == pytest.approx(0.5 * np.tanh(delta / alpha))
    assert np.all(curve.tv <= lipschitz_bound(alpha, 0.0, delta)[None, :, None])
    assert curve.tv[0, 0, 0] / lipschitz_bound(alpha, 0.0, 1e-4) == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts, alpha=st.sampled_from([0.01, 0.1, 1.0]))
def test_no_bound_is_exceeded(seed, gamma, alpha):
    rng = np.random.default_rng(seed)
    mdp = tied(seed, 2, gamma)[0] if seed % 2 else random_mdp(rng, 4, 4, gamma)
    ways, base = rng.standard_normal((3, 4, 4)), rng.dirichlet(np.ones(4), size=4)
    sizes = [-1.0, -0.01, 1e-4, 0.1, 2.0]
    for kind in ("greedy", "soft", "kl"):
        curve = reward_policy_map(mdp, ways, sizes, kind, alpha=alpha, base=base)
        assert curve.violations == 0
        assert curve.tv.shape == (3, 5, 4)
    moved = replace(mdp, R=mdp.R + ways[0])
    assert np.abs(moved.q_star() - mdp.q_star()).max() <= np.abs(ways[0]).max() / (1 - gamma) + 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts)
def test_within_the_radius_nothing_new_becomes_optimal(seed, gamma):
    rng = np.random.default_rng(seed)
    mdp = tied(seed, 3, gamma)[0]
    gap = mdp.gap() * (1 - gamma) / 2
    s = int(np.argmin(gap))
    if not np.isfinite(gap[s]):
        return
    change = 0.99 * gap[s] * rng.choice([-1.0, 1.0], size=mdp.R.shape)
    after = replace(mdp, R=mdp.R + change).optimal_actions()
    assert not np.any(after[s] & ~mdp.optimal_actions()[s])


def test_the_radius_is_tight_without_a_future():
    bandit = self_loop_bandit(np.array([1.0, 0.4]))
    radius = float(stability_radius(bandit)[0])
    assert radius == pytest.approx(0.3)
    worst = np.array([[-1.0, 1.0]])
    curve = reward_policy_map(bandit, [worst], [0.99 * radius, 1.01 * radius])
    assert curve.tv[0, :, 0].tolist() == [0.0, 1.0]
    assert curve.largest.tolist() == [0.0, 1.0]
    assert stability_radius(self_loop_bandit(np.array([1.0, 1.0]))).tolist() == [0.0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts)
def test_shaping_changes_no_optimal_action(seed, gamma):
    mdp = tied(seed, 2, gamma)[0]
    phi = 3.0 * np.random.default_rng(seed).standard_normal(4)
    shaped = potential_shaping(mdp, phi)
    assert shaped.q_star() == pytest.approx(mdp.q_star() - phi[:, None], abs=1e-9)
    assert shaped.optimal_actions().tolist() == mdp.optimal_actions().tolist()


def test_effective_rewards():
    rng = np.random.default_rng(0)
    Rs, other = rng.standard_normal((2, 3, 4, 2))
    for k in range(3):
        assert effective_reward(Rs, np.eye(3)[k]).tolist() == Rs[k].tolist()
    w = rng.dirichlet(np.ones(3), size=4)
    mixed = effective_reward(list(Rs), w)
    assert mixed[2] == pytest.approx(sum(w[2, k] * Rs[k][2] for k in range(3)))
    moved = np.abs(effective_reward(other, w) - mixed).max()
    assert moved <= np.abs(other - Rs).max() + 1e-12


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), gamma=discounts)
def test_an_incomplete_reward_loses_where_a_tied_action_would_do_better(seed, gamma):
    rng = np.random.default_rng(seed)
    mdp = tied(seed, 2, gamma)[0]
    inside = float((mdp.gap() * (1 - gamma) / 2).min())
    missing = rng.standard_normal(mdp.R.shape)
    missing *= min(0.5 * inside, 0.1) / np.abs(missing).max()
    start = np.full(4, 0.25)
    gap = incomplete_reward_gap(mdp, mdp.R, missing, start, tol=1e-12)
    assert gap.slack >= 0.0
    assert (gap.slack > 1e-11) == bool(gap.improving.any())


def test_a_clever_slacker_by_hand():
    bandit = self_loop_bandit(np.array([1.0, 1.0, 0.0]))
    found = incomplete_reward_gap(bandit, bandit.R, np.array([[0.0, 0.2, 0.0]]), np.ones(1))
    assert found.slack == pytest.approx(0.2)
    assert found.improving.tolist() == [[False, True, False]]
    honest = incomplete_reward_gap(
        bandit, bandit.R, np.array([[0.0, 0.2, 0.0]]), np.ones(1), policy=np.array([[0.0, 1.0, 0.0]])
    )
    assert honest.slack == 0.0
    assert not honest.improving.any()


def test_a_state_that_is_not_reached_costs_nothing():
    P = np.zeros((2, 2, 2))
    P[:, :, 0], P[1] = 1.0, [[0.0, 1.0], [0.0, 1.0]]
    mdp = FiniteMDP(P, np.array([[1.0, 0.0], [1.0, 1.0]]), 0.5)
    missing = np.array([[0.0, 0.0], [0.0, 0.1]])
    assert not incomplete_reward_gap(mdp, mdp.R, missing, np.array([1.0, 0.0])).improving.any()
    assert incomplete_reward_gap(mdp, mdp.R, missing, np.array([0.0, 1.0])).improving[1, 1]


BANDIT = self_loop_bandit(np.array([1.0, 1.0, 0.0]))
FLAT = np.zeros((1, 3))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: cliff_perturbation(self_loop_bandit(np.array([1.0, 0.5])), 0, 1, 0.1),
            "no tie at s=0: gap=0.5",
        ),
        (
            lambda: cliff_perturbation(BANDIT, 0, 2, 0.1),
            r"a=2: is not optimal at s=0; the tied actions are \[0, 1\]",
        ),
        (lambda: cliff_perturbation(BANDIT, 3, 0, 0.1), "s=3, a=0"),
        (lambda: cliff_perturbation(BANDIT, 0, 1, 0.0), "eps=0.0: must be > 0"),
        (
            lambda: cliff_perturbation(random_mdp(np.random.default_rng(0), 2, 2, 0.5, (3,)), 0, 0, 1.0),
            "one by one",
        ),
        (lambda: lipschitz_bound(0.0, 0.5, 1.0), "alpha=0.0"),
        (lambda: lipschitz_bound(1.0, 1.0, 1.0), "gamma=1.0"),
        (lambda: lipschitz_bound(1.0, 0.5, -1.0), "dR=-1.0"),
        (
            lambda: effective_reward([FLAT, np.zeros((1, 2))], np.array([0.5, 0.5])),
            "all reward models need the same",
        ),
        (lambda: effective_reward([FLAT, FLAT], np.array([0.5, 0.4])), "w sums to 0.9"),
        (lambda: effective_reward([FLAT, FLAT], np.array([1.2, -0.2])), "must be finite and >= 0"),
        (lambda: effective_reward([FLAT, FLAT], np.ones(1)), "w has 1 weights for 2"),
        (lambda: effective_reward([FLAT, FLAT], np.full((2, 2), 0.5)), "rows for 2 states: there are 1"),
        (lambda: potential_shaping(BANDIT, np.zeros(2)), "must be 1 finite numbers"),
        (lambda: reward_policy_map(BANDIT, [np.zeros((1, 2))], [0.1]), r"directions\[0\] has shape"),
        (lambda: reward_policy_map(BANDIT, [FLAT], [np.nan]), "eps_grid"),
        (lambda: reward_policy_map(BANDIT, [FLAT], [0.1], "soft"), "alpha=0.0"),
        (
            lambda: incomplete_reward_gap(BANDIT, BANDIT.R, FLAT, np.ones(1), policy=np.array([[0, 0, 1.0]])),
            "not optimal under R_train",
        ),
        (
            lambda: incomplete_reward_gap(BANDIT, BANDIT.R, np.zeros((2, 3)), np.ones(1)),
            "R_missing has shape",
        ),
        (lambda: incomplete_reward_gap(BANDIT, BANDIT.R, FLAT, np.zeros(1)), "mu sums to 0"),
    ],
)
def test_bad_input(ask, message):
    with pytest.raises(InputError, match=message):
        ask()

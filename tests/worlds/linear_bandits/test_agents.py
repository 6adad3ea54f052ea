from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from doxa.errors import InputError, UnstableSystemError
from doxa.worlds import bandits
from doxa.worlds.linear_bandits import (
    AR2,
    UCB1,
    BatchExp3,
    Bounds,
    DiscountedLinUCB,
    DynLinUCB,
    Exp3,
    FixedPolicy,
    LinUCB,
    budgeted_actions,
    clairvoyant,
    epoch_schedule,
    play,
    simulate,
)
from tests.worlds.linear_bandits.systems import MIXES, drawn, synthetic

TOLD = Bounds(theta=0.5, omega=1.0, B=0.45, u=1.25**0.5)


def everyone(horizon=500, sigma=0.01):
    return [
        DynLinUCB(MIXES, 0.2, sigma, horizon, bounds=TOLD),
        LinUCB(MIXES, sigma, horizon, bounds=TOLD, rho_bar=0.2),
        DiscountedLinUCB(MIXES, sigma, horizon, bounds=TOLD, rho_bar=0.2, discount=0.99),
        Exp3(MIXES, horizon, TOLD, rho_bar=0.2),
        BatchExp3(MIXES, horizon, TOLD, rho_bar=0.2),
        AR2(MIXES, 0.2, sigma, horizon),
        UCB1(MIXES),
        FixedPolicy(MIXES, 2),
    ]


def slow_dynlin(bandit, agent, noise):
    """The paper's algorithm as it is written, with matrices inverted anew."""
    lam, d, bounds, rho = agent.lam, 3, agent.bounds, agent.rho_bar
    c1 = bounds.u * bounds.omega * bounds.phi * (bounds.u * bounds.B / (1 - rho) + bounds.u / (1 - rho))
    c2 = bounds.theta + bounds.omega * bounds.B * bounds.phi / (1 - rho)
    noisy = agent.sigma**2 * (1 + (bounds.omega * bounds.phi) ** 2 / (1 - rho**2))
    gram, moment, state, arms, t, m = lam * np.eye(d), np.zeros(d), bandit.init(), [], 0, 1
    while t < len(noise):
        beta = c1 * math.log(math.e * (t + 1)) / math.sqrt(lam) + c2 * math.sqrt(lam)
        within = math.log(1 / agent.delta) + d / 2 * math.log(1 + t * bounds.u**2 / (d * lam))
        beta += math.sqrt(2 * noisy * within)
        inverse = np.linalg.inv(gram)
        scores = [u @ inverse @ moment + beta * math.sqrt(u @ inverse @ u) for u in agent.actions]
        best = int(np.argmax(np.round(scores, 10)))
        hold = max(k for k in range(60) if rho ** (-k) <= m * (1 + 1e-12)) if rho > 0 else 0
        reward = None
        for _ in range(1 + hold):
            if t == len(noise):
                return arms, inverse @ moment
            state, paid = bandit.step(state, agent.actions[best], noise[t])
            arms.append(best)
            reward, t = paid.reward, t + 1
        gram += np.outer(agent.actions[best], agent.actions[best])
        moment += reward * agent.actions[best]
        m += 1
    return arms, np.linalg.inv(gram) @ moment


@pytest.mark.parametrize("rho_bar", [0.0, 0.2, 0.5])
def test_dynlin_is_the_algorithm_of_the_paper(rho_bar):
    bandit, horizon = synthetic(0.05), 200
    agent = DynLinUCB(MIXES, rho_bar, 0.05, horizon, bounds=TOLD, beta_scale=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # 0 is below the true radius
        found = simulate(bandit, [agent], horizon, seed=3, keep_rounds=True)
    noise = bandit.noise(3).standard_normal((horizon, 4))
    arms, estimate = slow_dynlin(bandit, agent, noise)
    assert found.actions[0, 0].tolist() == arms
    assert found.estimates[0][0, -1] == pytest.approx(estimate, abs=1e-9)


def test_the_first_round_by_hand():
    agent = LinUCB([[2.0, 0.0], [0.0, 1.0]], 0.0, 100, lam=4.0, width=1.0)
    assert agent.act().tolist() == [2.0, 0.0]
    agent.update(3.0)
    assert agent.state.gram.tolist() == [[8.0, 0.0], [0.0, 4.0]]
    assert agent.state.estimate == pytest.approx([6.0 / 8.0, 0.0])
    assert agent.state.widths == pytest.approx([4.0 / 8.0, 1.0 / 4.0])
    assert agent.act().tolist() == [2.0, 0.0]  # 1.5 + 0.71 against 0.5


def test_the_estimate_without_memory_is_that_of_scikit_learn():
    bandit = synthetic(A=np.zeros((3, 3)), B=np.zeros((3, 3)))
    agent = LinUCB(MIXES, 0.01, 400, bounds=TOLD)
    found = simulate(bandit, [agent], 400, seed=2, keep_rounds=True)
    other = Ridge(alpha=agent.lam, fit_intercept=False)
    other.fit(MIXES[found.actions[0, 0]], found.rewards[0, 0])
    assert found.estimates[0][0, -1] == pytest.approx(other.coef_, abs=1e-9)


@given(st.integers(0, 1000), st.sampled_from([1.0, 0.9]))
@settings(max_examples=25, deadline=None)
def test_estimates_are_ridge_regressions(seed, discount):
    rng = np.random.default_rng(seed)
    actions, lam = rng.standard_normal((4, 3)), 0.7
    kind = {"discount": discount} if discount < 1 else {}
    agent = (DiscountedLinUCB if kind else LinUCB)(actions, 0.1, 60, lam=lam, **kind)
    rewards = rng.standard_normal(60)
    step = iter(rewards.tolist())
    arms = play(lambda u: next(step), agent, 60).arms
    weights = discount ** np.arange(59, -1, -1)
    x = actions[arms]
    gram = lam * np.eye(3) + (x * weights[:, None]).T @ x
    squared = lam * np.eye(3) + (x * weights[:, None] ** 2).T @ x
    moment = (x * weights[:, None]).T @ rewards
    state = agent.state
    assert state.gram == pytest.approx(gram, rel=1e-9)
    assert state.squared == pytest.approx(squared if kind else gram, rel=1e-9)
    assert state.estimate == pytest.approx(np.linalg.solve(gram, moment), abs=1e-9)
    assert state.scores == pytest.approx(actions @ state.estimate, abs=1e-9)
    inverse = np.linalg.inv(gram)
    middle = inverse @ squared @ inverse if kind else inverse
    assert state.widths == pytest.approx(np.einsum("ki,ij,kj->k", actions, middle, actions), abs=1e-9)


def test_without_memory_it_is_linucb_with_the_same_width():
    bandit = synthetic(A=np.zeros((3, 3)))
    told = Bounds.of(bandit)
    pair = [
        DynLinUCB(MIXES, 0.0, 0.01, 20_000, bounds=told),
        LinUCB(MIXES, 0.01, 20_000, bounds=told, width="carry"),
    ]
    found = simulate(bandit, pair, 20_000, 2, seed=1)
    assert np.array_equal(found.actions[0], found.actions[1])
    assert np.array_equal(found.pseudo_regret[0], found.pseudo_regret[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_where_nothing_moves_the_state_it_is_an_independent_linucb(seed):
    bandit, rounds, alpha, lam = synthetic(0.1, B=np.zeros((3, 3)), theta=[0.3, 0.25, 0.2]), 400, 0.3, 1.0
    agent = LinUCB(MIXES, 0.1, rounds, lam=lam, width=alpha)
    arms = simulate(bandit, [agent], rounds, seed=seed, keep_rounds=True).actions[0, 0]
    gram, moment, state, noise = lam * np.eye(3), np.zeros(3), bandit.init(), bandit.noise(seed)
    for t in range(rounds):
        root = np.linalg.cholesky(gram)
        spread = np.linalg.norm(np.linalg.solve(root, MIXES.T), axis=0)
        bounds = MIXES @ np.linalg.solve(gram, moment) + alpha * spread
        assert bounds[arms[t]] == pytest.approx(bounds.max(), abs=1e-9)
        state, paid = bandit.step(state, MIXES[arms[t]], noise.standard_normal(4))
        gram += np.outer(MIXES[arms[t]], MIXES[arms[t]])
        moment += paid.reward * MIXES[arms[t]]
    assert len(set(arms.tolist())) > 2


def test_widths():
    told, horizon = Bounds(0.5, 1.0, 0.45, u=1.2), 1000
    lam = math.log(horizon)
    agent = DynLinUCB(MIXES, 0.2, 0.1, horizon, bounds=told)
    c2, noisy = 0.5 + 0.45 / 0.8, 0.01 * (1 + 1 / 0.96)
    c1 = 1.2 * (1.2 * 0.45 / 0.8 + 1.2 / 0.8)
    plain = c2 * lam**0.5 + (2 * noisy * (math.log(1000) + 1.5 * math.log(1 + 50 * 1.44 / (3 * lam)))) ** 0.5
    assert agent.width(50) == pytest.approx(plain + c1 * math.log(math.e * 51) / lam**0.5)
    assert LinUCB(MIXES, 0.1, horizon, bounds=told, rho_bar=0.2).width(50) == pytest.approx(plain)
    half = LinUCB(MIXES, 0.1, horizon, bounds=told, rho_bar=0.2, beta_scale=0.5)
    assert half.width(50) == pytest.approx(plain / 2)
    classic = LinUCB(MIXES, 0.1, horizon, bounds=told, width="classic")
    grown = math.log((3 * lam + 1000 * 1.44) / (3 * lam))
    assert classic.width(7) == pytest.approx(0.5 * lam**0.5 + (2 * math.log(1000) + 3 * grown) ** 0.5)
    assert LinUCB(MIXES, 0.1, horizon, width=0.25).width(9) == 0.25
    left_open = DynLinUCB(MIXES, 0.2, 0.1, horizon, bounds=told._replace(u=None))
    given = DynLinUCB(MIXES, 0.2, 0.1, horizon, bounds=told._replace(u=1.25**0.5))
    assert left_open.width(50) == pytest.approx(given.width(50))
    forgetful = DiscountedLinUCB(MIXES, 0.1, horizon, bounds=told, rho_bar=0.2, discount=0.9)
    assert forgetful.width(10**6) == pytest.approx(forgetful.width(10**5))


def test_h_lies_in_the_confidence_set():
    inside = []
    for seed in range(40):
        bandit, horizon = drawn(seed, radius=0.5), 300
        told = Bounds.of(bandit, tight=True)
        agent = DynLinUCB(bandit.actions, bandit.spectral_radius, 0.1, horizon, delta=0.1, bounds=told)
        found = simulate(bandit, [agent], horizon, seed=seed, keep_rounds=True)
        schedule = epoch_schedule(agent.rho_bar, horizon)
        learnt = bandit.actions[found.actions[0, 0][schedule.starts[: schedule.whole]]]
        gram = agent.lam * np.eye(2) + learnt.T @ learnt
        away = found.estimates[0][0, -1] - bandit.h
        inside.append(away @ gram @ away <= agent.width(horizon) ** 2)
    assert np.mean(inside) >= 0.9


def test_it_learns_nothing_from_an_epoch_that_is_cut():
    schedule = epoch_schedule(0.5, 10)
    agent = DynLinUCB(MIXES, 0.5, 0.1, 10, bounds=TOLD)
    play(synthetic().live(0).step, agent, 10)
    assert schedule.whole == 4
    assert np.trace(agent.state.gram) == pytest.approx(3 * agent.lam + 4 * 1.25)


def test_exponential_weights_by_hand():
    agent = Exp3(np.eye(2), 100, Bounds(1.0, 0.0, 0.0))
    share = min(1.0, math.sqrt(2 * math.log(2) / ((math.e - 1) * 200 / 3)))
    assert agent.set_to.mixing == pytest.approx(share)
    state, choice = agent.step(agent.init(), luck=0.3)
    assert choice.arm == 0
    assert state.probabilities.tolist() == [0.5, 0.5]
    state, choice = agent.step(state, 1.0, luck=0.99)
    assert choice.arm == 1
    gain = (1.0 + 2.0) / 4.0 / 0.5
    assert state.log_weights == pytest.approx([share / 2 * gain, 0.0])
    first = math.exp(share / 2 * gain) / (math.exp(share / 2 * gain) + 1)
    assert state.probabilities == pytest.approx(
        [(1 - share) * first + share / 2, (1 - share) * (1 - first) + share / 2]
    )


def test_batches_are_as_long_as_the_last_holding_time():
    assert BatchExp3(MIXES, 1_000_000, TOLD, rho_bar=0.2).batch == int(
        epoch_schedule(0.2, 1_000_000).lengths[-2] - 1
    )
    agent = BatchExp3(MIXES, 200, TOLD, rho_bar=0.5)
    assert agent.batch == 5
    arms = play(lambda u: 0.1, agent, 200).arms.reshape(-1, 5)
    assert np.all(arms == arms[:, :1])


def test_weights_do_not_overflow():
    agent = Exp3(np.eye(2), 10, Bounds(1.0, 0.0, 0.0))
    state = agent.init()._replace(log_weights=np.array([5000.0, 0.0]))
    _, choice = agent.step(state, luck=0.0)
    assert choice.arm == 0


def test_regressing_arms_by_hand():
    agent = AR2(np.eye(3), 0.5, 0.001, 1000)
    arms = play(lambda u: float(u @ [0.1, 0.05, 0.02]), agent, 12).arms.tolist()
    assert arms[:3] == [0, 1, 2]
    bound = agent.set_to.factor * 0.001 * (0.25 / 0.75) ** 0.5
    assert bound > 0.1  # so that both others are looked at every other round
    assert set(arms[3::2]) | set(arms[4::2]) == {0, 1, 2}
    assert AR2(MIXES, 0.2, 0.01, 10**6).set_to.epoch == 10**6
    assert AR2(MIXES, 0.9, 0.9, 10**6).set_to.epoch == math.ceil(6 * 0.9**-6)


def test_ucb1_is_that_of_the_other_bandits():
    rng = np.random.default_rng(0)
    table = rng.random((300, 4))
    agent, other = UCB1(np.eye(4), 0.7), bandits.UCB1(0.7)
    counts, sums = np.zeros((1, 4), dtype=int), np.zeros((1, 4))
    for t in range(300):
        arm = int(other.choose(bandits.BanditState(t, counts, sums))[0])
        agent.act()
        assert agent.arm == arm
        agent.update(float(table[t, arm]))
        counts[0, arm] += 1
        sums[0, arm] += table[t, arm]


def test_by_hand_and_in_a_batch_are_the_same():
    bandit, horizon, seed = synthetic(), 150, 11
    found = simulate(bandit, everyone(horizon), horizon, 2, seed, keep_rounds=True)
    for place, agent in enumerate(everyone(horizon)):
        agent._luck = agent.stream(seed, 1)
        seen = play(bandit.live(seed, 1).step, agent, horizon)
        assert np.array_equal(found.actions[place, 1], seen.arms), agent.name
        assert found.rewards[place, 1] == pytest.approx(seen.rewards, abs=1e-12), agent.name
        held = agent.board(agent.state)
        assert found.boards[place][1, -1] == pytest.approx(held, abs=1e-12), agent.name


def test_a_state_can_be_kept_and_gone_on_from():
    for agent, fresh in zip(everyone(), everyone(), strict=True):
        bandit = synthetic().live(2)
        agent.reset(5)
        play(bandit.step, agent, 30)
        agent.act()
        fresh.load_state_dict(agent.state_dict())
        rewards = np.random.default_rng(0).random(40)
        for reward in rewards:
            assert agent.act().tolist() == fresh.act().tolist()
            agent.update(reward)
            fresh.update(reward)
    with pytest.raises(InputError, match="needs counts, means, clock"):
        UCB1(MIXES).load_state_dict(DynLinUCB(MIXES, 0.2, 0.1, 10).state_dict())
    with pytest.raises(InputError, match="counts has shape"):
        UCB1(MIXES).load_state_dict(UCB1(np.eye(3)).state_dict())


def test_a_reward_needs_a_choice():
    for agent in everyone():
        state, _ = agent.step(agent.init())
        agent.step(state, 0.5)
        with pytest.raises(InputError, match="nothing was chosen"):
            agent.step(agent.init(), 0.5)
        agent.act()
        agent.update(0.5)
        with pytest.raises(InputError, match="nothing was chosen"):
            agent.step(agent.state, 0.5)


def test_a_step_leaves_the_state_as_it_was():
    agent = LinUCB(MIXES, 0.1, 50)
    before, _ = agent.step(agent.init())
    kept = [np.array(value) for value in before]
    agent.step(before, 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(kept, before, strict=True))


def test_bad_rewards():
    agent = LinUCB(MIXES, 0.1, 50)
    with pytest.raises(InputError, match="update\\(\\) without act"):
        agent.update(1.0)
    agent.act()
    agent.update(1.0)
    agent.act()
    with pytest.raises(InputError, match="reward=nan in round 2"):
        agent.update(float("nan"))
    with pytest.raises(InputError, match="reward=inf in round 1"):
        agent.step(agent.init(), float("inf"))
    rewards = iter([0.0, 0.0, float("nan")])
    with pytest.raises(InputError, match="round 3"):
        play(lambda u: next(rewards), LinUCB(MIXES, 0.1, 50), 10)
    with pytest.raises(InputError, match="horizon=0"):
        play(lambda u: 0.0, agent, 0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DynLinUCB(MIXES, 1.0, 0.1, 10), UnstableSystemError, "rho_bar=1.0"),
        (lambda: DynLinUCB(MIXES, 0.2, 0.1, 0), InputError, "horizon=0: must be >= 1"),
        (lambda: DynLinUCB(MIXES, 0.2, -0.1, 10), InputError, "sigma=-0.1"),
        (lambda: DynLinUCB(MIXES, 0.2, 0.1, 10, lam=0.0), InputError, "lam=0.0: must be > 0"),
        (lambda: DynLinUCB(MIXES, 0.2, 0.1, 10, lam="log"), InputError, "lam=log: must be > 0, or 'logT'"),
        (lambda: DynLinUCB(MIXES, 0.2, 0.1, 10, beta_scale=0.0), InputError, "beta_scale=0.0"),
        (lambda: DynLinUCB(MIXES, 0.2, 0.1, 10, delta=0.0), InputError, "delta=0.0"),
        (lambda: DynLinUCB([], 0.2, 0.1, 10), InputError, "at least one vector"),
        (
            lambda: DynLinUCB(MIXES, 0.2, 0.1, 10, bounds=TOLD._replace(u=1.0)),
            InputError,
            "length 1.11803; give",
        ),
        (
            lambda: DynLinUCB(MIXES, 0.2, 0.1, 10, bounds=TOLD._replace(phi=np.inf)),
            InputError,
            "larger rho_bar",
        ),
        (lambda: LinUCB(MIXES, 0.1, 10, width="wide"), InputError, "width='wide'"),
        (lambda: LinUCB(MIXES, 0.1, 10, width=-1.0), InputError, "width=-1.0"),
        (lambda: DiscountedLinUCB(MIXES, 0.1, 10, discount=1.0), InputError, "discount=1.0"),
        (lambda: Exp3(MIXES, 0, TOLD), InputError, "horizon=0"),
        (lambda: Exp3(MIXES, 10, Bounds(0.0, 0.0, 0.0)), InputError, "say how large rewards"),
        (lambda: Exp3(MIXES, 10, TOLD, rho_bar=1.0), UnstableSystemError, "rho_bar=1.0"),
        (lambda: AR2(MIXES, 0.0, 0.1, 10), InputError, "alpha=0.0"),
        (lambda: AR2(MIXES, 0.5, 0.0, 10), InputError, "sigma=0.0"),
        (lambda: AR2(MIXES, 0.5, 0.1, 0), InputError, "horizon=0"),
        (lambda: UCB1(MIXES, -1.0), InputError, "scale=-1.0"),
        (lambda: FixedPolicy(MIXES, 6), InputError, "arms 0 to 5"),
    ],
)
def test_bad_agents(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_who_knows_h_regrets_nothing():
    bandit = drawn(3)
    found = simulate(bandit, [clairvoyant(bandit)], 200, 3)
    assert np.all(found.pseudo_regret == 0.0)
    assert budgeted_actions(3, 1.5).shape == (6, 3)

from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.advantages import grpo_advantage
from doxa.training.reward_policy.bandit_learner import NOT, TIE, Bandit, Learners, inverted, learn, softmax
from doxa.training.reward_policy.learners_study import BONUSES, grid, record_learners


def learners(bonus, entropy=0.1, normaliser=NOT):
    bonus = np.atleast_1d(np.array(bonus, dtype=float))
    return Learners(bonus, np.full(bonus.shape, entropy), np.full(bonus.shape, normaliser))


def slowly(bandit, bonus, entropy, normaliser, seed):
    """Return one learner's policy by automatic differentiation and the advantages of the training room."""
    rng = stream(seed, "bandit learner")
    paid = bandit.rewards(np.array([bonus]))[0]
    logits = torch.zeros(bandit.arms, dtype=torch.float64, requires_grad=True)
    spreads = []
    for _ in range(bandit.updates):
        probabilities = torch.softmax(logits, -1)
        bounds = np.cumsum(probabilities.detach().numpy())[:-1]
        drawn = np.searchsorted(bounds, rng.random(bandit.group), side="right")
        rewards = torch.tensor(paid[drawn])
        group = torch.zeros(bandit.group, dtype=torch.long)
        how = {"scale": "none"} if np.isnan(normaliser) else {"eps": normaliser}
        advantage = grpo_advantage(rewards, group, **how)
        log_policy = torch.log_softmax(logits, -1)
        entropy_now = -(probabilities * log_policy).sum()
        aim = (advantage * log_policy[torch.tensor(drawn)]).mean() + entropy * entropy_now
        (gradient,) = torch.autograd.grad(aim, logits)
        logits = (logits + bandit.step * gradient).detach().requires_grad_()
        spreads.append(float(rewards.std()))
    return torch.softmax(logits, -1).detach().numpy(), np.array(spreads)


@pytest.mark.parametrize("normaliser", [NOT, 1e-6, 1e-4])
@pytest.mark.parametrize("entropy", [0.0, 0.2])
def test_one_learner_is_that_of_automatic_differentiation_and_library_advantages(normaliser, entropy):
    bandit = Bandit(updates=60, step=0.3)
    fast = learn(bandit, learners(0.01, entropy, normaliser), 7, stretches=3)
    policy, spreads = slowly(bandit, 0.01, entropy, normaliser, 7)
    assert fast.policy[0] == pytest.approx(policy, abs=1e-9)
    tied = (spreads > 1e-12) & (spreads < TIE)
    assert fast.tie_rate[0] == pytest.approx(tied.reshape(3, 20).mean(1))


def test_learners_side_by_side_are_each_what_they_are_alone():
    bandit = Bandit(updates=50)
    both = learn(bandit, Learners(np.array([0.0, 0.1]), np.array([0.1, 0.0]), np.array([NOT, 1e-6])), 3)
    first, second = learn(bandit, learners(0.0), 3), learn(bandit, learners(0.1, 0.0, 1e-6), 3)
    assert both.policy.tolist() == np.concatenate([first.policy, second.policy]).tolist()


def test_draws_follow_the_policy():
    policy = softmax(np.log(np.array([[0.1, 0.2, 0.7]])))
    drawn = inverted(policy, np.arange(0.0005, 1.0, 0.001))
    assert np.bincount(drawn[0], minlength=3).tolist() == [100, 200, 700]


def test_plain_advantages_learn_the_soft_optimum():
    bandit = Bandit(updates=4000, step=0.1)
    found = learn(bandit, learners([-0.05, 0.0, 0.05]), 11)
    assert found.second_of_right == pytest.approx(1 / (1 + np.exp([0.5, 0.0, -0.5])), abs=0.03)


def test_every_learner_is_recorded():
    recorder = Recorder("learners", 1)
    record_learners(recorder, 1, Bandit(updates=30))
    rows = recorder.tables().measures
    assert len(grid()) == 8 * len(BONUSES)
    assert rows.filter(rows["measure"] == "second arm").height == len(grid())
    assert rows.filter(rows["measure"] == "tie_rate").height == 30 * len(grid())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bandit(right=1), r"right=1: must be in 2..6"),
        (lambda: Bandit(group=1), "group=1"),
        (lambda: Bandit(step=0.0), "step=0.0"),
        (lambda: learners(np.nan), "bonus must be finite"),
        (lambda: learners(0.0, -1.0), "entropy >= 0"),
        (lambda: learners(0.0, 0.1, -1.0), "normaliser must be >= 0"),
        (lambda: learners([]), "one number of each to every learner"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()

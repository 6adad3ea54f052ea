"""Laws of entropy, advantages and divergences in training, of decision processes and of social learning."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from bars.laws import SEEDS, Laws, near, real, rng_of, row, rows
from doxa.society.herding.model import outcome, private_belief
from doxa.training.advantages import grpo_advantage, rloo_advantage
from doxa.training.divergences import k1, k3
from doxa.training.entropy_bound import entropy_lower_bound
from doxa.training.entropy_estimators import covariance_law, entropy_change_first_order, token_covariance
from doxa.training.tokens import token_entropy
from doxa.worlds.bandits import NormalPrior
from doxa.worlds.decision_process import FiniteMDP
from doxa.worlds.decision_solvers import backup, policy_values

law = Laws()


def _entropy(z: torch.Tensor) -> torch.Tensor:
    log_p = torch.log_softmax(z, -1)
    return -(log_p.exp() * log_p).sum(-1)


@law("the covariance law is autograd's change of entropy", x=rows(-8.0, 8.0, 2, 5))
def _covariance(x: np.ndarray) -> bool:
    z, step = torch.tensor(x[0], requires_grad=True), torch.tensor(x[1])
    (slope,) = torch.autograd.grad(_entropy(z), z)
    return near(entropy_change_first_order(z.detach(), step), (slope * step).sum(), absolute=1e-11)


@law("the policy gradient's change of entropy is autograd's along its own gradient", x=rows(-6.0, 6.0, 2, 5))
def _policy_gradient(x: np.ndarray) -> bool:
    z, adv = torch.tensor(x[0], requires_grad=True), torch.tensor(x[1])
    (rise,) = torch.autograd.grad((torch.softmax(z, -1) * adv).sum(), z)
    (slope,) = torch.autograd.grad(_entropy(z), z)
    return near(covariance_law(torch.log_softmax(z.detach(), -1), adv), (slope * rise).sum(), absolute=1e-11)


@law(
    "a step that is the same for all tokens changes no entropy", x=row(-8.0, 8.0, 5, 5), c=real(-100.0, 100.0)
)
def _flat(x: np.ndarray, c: float) -> bool:
    z = torch.tensor(x)
    return near(entropy_change_first_order(z, torch.full_like(z, c)), 0.0, absolute=1e-11)


@law("tokens' names do not matter to the change of entropy", x=rows(-8.0, 8.0, 2, 5), seed=SEEDS)
def _names(x: np.ndarray, seed: int) -> bool:
    order = rng_of(seed).permutation(5)
    z, step = torch.tensor(x)
    return near(
        entropy_change_first_order(z, step), entropy_change_first_order(z[order], step[order]), absolute=1e-11
    )


@law(
    "the entropy of logits lies between 0 and ln n, and a constant changes nothing",
    x=row(-1e3, 1e3, 5, 5),
    c=real(-1e3, 1e3),
)
def _tokens(x: np.ndarray, c: float) -> bool:
    z = torch.tensor(x)
    found = float(token_entropy(z))
    return -1e-12 <= found <= np.log(5) + 1e-12 and near(found, token_entropy(z + c), absolute=1e-9)


@law(
    "covariances of a batch do not change with the level of rewards",
    x=rows(-5.0, 5.0, 2, 4),
    c=real(-10.0, 10.0),
)
def _level(x: np.ndarray, c: float) -> bool:
    adv, logp, mask = torch.tensor(x[0]), torch.tensor(x[1]).reshape(4, 1), torch.ones(4, 1)
    return near(token_covariance(adv, logp, mask), token_covariance(adv + c, logp, mask), absolute=1e-10)


@law(
    "group-relative advantages add up to 0 in each group, at any level of rewards",
    x=row(-5.0, 5.0, 6, 6),
    c=real(-5.0, 5.0),
)
def _centred(x: np.ndarray, c: float) -> bool:
    rewards, group = torch.tensor(x), torch.tensor([0, 0, 0, 1, 1, 1])
    found = grpo_advantage(rewards, group, scale="none")
    moved = grpo_advantage(rewards + c, group, scale="none")
    return near(found.reshape(2, 3).sum(1), 0.0, absolute=1e-9) and near(found, moved, absolute=1e-9)


@law("leaving oneself out of the mean is the group's advantage times n / (n - 1)", x=row(-5.0, 5.0, 6, 6))
def _left_out(x: np.ndarray) -> bool:
    rewards, group = torch.tensor(x), torch.tensor([0, 0, 0, 0, 1, 1])
    times = torch.tensor([4 / 3] * 4 + [2.0] * 2, dtype=torch.float64)
    return near(
        rloo_advantage(rewards, group), times * grpo_advantage(rewards, group, scale="none"), absolute=1e-12
    )


@law("advantages do not hang on the order of responses", x=row(-5.0, 5.0, 6, 6), seed=SEEDS)
def _responses(x: np.ndarray, seed: int) -> bool:
    rewards, group = torch.tensor(x), torch.tensor([0, 0, 0, 1, 1, 2])
    order = torch.from_numpy(rng_of(seed).permutation(6))
    return near(
        grpo_advantage(rewards, group)[order], grpo_advantage(rewards[order], group[order]), absolute=1e-9
    )


@law("k1 and k3 both have KL as their expectation, and k3 >= 0", x=rows(-5.0, 5.0, 2, 4))
def _estimators(x: np.ndarray) -> bool:
    p, q = torch.log_softmax(torch.tensor(x), -1)
    kl = (p.exp() * (p - q)).sum()
    return (
        near((p.exp() * k1(p, q)).sum(), kl, absolute=1e-12)
        and near((p.exp() * k3(p, q)).sum(), kl, absolute=1e-10)
        and bool((k3(p, q) >= -1e-12).all())
    )


@law(
    "the bound from the likeliest tokens is below the entropy",
    x=row(-8.0, 8.0, 6, 6),
    known=st.integers(1, 6),
)
def _bound(x: np.ndarray, known: int) -> bool:
    log_p = np.sort(x - np.log(np.exp(x).sum()))[::-1]
    return float(entropy_lower_bound(log_p[:known]).lower) <= float(-(np.exp(log_p) * log_p).sum()) + 1e-9


def _process(seed: int) -> FiniteMDP:
    rng = rng_of(seed)
    return FiniteMDP(rng.dirichlet(np.ones(4), (4, 3)), rng.normal(size=(4, 3)), 0.8)


@law("Bellman's backup is a contraction by the discount", seed=SEEDS, x=rows(-9.0, 9.0, 2, 4))
def _bellman(seed: int, x: np.ndarray) -> bool:
    one = _process(seed)
    after = [backup(one.P, one.R, one.gamma, value).max(-1) for value in x]
    return np.abs(after[0] - after[1]).max() <= one.gamma * np.abs(x[0] - x[1]).max() + 1e-12


@law("names of states and actions do not matter to the best values", seed=SEEDS)
def _states(seed: int) -> bool:
    one, rng = _process(seed), rng_of(seed + 1)
    s, a = rng.permutation(4), rng.permutation(3)
    other = FiniteMDP(one.P[s][:, a][:, :, s], one.R[s][:, a], one.gamma)
    return near(one.q_star()[s][:, a], other.q_star())


@law("a constant reward adds c / (1 - discount) to every value", seed=SEEDS, c=real(-5.0, 5.0))
def _constant(seed: int, c: float) -> bool:
    one = _process(seed)
    return near(FiniteMDP(one.P, one.R + c, one.gamma).q_star(), one.q_star() + c / (1.0 - one.gamma))


@law("no policy is worth more than the best", seed=SEEDS)
def _best(seed: int) -> bool:
    one = _process(seed)
    policy = rng_of(seed + 1).dirichlet(np.ones(3), 4)
    worth = policy_values(one.P, one.R, one.gamma, policy)
    return bool((worth <= one.q_star().max(-1) + 1e-9).all())


@law(
    "paying for entropy raises values by at most ln n / (1 - discount) for each unit",
    seed=SEEDS,
    alpha=real(0.05, 2.0),
)
def _soft(seed: int, alpha: float) -> bool:
    one = _process(seed)
    rise = one.soft_q(alpha) - one.q_star()
    return bool((rise >= -1e-9).all() and (rise <= alpha * np.log(3) / (1.0 - one.gamma) + 1e-9).all())


@law(
    "public belief is a martingale under actions", b=real(0.01, 0.99), q=real(0.5, 1.0), reveals=st.booleans()
)
def _public(b: float, q: float, reveals: bool) -> bool:
    belief, precision = np.array([b]), np.array([q])
    after = outcome(belief, precision, np.array([1.0]), np.array([0.0 if reveals else 1.0]))
    return near(after.good * after.up + (1.0 - after.good) * after.down, belief, absolute=1e-12)


@law("two opposite signals of one precision cancel", b=real(0.01, 0.99), q=real(0.5, 0.999))
def _cancel(b: float, q: float) -> bool:
    belief, precision = np.array([b]), np.array([q])
    one = private_belief(belief, precision, np.array([True]))
    return near(private_belief(one, precision, np.array([False])), belief, absolute=1e-10)


@law("arms that change places change the chance that the second is better to its complement", seed=SEEDS)
def _arms(seed: int) -> bool:
    rng = rng_of(seed)
    counts, sums = rng.integers(0, 9, (1, 2)), rng.normal(size=(1, 2))
    prior = NormalPrior(0.1, 2.0, 0.7)
    one = prior.posterior(counts, sums).probability_second_better
    other = prior.posterior(counts[:, ::-1], sums[:, ::-1]).probability_second_better
    return near(one + other, 1.0, absolute=1e-12)

"""How far a reward may move before the optimal policy does: cliffs, radii, bounds, and changes that change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.distances import check_distribution
from doxa.errors import InputError
from doxa.worlds.decision_process import (
    TIE,
    ByState,
    FiniteMDP,
    Given,
    Policy,
    Values,
    check_discount,
    check_rewards,
    check_temperature,
)


def cliff_perturbation(mdp: FiniteMDP, s: int, a: int, eps: float, *, tol: float = TIE) -> Values:
    """Return a reward near R under which a tied action is the only optimal one of its state.

    R_eps = R_Q of Q = Q* + eps·1[(s, a)], so ‖R_eps - R‖∞ <= eps(1 + γ).

    Args:
        mdp: one process, without leading axes.
        s: a state with tied optimal actions.
        a: one of them.
        eps: by how much its value is lifted, > 0; eps/(1 + γ) keeps the change of reward within eps.
        tol: of ties.

    Raises:
        InputError: the state's optimum is unique, the action is not among the tied ones, or eps <= 0.
    """
    if mdp.P.ndim != 3 or mdp.R.ndim != 2:
        raise InputError(f"R has shape {mdp.R.shape}: a cliff is built in one process; take them one by one")
    if not (0 <= s < mdp.states and 0 <= a < mdp.actions):
        raise InputError(f"s={s}, a={a}: must be in 0..{mdp.states - 1} and 0..{mdp.actions - 1}")
    if not eps > 0.0:
        raise InputError(f"eps={eps}: must be > 0")
    best = mdp.optimal_actions(tol)[s]
    if best.sum() < 2:
        raise InputError(
            f"no tie at s={s}: gap={float(mdp.gap(tol)[s]):.3g}; the policy there cannot change while the reward "
            f"moves by less than {float(stability_radius(mdp, tol=tol)[s]):.3g}"
        )
    if not best[a]:
        raise InputError(
            f"a={a}: is not optimal at s={s}; the tied actions are {np.flatnonzero(best).tolist()}"
        )
    # R_eps - R is linear in the lift, so it is built alone: exact even where eps is far below the values
    lift = np.zeros_like(mdp.R)
    lift[s, a] = eps
    return mdp.R + lift - mdp.gamma * (mdp.P @ lift.max(-1))


def stability_radius(mdp: FiniteMDP, *, tol: float = TIE) -> ByState:
    """Return Δ(s)(1 - γ)/2: no action of a state becomes optimal that was not, while ‖ΔR‖∞ is below it.

    Where the optimum is unique the greedy policy then stays as it is. It is 0 where actions tie, and inf where there is
    only one action. Sufficient, not necessary: ‖ΔQ*‖∞ <= ‖ΔR‖∞/(1 - γ), and two values must meet.
    """
    tied = mdp.optimal_actions(tol).sum(-1) > 1
    return np.where(tied, 0.0, mdp.gap(tol) * (1.0 - mdp.gamma) / 2.0)


def lipschitz_bound(alpha: float | Given, gamma: float, dR: float | Given) -> Float[np.ndarray, ...]:
    """Return dR/(2 alpha (1 - γ)), above which d_TV of two soft policies cannot be, in any state.

    Args:
        alpha: temperature of the entropy, or weight of the KL to a base policy; > 0.
        gamma: discount in [0, 1).
        dR: ‖R1 - R2‖∞; with several reward models the largest of theirs.

    >>> float(lipschitz_bound(0.5, 0.0, 0.1))
    0.1
    """
    check_temperature("alpha", alpha)
    moved = np.asarray(dR, dtype=np.float64)
    if not (np.all(np.isfinite(moved)) and np.all(moved >= 0.0)):
        raise InputError(f"dR={dR}: must be finite and >= 0; it is the largest absolute change of the reward")
    return np.asarray(moved / (2.0 * np.asarray(alpha) * (1.0 - check_discount(gamma))))


def effective_reward(Rs: Sequence[Given] | Given, w: Given) -> Values:
    """Return R_eff(s, a) = Σ_k w_k(s) R_k(s, a), which moves by at most max_k ‖ΔR_k‖∞.

    Args:
        Rs: the reward of each model, all of one shape.
        w: weight of each model, the same in all states, or one row for each state; >= 0, sums to 1.

    Raises:
        InputError: shapes differ, a reward is not finite, or weights are no distribution.
    """
    shapes = {np.shape(one) for one in Rs}
    if len(shapes) != 1:
        raise InputError(
            f"Rs have shapes {sorted(shapes)}: all reward models need the same states and actions"
        )
    models = np.stack([check_rewards(f"Rs[{k}]", one) for k, one in enumerate(Rs)])
    weights = check_distribution("w", w)
    if weights.shape[-1] != len(models):
        raise InputError(
            f"w has {weights.shape[-1]} weights for {len(models)} reward models; give one to each"
        )
    if weights.ndim == 1:
        return np.tensordot(weights, models, 1)
    if weights.shape[-2] != models.shape[-2]:
        raise InputError(f"w has rows for {weights.shape[-2]} states: there are {models.shape[-2]}")
    return np.einsum("...sk,k...sa->...sa", weights, models)


def potential_shaping(mdp: FiniteMDP, potential: Given) -> FiniteMDP:
    """Return the process with γ E[Φ(s')] - Φ(s) added to the reward, which changes no optimal action.

    Q* becomes Q* - Φ(s) (Ng, Harada and Russell 1999).

    Raises:
        InputError: the potential is not one finite number for each state.
    """
    phi = np.asarray(potential, dtype=np.float64)
    if phi.shape[-1:] != (mdp.states,) or not np.all(np.isfinite(phi)):
        raise InputError(
            f"potential has shape {phi.shape}: must be {mdp.states} finite numbers, one for each state"
        )
    expected = (mdp.P @ phi[..., None, :, None])[..., 0]
    return replace(mdp, R=mdp.R + mdp.gamma * expected - phi[..., None])


class IncompleteReward(NamedTuple):
    """What a policy loses that was trained on a part of the reward.

    Attributes:
        slack: V*_true - V^π_true from the start distribution, >= 0.
        policy: the trained one: the first optimal action of the reward in training.
        improving: tied optimal actions of the training whose advantage in the missing reward is positive, in states
            that the trained policy reaches. If there is one, the slack is positive. If there is none in any state and
            the missing reward is within the stability radius, it is 0.
    """

    slack: float
    policy: Policy
    improving: Bool[np.ndarray, "states actions"]


def incomplete_reward_gap(
    mdp: FiniteMDP,
    R_train: Given,
    R_missing: Given,
    mu: Given,
    *,
    policy: Given | None = None,
    tol: float = TIE,
) -> IncompleteReward:
    """Return what training on R_train alone loses under R_train + R_missing.

    Args:
        mdp: the world; its own reward is not used.
        R_train: the reward in training.
        R_missing: what it leaves out.
        mu: start distribution.
        policy: an optimal policy of the training, where not the first optimal action is meant.
        tol: of ties, and of a positive advantage.

    Raises:
        InputError: shapes differ, or the policy is not optimal in training.
    """
    shape = mdp.R.shape[-2:]
    trained_on = replace(mdp, R=check_rewards("R_train", R_train, shape))
    missing = replace(mdp, R=check_rewards("R_missing", R_missing, shape))
    best = trained_on.optimal_actions(tol)
    trained = trained_on.policy("greedy", tol=tol) if policy is None else np.asarray(policy, dtype=np.float64)
    if np.any((trained > 0.0) & ~best):
        raise InputError(
            "policy: takes an action that is not optimal under R_train; it is no trained optimum"
        )
    true = replace(mdp, R=trained_on.R + missing.R)
    start = check_distribution("mu", mu)
    slack = float(start @ (true.q_star().max(-1) - true.values(trained)))
    advantage = missing.action_values(trained) - missing.values(trained)[..., None]
    reached = mdp.visits(trained, start) > tol
    return IncompleteReward(max(slack, 0.0), trained, best & (advantage > tol) & reached[..., None])

"""Solving finite Markov decision processes: batched arrays in, action values out.

Leading axes of P (..., S, A, S) and R (..., S, A) are many processes at once; they broadcast.

    hard        T Q = R + γ P max_a' Q
    soft        T Q = R + γ P [τ logsumexp(Q/τ)]
    against b   T Q = R + γ P [τ log Σ_a' b(a') exp(Q(a')/τ)]

Policy iteration values each policy exactly, by one linear system; for the soft forms it is Newton's method on the
fixed point. Value iteration is the second algorithm, which shares nothing with it but the operator.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from doxa.belief.information import log_softmax, logsumexp
from doxa.errors import DoxaError

Transitions = Float[np.ndarray, "... states actions states"]
Values = Float[np.ndarray, "... states actions"]
ByState = Float[np.ndarray, "... states"]
Temperature = float | Float[np.ndarray, "..."]

_ROUNDS = 1000
_PROGRESS = 1e-13
"""Share of the largest value below which a change of policy is rounding, not improvement."""


class NotConvergedError(DoxaError):
    """An iteration did not come to rest."""


def backup(P: Transitions, R: Values, gamma: float, values: ByState) -> Values:
    """Return R + γ P V."""
    return R + gamma * (P @ values[..., None, :, None])[..., 0]


def policy_values(
    P: Transitions,
    R: Values,
    gamma: float,
    policy: Values,
    bonus: ByState | float = 0.0,
) -> ByState:
    """Return V = (I - γ P_π)⁻¹ (R_π + bonus), the exact worth of a policy.

    Args:
        P: transition probabilities.
        R: rewards.
        gamma: discount in [0, 1).
        policy: probability of each action.
        bonus: paid in each state beside the rewards, such as an entropy.
    """
    moved = np.einsum("...sa,...sat->...st", policy, P)
    paid = (policy * R).sum(-1) + bonus
    batch = np.broadcast_shapes(moved.shape[:-2], paid.shape[:-1])
    system = np.eye(moved.shape[-1]) - gamma * moved
    system = np.broadcast_to(system, (*batch, *system.shape[-2:]))
    return np.linalg.solve(system, np.broadcast_to(paid, (*batch, paid.shape[-1]))[..., None])[..., 0]


def hard_q(P: Transitions, R: Values, gamma: float) -> Values:
    """Return Q* by policy iteration with exact linear solves.

    A state keeps its action unless another is better by more than rounding, so that ties cannot cycle.

    Raises:
        NotConvergedError: it did not end, which finite numbers do not do.
    """
    batch = np.broadcast_shapes(P.shape[:-3], R.shape[:-2])
    rewards = np.broadcast_to(R, (*batch, *R.shape[-2:]))
    action = rewards.argmax(-1)
    for _ in range(_ROUNDS):
        policy = np.eye(R.shape[-1])[action]
        q = backup(P, rewards, gamma, policy_values(P, rewards, gamma, policy))
        kept = np.take_along_axis(q, action[..., None], -1)[..., 0]
        better = q.max(-1) > kept + _PROGRESS * np.maximum(
            1.0, np.abs(q).max((-2, -1), keepdims=True)[..., 0]
        ) / (1.0 - gamma)
        if not better.any():
            return q
        action = np.where(better, q.argmax(-1), action)
    raise NotConvergedError(f"policy iteration: no rest after {_ROUNDS} rounds; are P and R finite?")


def regularised_q(
    P: Transitions,
    R: Values,
    gamma: float,
    temperature: Temperature,
    log_base: Values | None = None,
) -> Values:
    """Return the action values of the entropy- or KL-regularised optimum, by policy iteration.

    Args:
        P: transition probabilities.
        R: rewards.
        gamma: discount in [0, 1).
        temperature: > 0; one number, or one for each process.
        log_base: log-probabilities of the policy that is kept near; None pays entropy, as if each action counted 1.

    Raises:
        NotConvergedError: it did not come to rest.
    """
    tau = np.asarray(temperature, dtype=np.float64)
    across = tau[..., None] if tau.ndim else tau
    q = R + np.zeros((*np.broadcast_shapes(P.shape[:-3], R.shape[:-2], tau.shape), *R.shape[-2:]))
    smallest = np.inf
    for _ in range(_ROUNDS):
        value, log_policy = regularised_value(q, across, log_base)
        residual = np.abs(backup(P, R, gamma, value) - q).max() if q.size else 0.0
        scale = max(1.0, float(np.abs(q).max(initial=0.0)))
        if residual <= _PROGRESS * scale or (residual <= 1e-10 * scale and residual >= smallest):
            return q
        smallest = min(smallest, float(residual))
        policy = np.exp(log_policy)
        against = log_policy if log_base is None else log_policy - np.where(policy > 0.0, log_base, 0.0)
        bonus = -across * (policy * np.where(policy > 0.0, against, 0.0)).sum(-1)
        q = backup(P, R, gamma, policy_values(P, R, gamma, policy, bonus))
    raise NotConvergedError(
        f"soft policy iteration: no rest after {_ROUNDS} rounds at temperature={temperature}"
    )


def regularised_value(
    q: Values, temperature: Temperature, log_base: Values | None = None
) -> tuple[ByState, Values]:
    """Return τ log Σ b exp(Q/τ) of each state, and the log-probabilities of the policy that attains it."""
    tau = np.asarray(temperature, dtype=np.float64)
    weighed = q / (tau[..., None] if tau.ndim else tau)
    if log_base is not None:
        weighed = weighed + log_base
    return tau * logsumexp(weighed, -1), log_softmax(weighed, -1)


def value_iteration(
    P: Transitions,
    R: Values,
    gamma: float,
    *,
    temperature: float = 0.0,
    log_base: Values | None = None,
    tolerance: float = 1e-12,
) -> Values:
    """Return Q by applying the operator until ‖TQ - Q‖∞ < tolerance·(1 - γ)/γ, or until only rounding is left.

    Args:
        P: transition probabilities.
        R: rewards.
        gamma: discount in [0, 1).
        temperature: 0 for the hard operator, else that of the soft one.
        log_base: see :func:`regularised_q`.
        tolerance: of the values, > 0.
    """
    q = R + np.zeros((*np.broadcast_shapes(P.shape[:-3], R.shape[:-2]), *R.shape[-2:]))
    enough = tolerance * (1.0 - gamma) / gamma if gamma > 0.0 else np.inf
    while True:
        value = regularised_value(q, temperature, log_base)[0] if temperature > 0.0 else q.max(-1)
        after = backup(P, R, gamma, value)
        change = float(np.abs(after - q).max(initial=0.0))
        if change < max(enough, 4.0 * np.finfo(float).eps * float(np.abs(after).max(initial=1.0))):
            return after
        q = after

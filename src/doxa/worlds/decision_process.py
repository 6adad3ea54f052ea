"""Finite Markov decision processes, solved exactly, with all optimal actions and not just one of them.

Leading axes are many processes at once: P (..., S, A, S), R (..., S, A); they broadcast, so a sweep of rewards over one
world is ``replace(world, R=many)``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float, Real

from doxa.belief.distances import check_distribution
from doxa.errors import InputError, did_you_mean
from doxa.worlds.decision_solvers import backup, hard_q, policy_values, regularised_q, regularised_value

Kind: TypeAlias = Literal["greedy", "uniform", "soft", "kl"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TIE = 1e-9
"""Values this near to the best one count as equal to it."""
_ROW = 1e-9

Values: TypeAlias = Float[np.ndarray, "... states actions"]
Policy: TypeAlias = Float[np.ndarray, "... states actions"]
ByState: TypeAlias = Float[np.ndarray, "... states"]
Given: TypeAlias = Real[np.ndarray, "..."]
"""Numbers that a caller gives; their shape is checked, and named in errors."""


class TieWarning(UserWarning):
    """The tolerance of ties takes actions for equal whose values differ by more than rounding."""


@dataclass(frozen=True)
class FiniteMDP:
    """A finite Markov decision process.

    Attributes:
        P: probability of the next state, (..., states, actions, states); rows sum to 1.
        R: expected reward of each action in each state, (..., states, actions).
        gamma: discount in [0, 1).

    >>> bandit = FiniteMDP(np.ones((1, 2, 1)), np.array([[1.0, 1.0]]), 0.5)
    >>> bandit.q_star().tolist(), bandit.optimal_actions().tolist()
    ([[2.0, 2.0]], [[True, True]])
    """

    P: Given
    R: Given
    gamma: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "P", _array("P", self.P))
        object.__setattr__(self, "R", _array("R", self.R))
        check_discount(self.gamma)
        if self.P.ndim < 3 or self.P.shape[-1] != self.P.shape[-3] or 0 in self.P.shape:
            raise InputError(f"P has shape {self.P.shape}: must be (states, actions, states), all at least 1")
        check_rewards("R", self.R, self.P.shape[-3:-1])
        self._check_rows()
        try:
            np.broadcast_shapes(self.P.shape[:-3], self.R.shape[:-2])
        except ValueError:
            raise InputError(
                f"P has leading axes {self.P.shape[:-3]} and R {self.R.shape[:-2]}: they must broadcast"
            ) from None

    def _check_rows(self) -> None:
        if np.any(self.P < 0.0):
            raise InputError(f"P{_first(self.P < 0.0)} is negative: probabilities must be >= 0")
        off = np.abs(self.P.sum(-1) - 1.0) > _ROW
        if off.any():
            s, a = np.argwhere(off)[0][-2:]
            total = float(self.P.sum(-1)[off][0])
            raise InputError(f"P at (s={s}, a={a}) sums to {total:.6g}: each row of P must sum to 1")

    @property
    def states(self) -> int:
        """Number of states."""
        return self.P.shape[-1]

    @property
    def actions(self) -> int:
        """Number of actions."""
        return self.P.shape[-2]

    @cached_property
    def _solved(self) -> Values:
        return hard_q(self.P, self.R, self.gamma)

    def q_star(self, tol: float = 1e-12) -> Values:
        """Return Q*, the fixed point of R + γ P max Q, by policy iteration with exact linear solves.

        Args:
            tol: largest ‖TQ - Q‖∞ that is let pass, relative to the largest value if that is above 1.

        Raises:
            InputError: rounding in this process is larger than ``tol``.
        """
        q = self._solved
        off = float(np.abs(backup(self.P, self.R, self.gamma, q.max(-1)) - q).max())
        if off > tol * max(1.0, float(np.abs(q).max())) / (1.0 - self.gamma):
            raise InputError(f"tol={tol}: Q* of this process is known to {off:.1e} only; ask for no less")
        return q

    def soft_q(self, alpha: float | Given) -> Values:
        """Return Q of the entropy-regularised optimum at temperature alpha > 0; its policy is softmax(Q/alpha)."""
        return regularised_q(self.P, self.R, self.gamma, check_temperature("alpha", alpha))

    def kl_q(self, beta: float | Given, base: Given) -> Values:
        """Return Q of the optimum that pays beta > 0 for each nat of KL(π‖base); π ∝ base·exp(Q/beta)."""
        return regularised_q(
            self.P, self.R, self.gamma, check_temperature("beta", beta), self._log_base(base)
        )

    def optimal_actions(self, tol: float = TIE) -> Bool[np.ndarray, "... states actions"]:
        """Return which actions are optimal: all whose Q* is within ``tol`` of the best.

        Warns:
            TieWarning: an action that is worse by more than rounding, but by less than ``tol``, is among them.
        """
        if not tol >= 0.0:
            raise InputError(f"tol={tol}: must be >= 0; the default is {TIE}")
        q = self._solved
        short = q.max(-1, keepdims=True) - q
        real = (short > self._rounding()) & (short <= tol)
        if real.any():
            s, gap = int(np.argwhere(real)[0][-2]), float(short[real].min())
            warnings.warn(
                f"tol={tol}: is larger than the smallest gap, {gap:.3g} (first at s={s}), so actions count as tied "
                f"that are not; use tol below it",
                TieWarning,
                stacklevel=2,
            )
        return short <= tol

    def gap(self, tol: float = TIE) -> ByState:
        """Return Δ(s), the best value less the second-best distinct one; inf where all actions tie."""
        q = self._solved
        short = q.max(-1, keepdims=True) - q
        return np.where(short > tol, short, np.inf).min(-1)

    def policy(
        self,
        kind: str = "greedy",
        alpha: float | Given = 0.0,
        base: Given | None = None,
        *,
        tol: float = TIE,
    ) -> Policy:
        """Return an optimal policy.

        Args:
            kind: ``greedy`` takes the first optimal action, ``uniform`` all alike, ``soft`` and ``kl`` are the
                regularised optima.
            alpha: temperature of ``soft``, weight of the KL of ``kl``; > 0 there.
            base: the policy that ``kl`` is kept near.
            tol: of ties.

        Raises:
            InputError: there is no such kind, alpha <= 0 where it is used, or the base is no policy.
        """
        if kind not in KINDS:
            raise InputError(f"kind={kind!r}: {did_you_mean(kind, KINDS)}")
        if kind in ("greedy", "uniform"):
            best = self.optimal_actions(tol)
            if kind == "uniform":
                return best / best.sum(-1, keepdims=True)
            return np.eye(self.actions)[best.argmax(-1)]
        if kind == "kl" and base is None:
            raise InputError("kind='kl': needs base=, the policy that it is kept near")
        log_base = self._log_base(base) if kind == "kl" and base is not None else None
        tau = np.asarray(check_temperature("alpha", alpha))
        q = regularised_q(self.P, self.R, self.gamma, tau, log_base)
        return np.exp(regularised_value(q, tau[..., None] if tau.ndim else tau, log_base)[1])

    def values(self, policy: Given) -> ByState:
        """Return V^π(s), the exact discounted reward of a policy from each state."""
        return policy_values(self.P, self.R, self.gamma, self._checked(policy))

    def action_values(self, policy: Given) -> Values:
        """Return Q^π(s, a)."""
        return backup(self.P, self.R, self.gamma, self.values(policy))

    def visits(self, policy: Given, start: Given) -> ByState:
        """Return the expected discounted number of visits to each state from a start distribution."""
        mu = check_distribution("the start distribution", start)
        moved = np.einsum("...sa,...sat->...ts", self._checked(policy), self.P)
        system = np.eye(self.states) - self.gamma * moved
        right = np.broadcast_to(mu, (*system.shape[:-2], self.states))
        return np.linalg.solve(system, right[..., None])[..., 0]

    def _rounding(self) -> float:
        return (
            64.0
            * float(np.finfo(float).eps)
            * max(1.0, float(np.abs(self._solved).max()))
            / (1.0 - self.gamma)
        )

    def _checked(self, policy: Given) -> Policy:
        if np.shape(policy)[-2:] != (self.states, self.actions):
            raise InputError(
                f"policy has shape {np.shape(policy)}: must be ({self.states} states, {self.actions} actions)"
            )
        return check_distribution("policy", policy)

    def _log_base(self, base: Given) -> Values:
        with np.errstate(divide="ignore"):
            return np.log(self._checked(base))


def check_discount(gamma: float) -> float:
    """Return a discount, or raise InputError unless it is in [0, 1)."""
    if not 0.0 <= gamma < 1.0:
        raise InputError(f"gamma={gamma}: must be in [0, 1); use 0.99 for a long horizon")
    return gamma


def check_temperature(name: str, value: float | Given) -> float | Given:
    """Return a temperature, or raise InputError unless it is finite and > 0."""
    if not (np.all(np.isfinite(value)) and np.all(np.asarray(value) > 0.0)):
        raise InputError(f"{name}={value}: must be > 0; use kind='uniform' for the limit at 0")
    return value


def check_rewards(name: str, R: Given, shape: tuple[int, ...] | None = None) -> Values:
    """Return rewards, or raise InputError naming what is not finite or has another shape."""
    given = _array(name, R)
    if given.ndim < 2 or (shape is not None and given.shape[-2:] != tuple(shape)):
        raise InputError(
            f"{name} has shape {given.shape}: must be (states, actions){'' if shape is None else f' = {shape}'}"
        )
    bad = ~np.isfinite(given)
    if bad.any():
        s, a = np.argwhere(bad)[0][-2:]
        raise InputError(f"{name} at (s={s}, a={a}) is {given[bad][0]}: rewards must be finite")
    return given


def _array(name: str, values: object) -> Float[np.ndarray, ...]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: must be numbers in rows of equal length") from None


def _first(where: np.ndarray) -> str:
    return str([int(at) for at in np.argwhere(where)[0]])

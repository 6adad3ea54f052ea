"""The world of social learning: one hidden state, agents who act one after another, a planner who sets precisions.

State ω is G or B, with prior b₁ = P(ω=G). Agent i sees earlier actions and one signal that is right with chance qᵢ, the
precision a planner chose for all to see. Public belief b is P(ω=G) given the history; with a Bayesian agent

    action = signal where 1-q <= b <= q, else the more likely state (a cascade, which reveals nothing),
    b↑ = bq/m, b↓ = b(1-q)/(1-m), m = bq + (1-b)(1-q) = P(signal G).

Arghal, He, Saeedi Bidokhti and Sarkar (arXiv:2504.02648); Bikhchandani, Hirshleifer and Welch (1992).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.information import expit, logit
from doxa.errors import InputError

Tie: TypeAlias = Literal["own_signal", "coin"]
"""What an agent does that is indifferent: follows its own signal, or tosses a coin."""

SLACK = 1e-12
"""Beliefs and precisions nearer than this are taken for equal, so that ties survive rounding."""


class NothingToLearnWarning(UserWarning):
    """The prior is certain: nobody can learn anything."""


@dataclass(frozen=True)
class LinearCost:
    """β(q) = k·|q - p|, the cost of moving the precision away from the baseline p.

    Attributes:
        k: cost per unit of precision, >= 0.
    """

    k: float = 0.5

    def __post_init__(self) -> None:
        if not (np.isfinite(self.k) and self.k >= 0):
            raise InputError(f"k={self.k}: must be finite and >= 0; 0 makes precision free")

    concave = True

    def __call__(self, change: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return the cost of a change of precision >= 0."""
        return np.asarray(self.k * change)


@dataclass(frozen=True)
class CurvedCost:
    """β = cost(|q - p|) for any cost that is 0 at 0 and does not fall.

    Attributes:
        cost: from changes in [0, 1/2] to costs, elementwise.
        concave: whether it is concave; with a convex cost precisions between the end points may be best, and the
            planner must be solved on a grid of them.
    """

    cost: Callable[[Float[np.ndarray, "*shape"]], Float[np.ndarray, "*shape"]]
    concave: bool = False

    def __post_init__(self) -> None:
        values = np.asarray(self.cost(np.linspace(0.0, 0.5, 101)), dtype=np.float64)
        if abs(values[0]) > SLACK:
            raise InputError(f"cost(0)={values[0]:g}: leaving the baseline alone must cost nothing")
        if not np.all(np.isfinite(values)) or np.any(np.diff(values) < -SLACK):
            raise InputError("cost: must be finite and must not fall as the change of precision grows")

    def __call__(self, change: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return the cost of a change of precision >= 0."""
        return np.asarray(self.cost(change), dtype=np.float64)


Cost: TypeAlias = LinearCost | CurvedCost


class Outcome(NamedTuple):
    """What one agent's action can do to the public belief, elementwise.

    Attributes:
        good: P(action G) as the public sees it.
        up: public belief after action G.
        down: public belief after action B.
        wrong: P(action is not the state).
    """

    good: Float[np.ndarray, "*shape"]
    up: Float[np.ndarray, "*shape"]
    down: Float[np.ndarray, "*shape"]
    wrong: Float[np.ndarray, "*shape"]


@dataclass(frozen=True)
class SocialLearning:
    """The world's parameters.

    Attributes:
        prior: P(ω=G) before anybody acts, in (0, 1).
        baseline: precision p of a signal the planner leaves alone, in [1/2, 1).
        error_cost: what a wrong action costs, C >= 0.
        precision_cost: cost of changing the precision.
        discount: δ in [0, 1), per agent.
        tie: what an indifferent agent does.

    Raises:
        InputError: a value out of range.
    """

    prior: float = 0.5
    baseline: float = 0.7
    error_cost: float = 1.0
    precision_cost: Cost = field(default_factory=LinearCost)
    discount: float = 0.9
    tie: Tie | str = "own_signal"

    def __post_init__(self) -> None:
        if not 0.0 <= self.prior <= 1.0:
            raise InputError(f"prior={self.prior}: must be in (0, 1)")
        if self.prior in (0.0, 1.0):
            warnings.warn(
                f"prior={self.prior:g}: the state is known, there is nothing to learn",
                NothingToLearnWarning,
                stacklevel=3,
            )
        if not 0.5 <= self.baseline < 1.0:
            raise InputError(
                f"baseline={self.baseline}: must be in [0.5, 1); at 1 every agent knows and no change is left to cost"
            )
        if not 0.0 <= self.discount < 1.0:
            raise InputError(f"discount={self.discount}: must be in [0, 1), or the value is infinite")
        if not (np.isfinite(self.error_cost) and self.error_cost >= 0.0):
            raise InputError(f"error_cost={self.error_cost}: must be finite and >= 0")
        if self.tie not in ("own_signal", "coin"):
            raise InputError(f"tie={self.tie!r}: must be 'own_signal' or 'coin'")

    def cost(self, q: Float[np.ndarray, "*shape"] | float) -> Float[np.ndarray, "*shape"]:
        """Return β(|q - p|) of precisions in [1/2, 1]."""
        change = np.asarray(np.abs(np.asarray(q, dtype=np.float64) - self.baseline))
        return np.asarray(self.precision_cost(change))

    @property
    def bound(self) -> float:
        """The largest a value can be, (C + β)/(1 - δ) with the dearest change."""
        dearest = max(float(self.cost(1.0)), float(self.cost(0.5)))
        return (self.error_cost + dearest) / (1.0 - self.discount)

    def is_informative(self, b: float, q: float) -> bool:
        """Return whether a Bayesian agent's action reveals its signal: 1-q <= b <= q."""
        checked_belief(b)
        return bool(checked_precision(q) + SLACK >= lowest_informative(np.array([b]))[0])

    def action(self, b: float, q: float, s: str) -> str:
        """Return what a Bayesian agent does at public belief b with signal s of precision q; ties follow ``s``."""
        if s not in ("G", "B"):
            raise InputError(f"s={s!r}: a signal is 'G' or 'B'")
        return s if self.is_informative(b, q) else ("G" if b > 0.5 else "B")

    def update(self, b: float, q: float, a: str) -> float:
        """Return the public belief after an action of a Bayesian agent."""
        if a not in ("G", "B"):
            raise InputError(f"a={a!r}: an action is 'G' or 'B'")
        if not self.is_informative(b, q):
            return float(b)
        moved = private_belief(np.array([b]), np.array([q]), np.array([a == "G"]))
        return float(moved[0])


def checked_precision(q: float) -> float:
    """Return a precision, or raise InputError where it is none; 70 for 0.7 is told apart."""
    if 1.0 < q <= 100.0:
        raise InputError(f"precision {q:g}: must be in [0.5, 1]; if per cent were meant, give {q / 100:g}")
    if not 0.5 <= q <= 1.0:
        raise InputError(
            f"precision {q:g}: must be in [0.5, 1]; below 0.5 a signal would point the other way"
        )
    return float(q)


def checked_belief(b: float) -> float:
    """Return a public belief, or raise InputError where it is none."""
    if not 0.0 <= b <= 1.0:
        raise InputError(f"belief {b:g}: must be in [0, 1]")
    return float(b)


def private_belief(
    b: Float[np.ndarray, "*shape"], q: Float[np.ndarray, "*shape"], good: Bool[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return Bayes' belief after a signal; where the signal was impossible, that it would have proved."""
    hit = np.where(good, b * q, b * (1.0 - q))
    miss = np.where(good, (1.0 - b) * (1.0 - q), (1.0 - b) * q)
    total = hit + miss
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0.0, hit / total, np.where(good, 1.0, 0.0))


def lowest_informative(b: Float[np.ndarray, "*shape"], herding: float = 1.0) -> Float[np.ndarray, "*shape"]:
    """Return ℓ(b), the least precision at which an action reveals its signal.

    max(b, 1-b) for a Bayesian agent; expit(herding·|λ|) for one that follows its signal while herding·|λ| <= L(q).

    Args:
        b: public beliefs in [0, 1].
        herding: weight of the public log-odds against those of a contradicting signal, > 0.
    """
    if herding == 1.0:
        return np.maximum(b, 1.0 - b)
    return np.asarray(expit(herding * np.abs(logit(np.asarray(b, dtype=np.float64)))), dtype=np.float64)


def outcome(
    b: Float[np.ndarray, "*shape"],
    q: Float[np.ndarray, "*shape"],
    after_good: Float[np.ndarray, "*shape"],
    after_bad: Float[np.ndarray, "*shape"],
) -> Outcome:
    """Return what an action does to the public belief of observers who know how agents respond.

    Args:
        b: public beliefs.
        q: precisions.
        after_good: P(action G | signal G): 1 where the action reveals the signal.
        after_bad: P(action G | signal B): 0 where it does; equal to ``after_good`` in a cascade.
    """
    in_good = q * after_good + (1.0 - q) * after_bad
    in_bad = (1.0 - q) * after_good + q * after_bad
    good = b * in_good + (1.0 - b) * in_bad
    with np.errstate(invalid="ignore", divide="ignore"):
        up = np.where(good > 0.0, b * in_good / good, 1.0)
        down = np.where(good < 1.0, b * (1.0 - in_good) / (1.0 - good), 0.0)
    silent = in_good == in_bad
    wrong = b * (1.0 - in_good) + (1.0 - b) * in_bad
    return Outcome(good, np.where(silent, b, up), np.where(silent, b, down), wrong)

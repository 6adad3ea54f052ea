"""Group-relative policy gradient on a bandit: many learners side by side, one update after another.

A softmax policy over arms samples a group, takes advantages A_i = r_i - mean(r), divided by std(r) + eps where they are
normalised, and climbs the mean of A_i·log π(a_i) plus α times its entropy. Where all samples are right, a bonus of ε on
one arm is all that differs between rewards, and dividing by their deviation makes it as large as any other difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.streams import stream

NOT = float("nan")
"""Normaliser of a learner whose advantages are not divided by the group's deviation."""
TIE = 0.1
"""Spread of a group's rewards below which dividing by it amplifies: a tenth of what being right is worth."""


@dataclass(frozen=True)
class Learners:
    """What the learners of a stack differ in: one number each.

    Attributes:
        bonus: ε, what the second of the right arms pays more than the first.
        entropy: α, weight of the entropy in the objective, >= 0.
        normaliser: what is added to a group's standard deviation before advantages are divided by it, >= 0; NaN does
            not divide.
    """

    bonus: Float[np.ndarray, " learners"]
    entropy: Float[np.ndarray, " learners"]
    normaliser: Float[np.ndarray, " learners"]

    def __post_init__(self) -> None:
        if not self.bonus.shape == self.entropy.shape == self.normaliser.shape or not self.bonus.size:
            raise InputError(
                f"bonus, entropy and normaliser have shapes {self.bonus.shape}, {self.entropy.shape} and "
                f"{self.normaliser.shape}: give one number of each to every learner"
            )
        if not np.all(np.isfinite(self.bonus)) or not np.all(self.entropy >= 0.0):
            raise InputError("bonus must be finite, and entropy >= 0")
        if np.any(self.normaliser < 0.0):
            raise InputError("normaliser must be >= 0, or NaN where advantages are not divided")


@dataclass(frozen=True)
class Bandit:
    """The task and how it is learnt.

    Attributes:
        arms: how many arms there are.
        right: how many of them pay 1, >= 2; the others pay 0.
        group: samples of one update, >= 2.
        updates: how many there are.
        step: size of a gradient step.
    """

    arms: int = 6
    right: int = 2
    group: int = 16
    updates: int = 3000
    step: float = 0.05

    def __post_init__(self) -> None:
        if not 2 <= self.right <= self.arms:
            raise InputError(f"right={self.right}: must be in 2..{self.arms}, the number of arms")
        if self.group < 2 or self.updates < 1 or not self.step > 0.0:
            raise InputError(
                f"group={self.group}, updates={self.updates}, step={self.step}: must be >= 2, >= 1 and > 0"
            )

    def rewards(self, bonus: Float[np.ndarray, " learners"]) -> Float[np.ndarray, "learners arms"]:
        """Return what each arm pays each learner."""
        paid = np.zeros((bonus.size, self.arms))
        paid[:, : self.right] = 1.0
        paid[:, 1] += bonus
        return paid


class Learnt(NamedTuple):
    """What became of the learners.

    Attributes:
        policy: probability of each arm at the end.
        tie_rate: share of groups, by stretch of updates, whose rewards differ by a deviation below ``TIE``.
    """

    policy: Float[np.ndarray, "learners arms"]
    tie_rate: Float[np.ndarray, "learners stretches"]

    @property
    def second_of_right(self) -> Float[np.ndarray, " learners"]:
        """P(second arm | first or second), the share that the bonus decides."""
        return self.policy[:, 1] / (self.policy[:, 0] + self.policy[:, 1])


def learn(bandit: Bandit, learners: Learners, seed: int, *, stretches: int = 30) -> Learnt:
    """Train learners that all have the same luck: they invert their policies at the same uniform numbers.

    Args:
        bandit: the task.
        learners: what they differ in.
        seed: of the uniform numbers.
        stretches: into how many parts of equal length the updates are divided for ``tie_rate``.
    """
    rng = stream(seed, "bandit learner")
    paid = bandit.rewards(learners.bonus)
    many, arms = paid.shape
    base = arms * np.arange(many)[:, None]
    logits = np.zeros((many, arms))
    divided = ~np.isnan(learners.normaliser)[:, None]
    added = np.nan_to_num(learners.normaliser)[:, None]
    alpha = learners.entropy[:, None]
    tied = np.zeros((many, stretches))
    for update in range(bandit.updates):
        policy = softmax(logits)
        drawn = inverted(policy, rng.random(bandit.group))
        rewards = np.take_along_axis(paid, drawn, 1)
        centred = rewards - rewards.mean(1, keepdims=True)
        spread = np.sqrt((centred**2).sum(1, keepdims=True) / (bandit.group - 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            advantage = np.where(divided & (spread > 0.0), centred / (spread + added), centred)
        pulled = np.bincount((drawn + base).ravel(), advantage.ravel(), many * arms).reshape(many, arms)
        gradient = (pulled - advantage.sum(1, keepdims=True) * policy) / bandit.group
        log_policy = np.log(np.maximum(policy, 1e-300))
        entropy = -(policy * log_policy).sum(1, keepdims=True)
        logits += bandit.step * (gradient - alpha * policy * (log_policy + entropy))
        tied[:, update * stretches // bandit.updates] += ((spread > 1e-12) & (spread < TIE))[:, 0]
    lengths = np.bincount(np.arange(bandit.updates) * stretches // bandit.updates, minlength=stretches)
    return Learnt(softmax(logits), tied / np.maximum(lengths, 1))


def softmax(logits: Float[np.ndarray, "learners arms"]) -> Float[np.ndarray, "learners arms"]:
    """Return the policies; small arrays many times, so without the checks of the mathematics of belief."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def inverted(
    policy: Float[np.ndarray, "learners arms"], uniform: Float[np.ndarray, " group"]
) -> Int[np.ndarray, "learners group"]:
    """Return the arm of each learner at each uniform number, by the inverse of its distribution function."""
    bounds = np.cumsum(policy, 1)[:, :-1]
    return (uniform[None, :, None] >= bounds[:, None, :]).sum(2)

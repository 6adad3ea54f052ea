"""Kernels of agents that regress rewards on actions and choose by an upper confidence bound.

One state serves them all. An agent that holds an action for 1 + H_m rounds learns from the last reward alone; one
that does not hold has epochs of one round. A discount below 1 forgets, and needs a second matrix for its width.

Without forgetting nothing is inverted: with z = V⁻¹u, w = ⟨u, z⟩ and c_k = ⟨u_k, z⟩, a reward y moves the score of
each action by c_k (y - ⟨ĥ, u⟩) / (1 + w) and its squared width by -c_k² / (1 + w) (Sherman and Morrison 1950), so that
a round costs d² + K d.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.lab.compiled import compiled
from doxa.worlds.linear_bandits.world_kernels import (
    ARM,
    LEFT,
    PLAYED,
    WAITING,
    Place,
    Tape,
    WorldArrays,
    at_checkpoint,
    keep,
    pull,
)

EPOCH, HOLD = WAITING + 1, WAITING + 2
"""Places of the clock after those of every agent: epochs begun, and H_m."""
SLACK = 1e-12
"""Room in ρ̄^-k <= m, because the power of a float can come out a little too large."""


class RidgeState(NamedTuple):
    """What a regressing agent holds; arrays are written in place.

    Attributes:
        gram: V.
        inverse: V⁻¹.
        squared: Ṽ, the matrix discounted twice as fast; equal to V without a discount.
        moment: b.
        estimate: ĥ = V⁻¹ b.
        scores: ⟨ĥ, u⟩ of each action.
        widths: uᵀV⁻¹u of each action, or uᵀV⁻¹ṼV⁻¹u with a discount.
        clock: rounds played, rounds left in this epoch, its action, whether a reward is waited for, epochs begun, H_m.
    """

    gram: Float[np.ndarray, "d d"]
    inverse: Float[np.ndarray, "d d"]
    squared: Float[np.ndarray, "d d"]
    moment: Float[np.ndarray, " d"]
    estimate: Float[np.ndarray, " d"]
    scores: Float[np.ndarray, " arms"]
    widths: Float[np.ndarray, " arms"]
    clock: Int[np.ndarray, " 6"]


class RidgeSettings(NamedTuple):
    """What a regressing agent is set to.

    Attributes:
        actions: the vectors it chooses among.
        lam: λ.
        carry: c₁, weight of log(e(t+1))/√λ.
        bias: c₂, weight of √λ.
        noise: σ̃.
        confidence: log(1/δ).
        spread: Ū²/(dλ).
        growth: 1/ρ̄ of the held epochs; 0 holds nothing.
        discount: γ; 1 forgets nothing.
        scale: by which the width is multiplied.
        constant: width that does not change with t, in place of the formula; below 0 for the formula.
    """

    actions: Float[np.ndarray, "arms d"]
    lam: float
    carry: float
    bias: float
    noise: float
    confidence: float
    spread: float
    growth: float
    discount: float
    scale: float
    constant: float


@compiled
def held_rounds(epoch: int, growth: float, hold: int) -> int:
    """Return H_m = max{k >= 0: growth^k <= m (1 + 1e-12)}, from the H of an earlier epoch."""
    if growth <= 0.0:
        return 0
    while growth ** (hold + 1) <= epoch * (1.0 + SLACK):
        hold += 1
    return hold


@compiled
def width(settings: RidgeSettings, played: int) -> float:
    """Return β after so many rounds."""
    if settings.constant >= 0.0:
        return settings.scale * settings.constant
    d, root = settings.actions.shape[1], np.sqrt(settings.lam)
    rounds = float(played)
    if settings.discount < 1.0:
        twice = settings.discount**2
        rounds = (1.0 - twice**played) / (1.0 - twice)
    beta = settings.bias * root + settings.noise * np.sqrt(
        2.0 * (settings.confidence + 0.5 * d * np.log1p(rounds * settings.spread))
    )
    if settings.carry > 0.0:
        beta += settings.carry * (1.0 + np.log(played + 1.0)) / root
    return settings.scale * beta


@compiled
def choose(state: RidgeState, settings: RidgeSettings, _luck: float) -> int:
    """Return the action of this round; where an epoch begins, the first of those with the highest bound."""
    clock = state.clock
    if clock[LEFT] == 0:
        beta, best, high = width(settings, clock[PLAYED]), 0, -np.inf
        for k in range(state.scores.size):
            bound = state.scores[k] + beta * np.sqrt(max(state.widths[k], 0.0))
            if bound > high:
                best, high = k, bound
        clock[EPOCH] += 1
        clock[HOLD] = held_rounds(clock[EPOCH], settings.growth, clock[HOLD])
        clock[LEFT], clock[ARM] = 1 + clock[HOLD], best
    return clock[ARM]


@compiled
def learn(state: RidgeState, settings: RidgeSettings, reward: float) -> None:
    """Take the reward of the round; only the last of an epoch changes the estimate."""
    clock = state.clock
    clock[PLAYED] += 1
    clock[LEFT] -= 1
    if clock[LEFT] > 0:
        return
    action = settings.actions[clock[ARM]]
    if settings.discount < 1.0:
        _forget(state, settings, action, reward)
        return
    d, arms = state.moment.size, state.scores.size
    image = np.zeros(d)
    for i in range(d):
        for j in range(d):
            image[i] += state.inverse[i, j] * action[j]
    squared, surprise = 0.0, reward
    for i in range(d):
        squared += image[i] * action[i]
        surprise -= state.estimate[i] * action[i]
    part = 1.0 / (1.0 + squared)
    for i in range(d):
        state.moment[i] += reward * action[i]
        state.estimate[i] += image[i] * surprise * part
        for j in range(d):
            state.gram[i, j] += action[i] * action[j]
            state.squared[i, j] = state.gram[i, j]
            state.inverse[i, j] -= image[i] * image[j] * part
    for k in range(arms):
        shared = 0.0
        for i in range(d):
            shared += settings.actions[k, i] * image[i]
        state.scores[k] += shared * surprise * part
        state.widths[k] -= shared * shared * part


@compiled
def _forget(
    state: RidgeState, settings: RidgeSettings, action: Float[np.ndarray, " d"], reward: float
) -> None:
    """Take a reward and let all earlier ones fade: V ← γV + uuᵀ + (1-γ)λI, and Ṽ with γ²."""
    d, arms, once = state.moment.size, state.scores.size, settings.discount
    twice = once * once
    for i in range(d):
        state.moment[i] = once * state.moment[i] + reward * action[i]
        for j in range(d):
            state.gram[i, j] = once * state.gram[i, j] + action[i] * action[j]
            state.squared[i, j] = twice * state.squared[i, j] + action[i] * action[j]
        state.gram[i, i] += (1.0 - once) * settings.lam
        state.squared[i, i] += (1.0 - twice) * settings.lam
    invert(state.gram, state.inverse)
    image = np.zeros(d)
    for i in range(d):
        total = 0.0
        for j in range(d):
            total += state.inverse[i, j] * state.moment[j]
        state.estimate[i] = total
    for k in range(arms):
        score, wide = 0.0, 0.0
        for i in range(d):
            image[i] = 0.0
            score += settings.actions[k, i] * state.estimate[i]
            for j in range(d):
                image[i] += state.inverse[i, j] * settings.actions[k, j]
        for i in range(d):
            for j in range(d):
                wide += image[i] * state.squared[i, j] * image[j]
        state.scores[k], state.widths[k] = score, wide


@compiled
def invert(matrix: Float[np.ndarray, "d d"], inverse: Float[np.ndarray, "d d"]) -> None:
    """Write the inverse of a symmetric positive definite matrix, by elimination without pivots."""
    d = matrix.shape[0]
    work = matrix.copy()
    for i in range(d):
        for j in range(d):
            inverse[i, j] = 1.0 if i == j else 0.0
    for i in range(d):
        head = 1.0 / work[i, i]
        for j in range(d):
            work[i, j] *= head
            inverse[i, j] *= head
        for k in range(d):
            if k != i:
                factor = work[k, i]
                for j in range(d):
                    work[k, j] -= factor * work[i, j]
                    inverse[k, j] -= factor * inverse[i, j]


@compiled
def run_ridge(
    world: WorldArrays,
    place: Place,
    noise: Float[np.ndarray, "rounds noises"],
    _luck: Float[np.ndarray, " draws"],
    state: RidgeState,
    settings: RidgeSettings,
    tape: Tape,
) -> None:
    """Play some rounds."""
    for r in range(noise.shape[0]):
        arm = choose(state, settings, 0.0)
        learn(state, settings, pull(world, place, arm, noise[r], tape))
        if at_checkpoint(tape):
            keep(tape, state.scores, state.estimate)

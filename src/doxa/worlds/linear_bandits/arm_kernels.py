"""Kernels of agents that treat actions as separate arms: exponential weights, autoregressive arms, UCB1, fixed play."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.lab.compiled import compiled
from doxa.worlds.linear_bandits.world_kernels import (
    ARM,
    LEFT,
    PLAYED,
    Place,
    Tape,
    WorldArrays,
    at_checkpoint,
    keep,
    pull,
)


class Exp3State(NamedTuple):
    """Exponential weights; arrays are written in place.

    Attributes:
        log_weights: logarithm of each arm's weight; weights themselves would overflow.
        probabilities: of the next draw.
        total: sum of the rewards of this batch.
        clock: rounds played, rounds left of the batch, the arm, whether its reward is waited for.
    """

    log_weights: Float[np.ndarray, " arms"]
    probabilities: Float[np.ndarray, " arms"]
    total: Float[np.ndarray, " 1"]
    clock: Int[np.ndarray, " 4"]


class Exp3Settings(NamedTuple):
    """What exponential weights are set to.

    Attributes:
        mixing: γ, the share of rounds spread evenly over arms.
        low: reward that counts as 0.
        span: difference of rewards that counts as 1.
        batch: rounds for which an arm is played; their mean reward counts once.
    """

    mixing: float
    low: float
    span: float
    batch: int


@compiled
def exp3_choose(state: Exp3State, settings: Exp3Settings, luck: float) -> int:
    """Return the arm of this round; where a batch begins it is drawn."""
    clock, arms = state.clock, state.log_weights.size
    if clock[LEFT] == 0:
        top, total = np.max(state.log_weights), 0.0
        for k in range(arms):
            state.probabilities[k] = np.exp(state.log_weights[k] - top)
            total += state.probabilities[k]
        below, drawn = 0.0, arms - 1
        for k in range(arms):
            state.probabilities[k] = (1.0 - settings.mixing) * state.probabilities[
                k
            ] / total + settings.mixing / arms
        for k in range(arms):
            below += state.probabilities[k]
            if luck < below:
                drawn = k
                break
        clock[LEFT], clock[ARM], state.total[0] = settings.batch, drawn, 0.0
    return clock[ARM]


@compiled
def exp3_learn(state: Exp3State, settings: Exp3Settings, reward: float) -> None:
    """Take a reward; at the end of a batch the arm's weight grows by exp(γ/K · mean / probability)."""
    clock, arms = state.clock, state.log_weights.size
    clock[PLAYED] += 1
    clock[LEFT] -= 1
    state.total[0] += reward
    if clock[LEFT] == 0:
        arm = clock[ARM]
        gain = (state.total[0] / settings.batch - settings.low) / settings.span
        state.log_weights[arm] += settings.mixing / arms * gain / state.probabilities[arm]


@compiled
def run_exp3(
    world: WorldArrays,
    place: Place,
    noise: Float[np.ndarray, "rounds noises"],
    luck: Float[np.ndarray, " draws"],
    state: Exp3State,
    settings: Exp3Settings,
    tape: Tape,
) -> None:
    """Play some rounds."""
    nothing = np.full(tape.estimate.shape[1], np.nan)
    for r in range(noise.shape[0]):
        arm = exp3_choose(state, settings, luck[r])
        exp3_learn(state, settings, pull(world, place, arm, noise[r], tape))
        if at_checkpoint(tape):
            keep(tape, state.probabilities, nothing)


class AR2State(NamedTuple):
    """What is held of arms whose rewards regress to 0; arrays are written in place.

    Attributes:
        last: last reward of each arm.
        seen: round in which it was paid, -1 before.
        triggered: round in which an arm was marked for a new look, -1 where it is not.
        board: what each arm is expected to pay now.
        clock: rounds played, rounds of this epoch, the arm, whether its reward is waited for.
    """

    last: Float[np.ndarray, " arms"]
    seen: Int[np.ndarray, " arms"]
    triggered: Int[np.ndarray, " arms"]
    board: Float[np.ndarray, " arms"]
    clock: Int[np.ndarray, " 4"]


class AR2Settings(NamedTuple):
    """What an agent for autoregressive arms is set to.

    Attributes:
        alpha: α, by which an unobserved arm regresses each round.
        sigma: σ of its innovations.
        factor: c₁, width of the bound in standard deviations.
        epoch: rounds after which everything is forgotten.
    """

    alpha: float
    sigma: float
    factor: float
    epoch: int


@compiled
def ar2_choose(state: AR2State, settings: AR2Settings, _luck: float) -> int:
    """Return the arm of this round: each once at first, then the best and marked ones in turn."""
    clock, arms = state.clock, state.last.size
    if clock[LEFT] == settings.epoch:
        clock[LEFT] = 0
        state.seen[:] = -1
        state.triggered[:] = -1
    if clock[LEFT] < arms:
        clock[ARM] = clock[LEFT]
        return clock[ARM]
    now, alpha, best = clock[PLAYED], settings.alpha, 0
    for k in range(arms):
        state.board[k] = alpha ** (now - state.seen[k]) * state.last[k]
        if state.board[k] > state.board[best]:
            best = k
    oldest = -1
    for k in range(arms):
        if k != best and state.triggered[k] < 0:
            drift = (alpha**2 - alpha ** (2.0 * (now - state.seen[k] + 1.0))) / (1.0 - alpha**2)
            if state.board[best] - state.board[k] <= settings.factor * settings.sigma * np.sqrt(
                max(drift, 0.0)
            ):
                state.triggered[k] = now
        if state.triggered[k] >= 0 and (oldest < 0 or state.triggered[k] < state.triggered[oldest]):
            oldest = k
    looks = oldest >= 0 and clock[LEFT] % 2 == 1
    clock[ARM] = oldest if looks else best
    return clock[ARM]


@compiled
def ar2_learn(state: AR2State, _settings: AR2Settings, reward: float) -> None:
    """Take the reward of the round."""
    clock = state.clock
    arm = clock[ARM]
    state.last[arm], state.seen[arm], state.triggered[arm] = reward, clock[PLAYED], -1
    state.board[arm] = reward
    clock[PLAYED] += 1
    clock[LEFT] += 1


@compiled
def run_ar2(
    world: WorldArrays,
    place: Place,
    noise: Float[np.ndarray, "rounds noises"],
    _luck: Float[np.ndarray, " draws"],
    state: AR2State,
    settings: AR2Settings,
    tape: Tape,
) -> None:
    """Play some rounds."""
    nothing = np.full(tape.estimate.shape[1], np.nan)
    for r in range(noise.shape[0]):
        arm = ar2_choose(state, settings, 0.0)
        ar2_learn(state, settings, pull(world, place, arm, noise[r], tape))
        if at_checkpoint(tape):
            keep(tape, state.board, nothing)


class CountState(NamedTuple):
    """Pulls and rewards of each arm; arrays are written in place.

    Attributes:
        counts: pulls.
        means: mean reward, 0 before the first.
        clock: rounds played, none, the arm, whether its reward is waited for.
    """

    counts: Int[np.ndarray, " arms"]
    means: Float[np.ndarray, " arms"]
    clock: Int[np.ndarray, " 4"]


class CountSettings(NamedTuple):
    """What counts are used for.

    Attributes:
        scale: width of the rewards in UCB1; below 0 the arm of the clock is played for ever.
    """

    scale: float


@compiled
def count_choose(state: CountState, settings: CountSettings, _luck: float) -> int:
    """Return the first arm never pulled, or that with the highest mean + scale·√(2 ln t / n)."""
    clock = state.clock
    if settings.scale >= 0.0:
        best, high, log = 0, -np.inf, np.log(max(clock[PLAYED], 1))
        for k in range(state.counts.size):
            if state.counts[k] == 0:
                best = k
                break
            bound = state.means[k] + settings.scale * np.sqrt(2.0 * log / state.counts[k])
            if bound > high:
                best, high = k, bound
        clock[ARM] = best
    return clock[ARM]


@compiled
def count_learn(state: CountState, _settings: CountSettings, reward: float) -> None:
    """Take the reward of the round."""
    arm = state.clock[ARM]
    state.counts[arm] += 1
    state.means[arm] += (reward - state.means[arm]) / state.counts[arm]
    state.clock[PLAYED] += 1


@compiled
def run_count(
    world: WorldArrays,
    place: Place,
    noise: Float[np.ndarray, "rounds noises"],
    _luck: Float[np.ndarray, " draws"],
    state: CountState,
    settings: CountSettings,
    tape: Tape,
) -> None:
    """Play some rounds."""
    nothing = np.full(tape.estimate.shape[1], np.nan)
    for r in range(noise.shape[0]):
        arm = count_choose(state, settings, 0.0)
        count_learn(state, settings, pull(world, place, arm, noise[r], tape))
        if at_checkpoint(tape):
            keep(tape, state.means, nothing)

"""Kernels of the environment: what a round pays, how the hidden state moves, and what is written down of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.lab.compiled import compiled

PLAYED, LEFT, ARM, WAITING = range(4)
"""First places of every agent's clock: rounds played, rounds left in which the action is held, the action, and 1 while
a round's action is chosen and its reward is not known."""


class WorldArrays(NamedTuple):
    """A system as one agent's actions meet it.

    Attributes:
        transition: A.
        moves: B u of each action.
        read: ω.
        direct: ⟨θ, u⟩ of each action.
        value: J(u) of each action.
        sds: standard deviations of the reward's noise and of the state's.
        best: J*.
    """

    transition: Float[np.ndarray, "n n"]
    moves: Float[np.ndarray, "arms n"]
    read: Float[np.ndarray, " n"]
    direct: Float[np.ndarray, " arms"]
    value: Float[np.ndarray, " arms"]
    sds: Float[np.ndarray, " 2"]
    best: float


class Place(NamedTuple):
    """Where a run of one agent stands; arrays are written in place.

    Attributes:
        state: x.
        expected: x as it would be without noise under the same actions.
        spare: room for the next state.
    """

    state: Float[np.ndarray, " n"]
    expected: Float[np.ndarray, " n"]
    spare: Float[np.ndarray, " n"]


class Tape(NamedTuple):
    """What is written down of one agent's run; arrays are written in place.

    Attributes:
        cursor: rounds played, and checkpoints passed.
        totals: pseudo-, expected and realised regret so far.
        pulls: rounds in which each action was played.
        checkpoints: rounds after which the totals are kept, increasing.
        regret: pseudo-, expected and realised regret at each checkpoint.
        counts: pulls of each action at each checkpoint.
        board: what the agent then held of each action.
        estimate: its estimate of h, NaN where it has none.
        arms: action of each round, or of size 0.
        rewards: reward of each round, or of size 0.
    """

    cursor: Int[np.ndarray, " 2"]
    totals: Float[np.ndarray, " 3"]
    pulls: Int[np.ndarray, " arms"]
    checkpoints: Int[np.ndarray, " checkpoints"]
    regret: Float[np.ndarray, "checkpoints 3"]
    counts: Int[np.ndarray, "checkpoints arms"]
    board: Float[np.ndarray, "checkpoints arms"]
    estimate: Float[np.ndarray, "checkpoints d"]
    arms: Int[np.ndarray, " rounds"]
    rewards: Float[np.ndarray, " rounds"]


@compiled
def pull(
    world: WorldArrays, place: Place, arm: int, noise: Float[np.ndarray, " noises"], tape: Tape
) -> float:
    """Return the reward of an action, move the state, and write down what the round cost.

    y = ⟨ω, x⟩ + ⟨θ, u⟩ + η, then x ← A x + B u + ε. ``noise`` is standard Normal, the reward's first.
    """
    transition, moves, read = world.transition, world.moves, world.read
    state, expected, spare = place.state, place.expected, place.spare
    n = state.size
    mean, noiseless = world.direct[arm], world.direct[arm]
    for i in range(n):
        mean += read[i] * state[i]
        noiseless += read[i] * expected[i]
    reward = mean + world.sds[0] * noise[0]
    for i in range(n):
        total = moves[arm, i] + world.sds[1] * noise[i + 1]
        for j in range(n):
            total += transition[i, j] * state[j]
        spare[i] = total
    for i in range(n):
        state[i] = spare[i]
    for i in range(n):
        total = moves[arm, i]
        for j in range(n):
            total += transition[i, j] * expected[j]
        spare[i] = total
    for i in range(n):
        expected[i] = spare[i]
    tape.totals[0] += world.best - world.value[arm]
    tape.totals[1] += world.best - noiseless
    tape.totals[2] += world.best - reward
    tape.pulls[arm] += 1
    played = tape.cursor[0]
    if played < tape.arms.size:
        tape.arms[played] = arm
        tape.rewards[played] = reward
    tape.cursor[0] = played + 1
    return reward


@compiled
def at_checkpoint(tape: Tape) -> bool:
    """Return whether the round just played is the next checkpoint."""
    passed = tape.cursor[1]
    return passed < tape.checkpoints.size and tape.checkpoints[passed] == tape.cursor[0]


@compiled
def keep(tape: Tape, board: Float[np.ndarray, " arms"], estimate: Float[np.ndarray, " d"]) -> None:
    """Keep the totals of a checkpoint, and what the agent holds."""
    passed = tape.cursor[1]
    # loops, because the compiler takes seconds for assigning a whole row
    for i in range(tape.totals.size):
        tape.regret[passed, i] = tape.totals[i]
    for i in range(tape.pulls.size):
        tape.counts[passed, i] = tape.pulls[i]
        tape.board[passed, i] = board[i]
    for i in range(estimate.size):
        tape.estimate[passed, i] = estimate[i]
    tape.cursor[1] = passed + 1

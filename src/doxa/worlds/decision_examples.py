"""Decision processes with known answers: random, tied by construction, two routes, helpful against safe, a bandit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.worlds.decision_process import FiniteMDP, Given, Values, check_discount, check_rewards
from doxa.worlds.decision_solvers import backup


def inverse_bellman(Q: Given, P: Given, gamma: float) -> Values:
    """Return the reward whose optimal action values are Q: R_Q = Q - γ P max_a' Q.

    Args:
        Q: any finite action values.
        P: transition probabilities.
        gamma: discount in [0, 1).

    Raises:
        InputError: Q is not finite, shapes differ, or the discount is out of range.
    """
    values = check_rewards("Q", Q, np.shape(P)[-3:-1])
    return values - backup(P, np.zeros_like(values), check_discount(gamma), values.max(-1))


def random_transitions(
    rng: np.random.Generator,
    states: int,
    actions: int,
    many: tuple[int, ...] = (),
    concentration: float = 0.3,
) -> Float[np.ndarray, "... states actions states"]:
    """Return transition rows drawn from a symmetric Dirichlet distribution; a small concentration makes them sparse."""
    return rng.dirichlet(np.full(states, concentration), size=(*many, states, actions))


def random_mdp(
    rng: np.random.Generator, states: int, actions: int, gamma: float, many: tuple[int, ...] = ()
) -> FiniteMDP:
    """Return random processes with standard Normal rewards; ``many`` are leading axes."""
    P = random_transitions(rng, states, actions, many)
    return FiniteMDP(P, rng.standard_normal((*many, states, actions)), gamma)


class Tied(NamedTuple):
    """Processes with a tie of known width.

    Attributes:
        mdp: the processes.
        state: where actions tie, in each.
        tied: the tied actions of that state, in ascending order.
    """

    mdp: FiniteMDP
    state: Int[np.ndarray, ...]
    tied: Int[np.ndarray, "... ways"]


def tied_mdp(
    rng: np.random.Generator,
    states: int,
    actions: int,
    gamma: float,
    ways: int = 2,
    many: tuple[int, ...] = (),
) -> Tied:
    """Return random processes in which ``ways`` actions of one state are exactly optimal, by inverse Bellman.

    Raises:
        InputError: ``ways`` is not in 2..actions.
    """
    if not 2 <= ways <= actions:
        raise InputError(f"ways={ways}: must be in 2..{actions}, the number of actions")
    P = random_transitions(rng, states, actions, many)
    Q = rng.standard_normal((*many, states, actions))
    state = rng.integers(states, size=many)
    tied = np.sort(
        rng.permuted(np.broadcast_to(np.arange(actions), (*many, actions)), axis=-1)[..., :ways], -1
    )
    own = np.take_along_axis(Q, np.asarray(state)[..., None, None], -2)[..., 0, :]
    best = own.max(-1, keepdims=True) + 0.5  # above all others, so that no further action ties
    np.put_along_axis(own, tied, np.broadcast_to(best, tied.shape), -1)
    np.put_along_axis(Q, np.asarray(state)[..., None, None], own[..., None, :], -2)
    return Tied(FiniteMDP(P, inverse_bellman(Q, P, gamma), gamma), np.asarray(state), tied)


UP, RIGHT, DOWN, LEFT = range(4)
_MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


class Grid(NamedTuple):
    """A gridworld.

    Attributes:
        mdp: entering the goal pays 1 and ends; the last state is the end, which pays nothing.
        cells: the (row, column) of each state but the last.
        start: where it begins.
        toll: reward of -1 for each step onto the cells of one route, to be added with a small weight.
    """

    mdp: FiniteMDP
    cells: tuple[tuple[int, int], ...]
    start: int
    toll: Float[np.ndarray, "states actions"]


def two_routes(side: int = 3, gamma: float = 0.9) -> Grid:
    """Return a square around a block: from corner to corner there are two equally short routes along the edges.

    Both are optimal at the start (right, down). ``toll`` charges the steps along the upper and right edge: with a
    weight of any size, it decides the tie, as a penalty on length would if that route were longer.

    Args:
        side: cells of an edge, >= 3.
        gamma: discount in (0, 1).

    Raises:
        InputError: the side is too short, or the discount out of range.
    """
    if side < 3:
        raise InputError(f"side={side}: must be >= 3, so that there is a block to go around")
    inner, goal = range(1, side - 1), (side - 1, side - 1)
    ring = [(r, c) for r in range(side) for c in range(side) if not (r in inner and c in inner)]
    cells = tuple(cell for cell in ring if cell != goal)
    place = {cell: at for at, cell in enumerate(cells)}
    n = len(cells) + 1
    P, R, toll = np.zeros((n, 4, n)), np.zeros((n, 4)), np.zeros((n, 4))
    P[-1, :, -1] = 1.0
    for cell, at in place.items():
        for action, (down, across) in enumerate(_MOVES):
            after = (cell[0] + down, cell[1] + across)
            if after == goal:
                P[at, action, -1] = R[at, action] = 1.0
                continue
            after = after if after in place else cell
            P[at, action, place[after]] = 1.0
            upper = after != (0, 0) and (after[0] == 0 or after[1] == side - 1)
            toll[at, action] = -float(upper and after != cell)
    return Grid(FiniteMDP(P, R, gamma), cells, place[(0, 0)], toll)


COMPLY, HEDGE, REFUSE = range(3)
HELPFUL_ACTIONS = ("comply", "hedge", "refuse")
HELPFUL_STATES = ("plain request", "risky follow-up", "end")


class TwoRewards(NamedTuple):
    """A process with two reward models.

    Attributes:
        mdp: its reward is that of being helpful.
        rewards: of being helpful, and of being safe.
    """

    mdp: FiniteMDP
    rewards: Float[np.ndarray, "2 states actions"]


def helpful_and_safe(gamma: float = 0.9) -> TwoRewards:
    """Return a dialogue in which being helpful and being safe conflict, so that weights decide what is optimal.

    A plain request may be complied with, hedged or refused. Complying leads to a risky follow-up half of the time,
    hedging a quarter of the time; there, complying is helpful and unsafe. So the best answer to the plain request
    hangs on the weights in both states.
    """
    P = np.zeros((3, 3, 3))
    P[0, COMPLY] = (0.0, 0.5, 0.5)
    P[0, HEDGE] = (0.0, 0.25, 0.75)
    P[0, REFUSE, 2] = P[1, :, 2] = P[2, :, 2] = 1.0
    helpful = np.array([[1.0, 0.6, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    safe = np.array([[0.3, 0.6, 0.8], [-1.0, 0.2, 1.0], [0.0, 0.0, 0.0]])
    return TwoRewards(FiniteMDP(P, helpful, gamma), np.stack([helpful, safe]))


def self_loop_bandit(rewards: Given, gamma: float = 0.0) -> FiniteMDP:
    """Return one state that every action leads back to: Q* = r + γ max r/(1 - γ).

    >>> self_loop_bandit(np.array([1.0, 0.0]), 0.5).q_star().tolist()
    [[2.0, 1.0]]
    """
    paid = np.asarray(rewards, dtype=np.float64)[..., None, :]
    return FiniteMDP(np.ones((1, paid.shape[-1], 1)), paid, gamma)

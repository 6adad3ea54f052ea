"""The Bellman equation on a grid of beliefs, by policy iteration.

    V(b) = max over q of r(b, q) + δ·[P(G)·V(b after G) + P(B)·V(b after B)].

Each round values the present policy exactly on the grid (one sparse linear system) and improves it everywhere. Then
the beliefs at which the best choice changes are bisected and become nodes, because V has kinks there, and it is solved
once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.society.herding.choices import Choices, Menu
from doxa.society.herding.grid import BeliefGrid

BETTER = 1e-12
"""A choice counts as better only by more than this; of equal ones the cheapest is taken."""
ROUNDS = 200
HALVINGS = 45
MOST_KINKS = 400
SAME_PRECISION = 1e-6
CELLS_AT_ONCE = 2_000_000


class Solved(NamedTuple):
    """A solved grid.

    Attributes:
        grid: with nodes where the choice changes.
        value: V at the nodes.
        choice: column of the menu at each node.
        residual: largest gain that one more round would bring.
        converged: whether no choice changed in the last round.
    """

    grid: BeliefGrid
    value: Float[np.ndarray, " nodes"]
    choice: Int[np.ndarray, " nodes"]
    residual: float
    converged: bool


@dataclass(frozen=True, eq=False)
class _Moves:
    """Choices of all nodes with where they lead on the grid, computed once for many rounds."""

    choices: Choices
    left_up: Int[np.ndarray, "nodes ways"]
    weight_up: Float[np.ndarray, "nodes ways"]
    left_down: Int[np.ndarray, "nodes ways"]
    weight_down: Float[np.ndarray, "nodes ways"]

    @classmethod
    def on(cls, menu: Menu, grid: BeliefGrid) -> _Moves:
        choices = menu.at(grid.nodes)
        return cls(choices, *grid.place(choices.up), *grid.place(choices.down))

    def worth(self, value: Float[np.ndarray, " nodes"], discount: float) -> Float[np.ndarray, "nodes ways"]:
        """Return the worth of every choice if V follows."""
        up = (1.0 - self.weight_up) * value[self.left_up] + self.weight_up * value[self.left_up + 1]
        down = (1.0 - self.weight_down) * value[self.left_down] + self.weight_down * value[self.left_down + 1]
        good = self.choices.good
        return self.choices.reward + discount * (good * up + (1.0 - good) * down)

    def valued(self, choice: Int[np.ndarray, " nodes"], discount: float) -> Float[np.ndarray, " nodes"]:
        """Return V of the policy that always takes these choices."""
        rows = np.arange(choice.size)
        good = self.choices.good[rows, choice]
        return linear_value(
            self.choices.reward[rows, choice],
            discount,
            [
                (good, self.left_up[rows, choice], self.weight_up[rows, choice]),
                (1.0 - good, self.left_down[rows, choice], self.weight_down[rows, choice]),
            ],
        )


def linear_value(
    reward: Float[np.ndarray, " nodes"],
    discount: float,
    legs: list[tuple[Float[np.ndarray, " nodes"], Int[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]],
) -> Float[np.ndarray, " nodes"]:
    """Return the solution of V = r + δ·P·V.

    Args:
        reward: expected reward at each node.
        discount: δ.
        legs: for each way on, its probability, the node to the left of where it leads, and the right one's weight.
    """
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import spsolve

    rows = np.arange(reward.size)
    weights = np.concatenate([part for p, _, w in legs for part in (p * (1.0 - w), p * w)])
    columns = np.concatenate([part for _, left, _ in legs for part in (left, left + 1)])
    moves = csc_array((weights, (np.tile(rows, 2 * len(legs)), columns)), shape=(reward.size, reward.size))
    system = (eye_array(reward.size, format="csc") - discount * moves).tocsc()
    return np.asarray(spsolve(system, reward), dtype=np.float64)


def solve(menu: Menu, grid: BeliefGrid, *, tol: float, kinks: int) -> Solved:
    """Solve the Bellman equation.

    Args:
        menu: the choices.
        grid: where to begin.
        tol: largest gain one more round may bring, > 0.
        kinks: how often changes of the best choice are bisected and made nodes.

    Raises:
        InputError: tol is not positive, or nothing may be chosen at some belief.
    """
    if not tol > 0.0:
        raise InputError(f"tol={tol}: must be > 0")
    found = _policy_iteration(menu, grid, tol)
    for _ in range(kinks):
        more = _changes(menu, found)
        finer = found.grid.with_nodes(more)
        if finer.nodes.size == found.grid.nodes.size:
            break
        found = _policy_iteration(menu, finer, tol)
    return found


def _policy_iteration(menu: Menu, grid: BeliefGrid, tol: float) -> Solved:
    discount = menu.model.discount
    moves = _Moves.on(menu, grid)
    if np.any(np.all(np.isneginf(moves.choices.reward), axis=1)):
        raise InputError(
            "levels: some belief is left without any precision that may be set; add the baseline"
        )
    cost = menu.model.cost(moves.choices.precision)
    rows = np.arange(grid.nodes.size)
    choice = best(moves.worth(np.zeros(grid.nodes.size), discount), cost)
    residual = np.inf
    for _ in range(ROUNDS):
        value = moves.valued(choice, discount)
        worth = moves.worth(value, discount)
        gain = worth.max(axis=1) - worth[rows, choice]
        residual = float(gain.max())
        if residual <= BETTER * max(1.0, menu.model.bound):
            break
        choice = np.where(gain > BETTER * max(1.0, menu.model.bound), worth.argmax(axis=1), choice)
    value = moves.valued(choice, discount)
    worth = moves.worth(value, discount)
    return Solved(grid, value, best(worth, cost), residual, residual <= tol)


def best(
    worth: Float[np.ndarray, "beliefs ways"], cost: Float[np.ndarray, "beliefs ways"]
) -> Int[np.ndarray, " beliefs"]:
    """Return the best choice at each belief; of those equal up to rounding, the cheapest."""
    top = worth.max(axis=1, keepdims=True)
    near = worth >= top - 1e-10 * np.maximum(1.0, np.abs(top))
    return np.argmin(np.where(near, cost, np.inf), axis=1)


def worth_at(
    menu: Menu,
    grid: BeliefGrid,
    value: Float[np.ndarray, " nodes"],
    beliefs: Float[np.ndarray, " beliefs"],
) -> tuple[Choices, Float[np.ndarray, "beliefs ways"]]:
    """Return the choices at any beliefs and what each is worth.

    What is best once where an action reveals nothing is best for ever: it is worth r/(1-δ), without interpolation.
    """
    choices, discount = menu.at(beliefs), menu.model.discount
    up, down = grid.read(value, choices.up), grid.read(value, choices.down)
    worth = choices.reward + discount * (choices.good * up + (1.0 - choices.good) * down)
    here = beliefs[:, None]
    silent = (choices.up == here) & (choices.down == here)
    return choices, np.where(silent, choices.reward / (1.0 - discount), worth)


def best_precision(
    menu: Menu,
    grid: BeliefGrid,
    value: Float[np.ndarray, " nodes"],
    beliefs: Float[np.ndarray, " beliefs"],
) -> Float[np.ndarray, " beliefs"]:
    """Return the best precision at any beliefs."""
    found: list[np.ndarray] = []
    step = max(1, CELLS_AT_ONCE // (20 + 3 * menu.breaks.size + menu.q_grid))
    for start in range(0, beliefs.size, step):
        choices, worth = worth_at(menu, grid, value, beliefs[start : start + step])
        column = best(worth, menu.model.cost(choices.precision))
        found.append(choices.precision[np.arange(column.size), column])
    return np.concatenate(found) if found else np.zeros(0)


def _changes(menu: Menu, found: Solved) -> Float[np.ndarray, " places"]:
    """Return the beliefs, between nodes, where the best choice changes its way.

    Two ways that come to the same precision, such as the lowest informative one and the one that lands on 1/2, are one.
    """
    nodes = found.grid.nodes
    at = np.flatnonzero((found.choice[:-1] != found.choice[1:]) & (np.diff(nodes) > 1e-8))[:MOST_KINKS]
    at = at[~_keeps(menu, found, nodes[at + 1], found.choice[at])] if at.size else at
    if not at.size:
        return np.zeros(0)
    low, high, way = nodes[at].copy(), nodes[at + 1].copy(), found.choice[at]
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        same = _keeps(menu, found, middle, way)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high


def _keeps(
    menu: Menu, found: Solved, beliefs: Float[np.ndarray, " places"], way: Int[np.ndarray, " places"]
) -> Bool[np.ndarray, " places"]:
    """Return whether a way of choosing is still the best, or comes to the best precision."""
    choices, worth = worth_at(menu, found.grid, found.value, beliefs)
    rows = np.arange(beliefs.size)
    chosen = best(worth, menu.model.cost(choices.precision))
    return np.abs(choices.precision[rows, chosen] - choices.precision[rows, way]) < SAME_PRECISION

"""The actions of a linear bandit: finite sets of vectors, among them the corners of a box with a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError

Given: TypeAlias = np.ndarray | Sequence[Any]
"""Numbers in rows of one length, as an array or as lists."""
MOST_PERMUTED = 8
"""Coordinates whose orders are enumerated; 8 have 40,320."""


def checked_actions(actions: object, d: int | None = None) -> Float[np.ndarray, "arms d"]:
    """Return actions as one array that cannot be written to.

    Args:
        actions: vectors of one length, at least one, no two alike.
        d: the length they must have; None for any.

    Raises:
        InputError: there are none, they have another length, one is not finite, or two are alike.
    """
    try:
        found = np.array(actions, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"actions: must be vectors of one length ({error})") from None
    if found.ndim != 2 or found.size == 0:
        raise InputError(
            f"actions have shape {found.shape}: give at least one vector, as [[1, 0], [0, 1]] does"
        )
    if d is not None and found.shape[1] != d:
        raise InputError(f"actions of {found.shape[1]} numbers: the system takes {d}")
    if not np.all(np.isfinite(found)):
        raise InputError(f"actions={found.tolist()}: must be finite")
    _, first = np.unique(found, axis=0, return_index=True)
    if first.size < len(found):
        twice = next(k for k in range(len(found)) if k not in set(first.tolist()))
        raise InputError(f"actions[{twice}]={found[twice].tolist()}: is there twice; remove one of them")
    found.flags.writeable = False
    return found


def one_hot(d: int) -> Float[np.ndarray, "d d"]:
    """Return the unit vectors: one message at a time.

    >>> one_hot(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if d < 1:
        raise InputError(f"d={d}: must be >= 1")
    return np.eye(d)


def budgeted_actions(
    d: int,
    budget: float,
    *,
    low: float | Sequence[float] = 0.0,
    high: float | Sequence[float] = 1.0,
    spend: bool = True,
) -> Float[np.ndarray, "arms d"]:
    """Return corners of a box with a budget: {u : low <= u <= high, Σu <= budget}.

    An optimistic bound is convex in u, so that a corner of the set is best. For each order of the coordinates what is
    left of the budget goes to the first, as much as it takes, then to the next (as the released code does).

    Args:
        d: number of coordinates, 1 to 8.
        budget: S; at least the sum of ``low``.
        low: least of each coordinate, one number or d.
        high: most of each coordinate, one number or d.
        spend: whether all of the budget is spent, as in the paper; if not, the corners that leave some are there too.

    Raises:
        InputError: the set is empty, or d is too large to enumerate.

    >>> budgeted_actions(3, 1.5).tolist()[:2]
    [[1.0, 0.5, 0.0], [1.0, 0.0, 0.5]]
    """
    if not 1 <= d <= MOST_PERMUTED:
        raise InputError(f"d={d}: must be from 1 to {MOST_PERMUTED}; give the actions themselves")
    least, most = np.broadcast_to(low, d).astype(float), np.broadcast_to(high, d).astype(float)
    if not np.all(least <= most) or not budget >= least.sum():
        raise InputError(
            f"low={low}, high={high}, budget={budget}: needs low <= high, and a budget of at least the sum of low"
        )
    found: dict[tuple[float, ...], None] = {}
    for order in permutations(range(d)):
        for raised in (d,) if spend else range(d, -1, -1):
            found[_filled(order[:raised], budget, least, most)] = None
    return np.array(list(found))


def _filled(
    order: Iterable[int], budget: float, least: Float[np.ndarray, " d"], most: Float[np.ndarray, " d"]
) -> tuple[float, ...]:
    action, left = least.copy(), budget - float(least.sum())
    for i in order:
        more = min(left, float(most[i] - least[i]))
        action[i] += more
        left -= more
    return tuple(float(value) for value in action)

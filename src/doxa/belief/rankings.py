"""Orders of levels: how far one is from another, and an order at a wanted distance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from doxa.errors import InputError
from doxa.streams import stream

ENUMERATED = 7
"""Up to this many levels all orders are tried (7! = 5,040)."""
SWAPS = 4000
"""Swaps tried for more levels."""


class Perturbed(NamedTuple):
    """An order and its Spearman correlation with the one it came from."""

    ranking: tuple[str, ...]
    rho: float


class Imposed(NamedTuple):
    """Orders to impose, by attribute, and the attributes that have too few levels to be perturbed."""

    rankings: dict[str, Perturbed]
    not_perturbable: tuple[str, ...]


def order_correlation(first: Sequence[str], second: Sequence[str]) -> float:
    """Return Spearman's ρ = 1 - 6 Σd² / (G³ - G) of two orders of the same levels.

    Raises:
        InputError: they do not order the same levels, or fewer than two.

    >>> order_correlation("abc", "acb")
    0.5
    """
    if len(first) < 2 or sorted(first) != sorted(second) or len(set(first)) != len(first):
        raise InputError(
            f"orders {list(first)} and {list(second)}: must be the same two levels or more, each once"
        )
    places = {level: place for place, level in enumerate(second)}
    squares = sum((place - places[level]) ** 2 for place, level in enumerate(first))
    return 1.0 - 6.0 * squares / (len(first) ** 3 - len(first))


def perturb_ranking(ranking: Sequence[str], target_rho: float, seed: int, *names: str | int) -> Perturbed:
    """Return an order whose Spearman correlation with the given one is as near as possible to a target.

    Up to ``ENUMERATED`` levels one of all nearest orders is drawn uniformly; beyond, random swaps are kept while they
    come no further from the target. The published method is not described; this is ours.

    Args:
        ranking: levels, most trusting first.
        target_rho: in [-1, 1]; 1 returns the same order, -1 its reverse.
        seed: of the draw.
        names: of its stream.

    Raises:
        InputError: the target is outside [-1, 1], a level repeats, or two levels have a target between -1 and 1.

    >>> perturb_ranking(["High", "Moderate", "Low"], -1, seed=0)
    Perturbed(ranking=('Low', 'Moderate', 'High'), rho=-1.0)
    """
    levels = tuple(ranking)
    if not -1 <= target_rho <= 1:
        raise InputError(f"target_rho={target_rho}: must be in [-1, 1]")
    order_correlation(levels, levels)
    if abs(target_rho) == 1:
        return Perturbed(levels if target_rho > 0 else levels[::-1], float(target_rho))
    if len(levels) == 2:
        raise InputError(
            f"ranking {list(levels)}: two levels are not perturbable, only 1 and -1 can be reached"
        )
    rng = stream(seed, "trust", "perturb", *names, *levels)
    places = (
        _nearest(len(levels), target_rho, rng)
        if len(levels) <= ENUMERATED
        else _swapped(len(levels), target_rho, rng)
    )
    found = tuple(levels[place] for place in places)
    return Perturbed(found, order_correlation(levels, found))


def impose(rankings: Mapping[str, Sequence[str]], target_rho: float, seed: int) -> Imposed:
    """Return an order at the target for each attribute; those with two levels are left out and named."""
    short = tuple(name for name, ranking in rankings.items() if len(ranking) == 2 and abs(target_rho) < 1)
    found = {
        name: perturb_ranking(ranking, target_rho, seed, name, round(1000 * target_rho))
        for name, ranking in rankings.items()
        if name not in short
    }
    return Imposed(found, short)


def _nearest(levels: int, target: float, rng: np.random.Generator) -> tuple[int, ...]:
    orders = np.array(list(itertools.permutations(range(levels))))
    away = np.abs(_rho(orders) - target)
    nearest = np.flatnonzero(away <= away.min() + 1e-12)
    return tuple(int(place) for place in orders[rng.choice(nearest)])


def _swapped(levels: int, target: float, rng: np.random.Generator) -> tuple[int, ...]:
    order = np.arange(levels)
    away = abs(float(_rho(order[None])[0]) - target)
    for one, other in rng.integers(levels, size=(SWAPS, 2)):
        tried = order.copy()
        tried[[one, other]] = tried[[other, one]]
        distance = abs(float(_rho(tried[None])[0]) - target)
        if distance <= away:
            order, away = tried, distance
    return tuple(int(place) for place in order)


def _rho(orders: np.ndarray) -> np.ndarray:
    levels = orders.shape[1]
    return 1.0 - 6.0 * ((orders - np.arange(levels)) ** 2).sum(1) / (levels**3 - levels)

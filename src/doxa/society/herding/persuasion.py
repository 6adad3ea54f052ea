"""One agent and a sender who may choose any experiment: Bayesian persuasion, the baseline without a herd.

The sender's value is the concave closure of what it gets at each posterior (Kamenica and Gentzkow 2011). A planner that
sets only the precision of a symmetric signal gets less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError


class Persuasion(NamedTuple):
    """The best experiment at a prior.

    Attributes:
        value: what the sender gets on average.
        posteriors: the beliefs it leads to, one or two.
        chances: of each.
    """

    value: float
    posteriors: tuple[float, ...]
    chances: tuple[float, ...]


def concave_closure(
    beliefs: Float[np.ndarray, " beliefs"], utility: Float[np.ndarray, " beliefs"]
) -> list[int]:
    """Return the numbers of the points on the upper hull, from the left; beliefs are increasing."""
    hull: list[int] = []
    for place in range(beliefs.size):
        while len(hull) > 1:
            first, last = hull[-2], hull[-1]
            run, rise = beliefs[last] - beliefs[first], utility[last] - utility[first]
            if rise * (beliefs[place] - beliefs[first]) > run * (utility[place] - utility[first]):
                break
            hull.pop()
        hull.append(place)
    return hull


def persuade(
    prior: float, beliefs: Float[np.ndarray, " beliefs"], utility: Float[np.ndarray, " beliefs"]
) -> Persuasion:
    """Return the best experiment on one agent.

    Args:
        prior: P(ω=G).
        beliefs: posteriors, increasing, around the prior.
        utility: what the sender gets at each.

    Raises:
        InputError: the prior lies outside the beliefs, or these do not increase.

    >>> b = np.linspace(0.0, 1.0, 11)
    >>> persuade(0.3, b, (b >= 0.5).astype(float))
    Persuasion(value=0.6, posteriors=(0.0, 0.5), chances=(0.4, 0.6))
    """
    if beliefs.size < 2 or np.any(np.diff(beliefs) <= 0) or beliefs.shape != utility.shape:
        raise InputError("beliefs: give increasing posteriors, and one utility for each")
    if not beliefs[0] <= prior <= beliefs[-1]:
        raise InputError(f"prior={prior}: must lie within the beliefs, {beliefs[0]} to {beliefs[-1]}")
    hull = concave_closure(beliefs, utility)
    right = int(np.searchsorted(beliefs[hull], prior))
    if beliefs[hull[right]] == prior:
        return Persuasion(float(utility[hull[right]]), (float(prior),), (1.0,))
    low, high = hull[right - 1], hull[right]
    share = float((prior - beliefs[low]) / (beliefs[high] - beliefs[low]))
    value = (1.0 - share) * float(utility[low]) + share * float(utility[high])
    posteriors = (float(beliefs[low]), float(beliefs[high]))
    return Persuasion(round(value, 12), posteriors, (round(1.0 - share, 12), round(share, 12)))

"""Agreement of raters beyond chance: Cohen's and Fleiss' κ, and Fleiss' for choices between two items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.inference import Labels, percentile_interval, weighted_draws
from doxa.errors import InputError

Orientation = Literal["given", "sorted", "symmetric"]
"""Which item of a match-up counts as the first."""
Weights = Literal["none", "linear", "quadratic"]
"""How much a disagreement weighs by its distance in the order of categories."""


class Agreement(NamedTuple):
    """A chance-corrected agreement κ = 1 - observed disagreement / expected disagreement.

    Attributes:
        n: items that were rated.
        estimate: κ, at most 1, 0 at chance.
        observed: share of pairs of ratings of an item that agree.
        expected: the same by chance, from the pooled shares of categories.
        interval: bootstrap interval over items, or None where no ``rng`` was given or none can be had.
        reason: why something is undefined, or what to know; empty if nothing.
    """

    n: int
    estimate: float
    observed: float
    expected: float
    interval: tuple[float, float] | None
    reason: str = ""


def fleiss_kappa_binary(
    counts: Shaped[np.ndarray, "matchups 2"] | Sequence[Sequence[float]],
    orientation: Orientation = "symmetric",
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
) -> Agreement:
    """Return Fleiss' κ of choices between two items with unequal numbers of raters.

    κ = 1 - Σ n_i p_i q_i / (N(n̄ - 1)·P·Q) with p_i the share that chose the first item of match-up i, P the
    pooled share, N match-ups of n̄ raters on average (Fleiss, Levin and Paik 2003, 18.3). P hangs on which item
    is called the first, and so does κ: ``given`` takes the columns as they are, ``sorted`` calls the name that
    sorts first the first, ``symmetric`` sets P = Q = 1/2 and depends on no order.

    Args:
        counts: how many raters chose the first and the second item of each match-up.
        orientation: see above.
        pairs: names of the two items of each match-up; needed for ``sorted``.
        rng: source of the interval.
        level: coverage of the interval.

    Raises:
        InputError: counts are negative or not whole, a match-up is of an item with itself or has no rater, or
            no match-up has two raters.

    >>> round(fleiss_kappa_binary([[5, 5], [5, 5]], "symmetric").estimate, 6)
    -0.111111
    """
    table = _counts(counts)
    if table.shape[1] != 2:
        raise InputError(f"counts have {table.shape[1]} columns; a match-up has two items")
    if pairs is not None and len(pairs) != len(table):
        raise InputError(f"{len(pairs)} pairs of names for {len(table)} match-ups; give one to each")
    for place, (one, other) in enumerate(pairs or ()):
        if one == other:
            raise InputError(f"match-up {place} is of '{one}' with itself; leave it out")
    if orientation == "sorted":
        if pairs is None:
            raise InputError("orientation='sorted' needs the names of the items: give pairs")
        turned = np.array([one > other for one, other in pairs])
        table = np.where(turned[:, None], table[:, ::-1], table)
    raters = table.sum(axis=1)
    if raters.mean() <= 1.0:
        raise InputError("agreement needs match-ups with two raters or more")
    sums = np.stack([table[:, 0] * table[:, 1] / raters, raters, table[:, 0], np.ones(len(table))], axis=1)

    def kappa(totals: Float[np.ndarray, "draws 4"]) -> Float[np.ndarray, " draws"]:
        chance = _chance(totals, orientation)
        spare = totals[:, 1] - totals[:, 3]
        usable = (chance > 0.0) & (spare > 0.0)
        return np.where(usable, 1.0 - totals[:, 0] / np.where(usable, spare * chance, 1.0), np.nan)

    total = sums.sum(axis=0, keepdims=True)
    chance = float(_chance(total, orientation)[0])
    disagreement = float(total[0, 0] / (total[0, 1] - total[0, 3]))
    if chance == 0.0:
        return Agreement(len(table), 1.0, 1.0, 1.0, None, "all chose the same side: chance agrees as well")
    estimate = float(kappa(total)[0])
    interval = None
    if rng is not None:
        interval = percentile_interval(
            estimate, kappa(weighted_draws(sums, rng, 2000)), len(table), level
        ).ends
    return Agreement(len(table), estimate, 1.0 - 2.0 * disagreement, 1.0 - 2.0 * chance, interval)


def fleiss_kappa(
    counts: Shaped[np.ndarray, "items categories"] | Sequence[Sequence[float]],
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
) -> Agreement:
    """Return Fleiss' κ of ratings into categories, each item by the same number of raters.

    κ = (P̄ - P̄_e) / (1 - P̄_e), P_i = Σ_j n_ij(n_ij - 1) / (n(n - 1)), P̄_e = Σ_j p_j² (Fleiss 1971).

    Args:
        counts: how many raters put each item into each category.
        rng: source of the interval.
        level: coverage of the interval.

    Raises:
        InputError: counts are negative or not whole, numbers of raters differ or are below two.
    """
    table = _counts(counts)
    raters = table.sum(axis=1)
    if np.ptp(raters) > 0.0 or raters[0] < 2.0:
        raise InputError(
            f"items have {raters.min():g} to {raters.max():g} raters; Fleiss' κ takes the same number >= 2 "
            "for each (two categories: fleiss_kappa_binary)"
        )
    agreeing = np.sum(table * (table - 1.0), axis=1) / (raters * (raters - 1.0))
    sums = np.column_stack([agreeing, table / raters[:, None]])

    def parts(totals: Float[np.ndarray, "draws sums"]) -> tuple[np.ndarray, np.ndarray]:
        means = totals / len(table)
        return means[:, 0], np.sum(means[:, 1:] ** 2, axis=1)

    return _agreement(sums, parts, rng, level)


def cohen_kappa(
    first: Labels,
    second: Labels,
    *,
    categories: Sequence[Any] | None = None,
    weights: Weights = "none",
    rng: np.random.Generator | None = None,
    level: float = 0.95,
) -> Agreement:
    """Return Cohen's κ of two raters' labels of the same items.

    Args:
        first: one rater's label of each item.
        second: the other's.
        categories: the labels in order; None sorts those that occur. Weights need their order.
        weights: ``none`` counts every disagreement as 1, else (|i - j| / (k - 1)) to the first or second power.
        rng: source of the interval.
        level: coverage of the interval.

    Raises:
        InputError: raters rated different numbers of items, none at all, or an unknown category.
    """
    one, other = list(first), list(second)
    if len(one) != len(other) or not one:
        raise InputError(
            f"{len(one)} and {len(other)} labels; both raters must rate the same items, at least one"
        )
    order = sorted(set(one) | set(other)) if categories is None else list(categories)
    unknown = (set(one) | set(other)) - set(order)
    if unknown:
        raise InputError(f"labels {sorted(map(str, unknown))} are not among the categories {order}")
    k = len(order)
    place = {label: index for index, label in enumerate(order)}
    rows = np.zeros((len(one), k, k))
    rows[np.arange(len(one)), [place[x] for x in one], [place[x] for x in other]] = 1.0
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / max(1, k - 1)
    cost = {"none": (distance > 0).astype(np.float64), "linear": distance, "quadratic": distance**2}[weights]

    def parts(totals: Float[np.ndarray, "draws sums"]) -> tuple[np.ndarray, np.ndarray]:
        shares = totals.reshape(-1, k, k) / len(one)
        chance = shares.sum(axis=2)[:, :, None] * shares.sum(axis=1)[:, None, :]
        return 1.0 - np.sum(shares * cost, axis=(1, 2)), 1.0 - np.sum(chance * cost, axis=(1, 2))

    return _agreement(rows.reshape(len(one), -1), parts, rng, level)


def _agreement(sums: np.ndarray, parts: Any, rng: np.random.Generator | None, level: float) -> Agreement:
    """Return κ from a function that gives observed and expected agreement of totals over items."""
    observed, expected = (float(part[0]) for part in parts(sums.sum(axis=0, keepdims=True)))
    n = len(sums)
    if 1.0 - expected < 1e-12:
        return Agreement(
            n, math.nan, observed, 1.0, None, "all ratings are in one category: nothing to tell apart"
        )
    estimate = (observed - expected) / (1.0 - expected)
    if rng is None:
        return Agreement(n, estimate, observed, expected, None)
    seen, chance = parts(weighted_draws(sums, rng, 2000))
    spare = 1.0 - chance
    draws = np.where(spare > 1e-12, (seen - chance) / np.where(spare > 1e-12, spare, 1.0), np.nan)
    return Agreement(n, estimate, observed, expected, percentile_interval(estimate, draws, n, level).ends)


def _chance(totals: Float[np.ndarray, "draws 4"], orientation: Orientation) -> Float[np.ndarray, " draws"]:
    """Return P·Q of each row of totals."""
    if orientation == "symmetric":
        return np.full(len(totals), 0.25)
    share = totals[:, 2] / totals[:, 1]
    return share * (1.0 - share)


def _counts(counts: Any) -> Float[np.ndarray, "items categories"]:
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] == 0 or table.shape[1] < 2:
        raise InputError(f"counts have shape {table.shape}; give a table of items by at least two categories")
    if not np.all(np.isfinite(table)) or np.any(table < 0.0) or np.any(table != np.rint(table)):
        raise InputError("counts must be whole numbers >= 0")
    if np.any(table.sum(axis=1) == 0.0):
        raise InputError("an item has no rating; leave it out and report how many")
    return table

"""Bradley-Terry: strengths of items from who was preferred to whom.

P(i is preferred to j) = π_i / (π_i + π_j). The likelihood is raised by the MM steps of Hunter (2004, MM algorithms for
generalized Bradley-Terry models, equation 3); it has a maximum only where every item can be reached from every other
along wins, and where it has none this says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from doxa.errors import InputError

FALLBACK_ALPHA = 0.1
"""Pseudo-wins that stand in where a fit without any has no maximum; the result says so."""


class BradleyTerry(NamedTuple):
    """Strengths of items.

    Attributes:
        n: number of comparisons, without pseudo-wins.
        strength: π_i > 0, with geometric mean 1.
        log_strength: ln π_i, with mean 0.
        standard_error: of ln π_i about the mean of all, from the observed information.
        probability: P(row is preferred to column); 1/2 on the diagonal.
        log_likelihood: of the wins with pseudo-wins, in nats.
        alpha: pseudo-wins that are in the fit.
        iterations: MM steps taken.
        converged: whether the last step changed no strength by ``tol``.
        connected: whether every item can be reached from every other along real wins.
        reason: what to know about the numbers; empty if nothing.
    """

    n: float
    strength: Float[np.ndarray, " items"]
    log_strength: Float[np.ndarray, " items"]
    standard_error: Float[np.ndarray, " items"]
    probability: Float[np.ndarray, "items items"]
    log_likelihood: float
    alpha: float
    iterations: int
    converged: bool
    connected: bool
    reason: str = ""

    def interval(self, level: float = 0.95) -> Float[np.ndarray, "items 2"]:
        """Return the normal interval of each log-strength."""
        from statistics import NormalDist

        half = NormalDist().inv_cdf(0.5 + level / 2.0) * self.standard_error
        return np.stack([self.log_strength - half, self.log_strength + half], axis=1)


def bradley_terry(
    wins: Shaped[np.ndarray, "items items"] | Sequence[Sequence[float | int]],
    alpha: float = 0.0,
    tol: float = 1e-10,
    max_iterations: int = 100_000,
) -> BradleyTerry:
    """Fit strengths to a table of wins.

    Args:
        wins: how often the row was preferred to the column, >= 0, with a diagonal of 0; at least two items,
            each compared with another.
        alpha: pseudo-wins of every item over every other, >= 0; any positive number makes the maximum finite.
        tol: largest change of a strength in the last step.
        max_iterations: steps after which the fit is given up as not converged.

    Returns:
        The strengths. If some items never lose to the rest, the maximum without pseudo-wins is at infinity:
        then ``connected`` is false, the fit has ``FALLBACK_ALPHA`` pseudo-wins, and the reason says both.

    Raises:
        InputError: the table is not square, holds NaN, negative numbers or an item against itself; an item was
            never compared; or, with alpha = 0, the items fall into groups that were never compared.

    >>> fit = bradley_terry([[0, 3], [1, 0]])
    >>> round(float(fit.strength[0] / fit.strength[1]), 6)
    3.0
    """
    table = checked_wins(wins)
    if not (alpha >= 0.0 and math.isfinite(alpha)):
        raise InputError(f"alpha={alpha}: must be a number of pseudo-wins >= 0")
    if tol <= 0.0 or max_iterations < 1:
        raise InputError(f"tol={tol}, max_iterations={max_iterations}: must be > 0 and >= 1")
    connected = bool(_reaches(table > 0.0).all())
    if alpha == 0.0 and not _reaches((table + table.T) > 0.0).all():
        raise InputError(
            "the items fall into groups that were never compared with each other, so their strengths have no "
            "common scale; fit each group alone or give alpha > 0"
        )
    used = alpha if connected or alpha > 0.0 else FALLBACK_ALPHA
    reason = "" if connected else _unconnected(table, alpha, used)
    padded = table + used * (1.0 - np.eye(len(table)))
    strength, steps, done = _climb(padded[None], tol, max_iterations)
    if not done[0]:
        reason = f"{reason}; " * bool(reason) + f"not converged after {steps} steps"
    pi = strength[0]
    probability = pi[:, None] / (pi[:, None] + pi[None, :])
    return BradleyTerry(
        float(table.sum()),
        pi,
        np.log(pi),
        _standard_errors(padded, probability),
        probability,
        float(np.sum(padded * np.log(probability))),
        used,
        steps,
        bool(done[0]),
        connected,
        reason,
    )


def bradley_terry_draws(
    wins: Float[np.ndarray, "draws items items"],
    alpha: float = 0.0,
    tol: float = 1e-8,
    max_iterations: int = 20_000,
) -> Float[np.ndarray, "draws items"]:
    """Return the log-strengths of many tables at once, such as resamples; NaN where there is no maximum.

    Args:
        wins: tables as for :func:`bradley_terry`.
        alpha: pseudo-wins of every item over every other.
        tol: largest change of a strength in the last step.
        max_iterations: steps after which the rest is given up as NaN.
    """
    n_items = wins.shape[-1]
    padded = wins + alpha * (1.0 - np.eye(n_items))
    usable = _reaches(padded > 0.0).all(axis=(-2, -1))
    out = np.full(wins.shape[:2], np.nan)
    if usable.any():
        strength, _, done = _climb(padded[usable], tol, max_iterations)
        out[usable] = np.where(done[:, None], np.log(strength), np.nan)
    return out


def checked_wins(
    wins: Shaped[np.ndarray, "items items"] | Sequence[Sequence[float | int]],
) -> Float[np.ndarray, "items items"]:
    """Return a table of wins as floats, or raise InputError naming what is wrong with it."""
    table = np.asarray(wins, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.shape[0] < 2:
        raise InputError(f"wins have shape {table.shape}; give a square table of at least two items")
    if not np.all(np.isfinite(table)) or np.any(table < 0.0):
        raise InputError("wins hold NaN, inf or a negative number; they must be counts >= 0")
    if np.any(np.diag(table) != 0.0):
        items = np.flatnonzero(np.diag(table)).tolist()
        raise InputError(f"items {items} are compared with themselves; leave such match-ups out")
    silent = np.flatnonzero((table + table.T).sum(axis=1) == 0.0)
    if silent.size:
        raise InputError(f"items {silent.tolist()} were never compared; leave them out of the table")
    return table


def _climb(
    tables: Float[np.ndarray, "draws items items"], tol: float, max_iterations: int
) -> tuple[Float[np.ndarray, "draws items"], int, Bool[np.ndarray, " draws"]]:
    """Return strengths after π_i ← Σ_j W_ij / Σ_j (W_ij + W_ji)/(π_i + π_j), normalised at each step."""
    won, met = tables.sum(axis=2), tables + tables.transpose(0, 2, 1)
    pi = np.ones(won.shape)
    left = np.arange(len(pi))
    done = np.zeros(len(pi), dtype=bool)
    steps = 0
    while left.size and steps < max_iterations:
        now = pi[left]
        weighed = np.sum(met[left] / (now[:, :, None] + now[:, None, :]), axis=2)
        after = won[left] / weighed
        after /= np.exp(np.log(after).mean(axis=1, keepdims=True))
        pi[left] = after
        still = np.abs(after - now).max(axis=1) >= tol
        done[left[~still]] = True
        left = left[still]
        steps += 1
    return pi, steps, done


def _standard_errors(
    padded: Float[np.ndarray, "items items"], probability: Float[np.ndarray, "items items"]
) -> Float[np.ndarray, " items"]:
    """Return those of centred log-strengths: the information has the constant direction as null space."""
    weights = (padded + padded.T) * probability * probability.T
    information = np.diag(weights.sum(axis=1)) - weights
    return np.sqrt(np.maximum(np.diag(np.linalg.pinv(information, hermitian=True)), 0.0))


def _reaches(edges: Bool[np.ndarray, "*draws items items"]) -> Bool[np.ndarray, "*draws items items"]:
    """Return which items can be reached from which along edges, each from itself."""
    reach = edges | np.eye(edges.shape[-1], dtype=bool)
    for _ in range(max(1, math.ceil(math.log2(edges.shape[-1])))):
        reach = (reach.astype(np.float64) @ reach.astype(np.float64)) > 0.0
    return reach


def _unconnected(table: Float[np.ndarray, "items items"], alpha: float, used: float) -> str:
    reach = _reaches(table > 0.0)
    ahead = np.flatnonzero(~reach.all(axis=0))
    said = (
        f"no chain of wins leads from every item to items {ahead.tolist()}: "
        "without pseudo-wins the best fit is at infinity"
    )
    return said if alpha > 0.0 else f"{said}, so {used} pseudo-wins stand in; choose your own with alpha"

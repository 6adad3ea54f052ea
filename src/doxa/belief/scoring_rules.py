"""Proper scores: what a credence earns once the truth is known, so that the honest credence earns most.

Beside the Brier score of :mod:`doxa.belief.calibration`. A rule is proper when p(S(c, 1)) + (1 - p)S(c, 0) is best at
c = p (Gneiting and Raftery 2007, Strictly proper scoring rules, prediction, and estimation).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.belief.calibration import checked_credences
from doxa.belief.information import log_expit
from doxa.errors import InputError

Rule = Literal["brier", "log", "spherical"]
RULES: tuple[Rule, ...] = ("brier", "log", "spherical")
"""Rules of :func:`earned`."""


def log_score(credence: Float[np.ndarray, " beliefs"], outcome: Shaped[np.ndarray, " beliefs"]) -> float:
    """Return the mean of -o·ln c - (1 - o)·ln(1 - c) in nats, >= 0 and less is better.

    Certain and wrong costs infinity. Outcomes are truth values or reference credences in [0, 1].

    >>> round(log_score(np.array([0.5, 0.5]), np.array([1, 0])), 6)
    0.693147
    """
    return -float(np.mean(earned(credence, outcome, "log")))


def log_score_of_log_odds(
    log_odds: Float[np.ndarray, " beliefs"], outcome: Shaped[np.ndarray, " beliefs"]
) -> float:
    """Return :func:`log_score` of log-odds in nats, which keeps what a credence near 0 or 1 rounds away."""
    o = np.asarray(outcome, dtype=np.float64)
    x = np.asarray(log_odds, dtype=np.float64)
    checked_credences(np.full(x.shape, 0.5), o)
    with np.errstate(invalid="ignore"):
        parts = _weighed(o, log_expit(x)) + _weighed(1.0 - o, log_expit(-x))
    return -float(np.mean(parts))


def spherical_score(
    credence: Float[np.ndarray, " beliefs"], outcome: Shaped[np.ndarray, " beliefs"]
) -> float:
    """Return the mean of (o·c + (1 - o)(1 - c)) / √(c² + (1 - c)²) in [0, 1]; more is better.

    >>> spherical_score(np.array([1.0]), np.array([1]))
    1.0
    """
    return float(np.mean(earned(credence, outcome, "spherical")))


def categorical_log_score(
    probability: Float[np.ndarray, "beliefs kinds"], outcome: Int[np.ndarray, " beliefs"]
) -> float:
    """Return the mean of -ln p of what came true in nats, >= 0 and less is better.

    Raises:
        InputError: rows do not sum to 1, or an outcome is none of the kinds.

    >>> round(categorical_log_score(np.array([[0.5, 0.25, 0.25]]), np.array([1])), 6)
    1.386294
    """
    p = _distributions(probability, outcome)
    with np.errstate(divide="ignore"):
        return -float(np.mean(np.log(p[np.arange(len(p)), outcome])))


def categorical_brier(
    probability: Float[np.ndarray, "beliefs kinds"], outcome: Int[np.ndarray, " beliefs"]
) -> float:
    """Return the mean of Σ_k (p_k - y_k)², in [0, 2]; with two kinds it is twice the Brier score of one.

    Raises:
        InputError: as :func:`categorical_log_score`.
    """
    p = _distributions(probability, outcome)
    return float(np.mean(((p - np.eye(p.shape[1])[outcome]) ** 2).sum(axis=1)))


def earned(
    credence: Float[np.ndarray, " beliefs"], outcome: Shaped[np.ndarray, " beliefs"], rule: Rule
) -> Float[np.ndarray, " beliefs"]:
    """Return what each belief earns by a proper rule; more is better under all three.

    ``brier`` pays -(c - o)², ``log`` pays the log-likelihood in nats, ``spherical`` the likelihood over the
    length of the belief. An outcome between 0 and 1 pays its expectation under the log and spherical rule.

    Raises:
        InputError: lengths differ, a number is outside [0, 1], or the rule is unknown.
    """
    if rule not in RULES:
        raise InputError(f"rule={rule!r}: must be one of {RULES}")
    c, o = checked_credences(credence, outcome)
    if rule == "brier":
        return -((c - o) ** 2)
    if rule == "spherical":
        return (o * c + (1.0 - o) * (1.0 - c)) / np.hypot(c, 1.0 - c)
    with np.errstate(divide="ignore"):
        return _weighed(o, np.log(c)) + _weighed(1.0 - o, np.log1p(-c))


def _distributions(probability: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 2 or len(p) != len(outcome) or not len(p):
        raise InputError(f"probabilities of shape {p.shape} and {len(outcome)} outcomes: give a row for each")
    if not np.all((p >= 0.0) & (p <= 1.0)) or np.max(np.abs(p.sum(axis=1) - 1.0)) > 1e-9:
        raise InputError("probabilities: must be in [0, 1] and sum to 1 in every row")
    if np.any((outcome < 0) | (outcome >= p.shape[1])):
        raise InputError(f"outcome: must be the number of one of {p.shape[1]} kinds, from 0 on")
    return p


def _weighed(weight: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return weight·value, 0 where the weight is 0 though the value is infinite."""
    return np.where(weight == 0.0, 0.0, weight * np.where(weight == 0.0, 0.0, value))

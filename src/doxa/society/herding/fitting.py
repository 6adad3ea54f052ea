"""How far agents are from Bayes: the weights of public and private evidence, fitted to what they state.

    stated log-odds = α·λ + γ_c·(±L(q)) where the signal agrees with λ, + γ_i·(±L(q)) where it contradicts,

by least squares, with standard errors that hold under unequal noise (HC1) and within clusters where these are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.inference import Labels, cluster_members
from doxa.belief.information import logit
from doxa.errors import InputError
from doxa.society.herding.agents import ThresholdAgents

SMALLEST = 0.05
"""Least weight an agent is given; below it a fit means that evidence does not move it at all."""


class Responses(NamedTuple):
    """What agents stated, one row per answer.

    Attributes:
        log_odds: the public belief's, in nats.
        precision: of the signal, in [1/2, 1).
        signal_good: whether it was G.
        stated: the log-odds that were stated after it, finite.
    """

    log_odds: Float[np.ndarray, " answers"]
    precision: Float[np.ndarray, " answers"]
    signal_good: Bool[np.ndarray, " answers"]
    stated: Float[np.ndarray, " answers"]


class Weight(NamedTuple):
    """A fitted weight and its standard error."""

    estimate: float
    error: float


class NonBayesianFit(NamedTuple):
    """The fitted weights; Bayes is 1, 1, 1.

    Attributes:
        alpha: of the public belief.
        gamma_consistent: of a signal that agrees with it.
        gamma_inconsistent: of a signal that contradicts it.
        r_squared: share of the stated log-odds' squares about 0 that the fit explains.
        n: answers.
    """

    alpha: Weight
    gamma_consistent: Weight
    gamma_inconsistent: Weight
    r_squared: float
    n: int

    @property
    def agents(self) -> ThresholdAgents:
        """Agents with these weights."""
        return ThresholdAgents(
            max(SMALLEST, self.alpha.estimate),
            max(0.0, self.gamma_consistent.estimate),
            max(SMALLEST, self.gamma_inconsistent.estimate),
        )


def fit_nonbayesian(responses: Responses, clusters: Labels | None = None) -> NonBayesianFit:
    """Fit the three weights.

    Args:
        responses: what was stated.
        clusters: one label per answer, such as who answered; None makes each its own.

    Raises:
        InputError: lengths differ, a number is not finite, or a weight has nothing to be read from.
    """
    columns = _columns(responses)
    y = np.asarray(responses.stated, dtype=np.float64)
    if y.shape != (columns.shape[0],) or not (np.all(np.isfinite(y)) and np.all(np.isfinite(columns))):
        raise InputError(
            "responses: give finite log-odds of equal number; leave answers that were not read out"
        )
    gram = columns.T @ columns
    if y.size < 4 or np.linalg.matrix_rank(gram) < 3:
        raise InputError(
            "responses: vary the public belief and give signals that agree with it and signals that contradict it"
        )
    inverse = np.linalg.inv(gram)
    weights = inverse @ columns.T @ y
    rest = y - columns @ weights
    members = cluster_members(y.size, clusters)
    scores = np.stack([columns[rows].T @ rest[rows] for rows in members])
    groups = len(members)
    spread = inverse @ (scores.T @ scores) @ inverse * groups / max(1, groups - 1)
    errors = np.sqrt(np.diag(spread))
    explained = 1.0 - float(rest @ rest) / float(y @ y) if np.any(y) else 0.0
    found = [Weight(float(w), float(e)) for w, e in zip(weights, errors, strict=True)]
    return NonBayesianFit(*found, r_squared=explained, n=y.size)


def _columns(responses: Responses) -> Float[np.ndarray, "answers 3"]:
    sign = np.where(responses.signal_good, 1.0, -1.0)
    evidence = sign * np.asarray(logit(np.asarray(responses.precision, dtype=np.float64)))
    agrees = sign * responses.log_odds >= 0.0
    parts: Sequence[np.ndarray] = (
        np.asarray(responses.log_odds, dtype=np.float64),
        np.where(agrees, evidence, 0.0),
        np.where(agrees, 0.0, evidence),
    )
    return np.stack(parts, axis=1)

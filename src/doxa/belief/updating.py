"""Bayes in log-odds: what a holder of beliefs should think after hearing sources of known reliability.

In log-odds each independent testimony adds log(r / (1 - r)), so an update is a sum, its order does not
matter, and a belief and the belief in its negation always add up to one.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.information import expit, log_expit, log_softmax, logit
from doxa.errors import InputError


def evidence_log_odds(
    says_true: Shaped[np.ndarray, "*shape"], reliability: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return ±log(r / (1 - r)), the evidence in nats of each source's yes (true) or no (false).

    A source of reliability r in [0, 1] says what is the case with probability r: 1/2 tells nothing and less
    than 1/2 speaks for the opposite.

    Raises:
        InputError: a reliability is outside [0, 1].
    """
    return np.where(np.asarray(says_true, dtype=bool), 1.0, -1.0) * logit(
        np.asarray(reliability, dtype=np.float64)
    )


def posterior_log_odds(
    prior_log_odds: float,
    says_true: Shaped[np.ndarray, " sources"],
    reliability: Float[np.ndarray, " sources"],
) -> float:
    """Return prior + Σ ±log(r / (1 - r)), the log-odds after independent testimonies.

    Raises:
        InputError: a reliability is outside [0, 1], or two infallible sources contradict each other.

    >>> round(expit(posterior_log_odds(0.0, np.array([True]), np.array([0.8]))), 12)
    0.8
    """
    evidence = np.append(evidence_log_odds(says_true, reliability), float(prior_log_odds))
    if np.any(np.isposinf(evidence)) and np.any(np.isneginf(evidence)):
        raise InputError(
            "certain evidence for and against the same proposition: use reliabilities inside (0, 1)"
        )
    return float(np.sum(evidence))


def trusted_reliability(trust: float, reliability: float) -> float:
    """Return t·r + (1 - t)/2, the reliability of a source that tells nothing with chance 1 - t."""
    for name, value in (("trust", trust), ("reliability", reliability)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name}={value}: must be in [0, 1]")
    return trust * reliability + (1.0 - trust) / 2.0


def posterior_log_probs(
    prior_log_probs: Float[np.ndarray, " hypotheses"],
    log_likelihoods: Float[np.ndarray, "evidence hypotheses"],
) -> Float[np.ndarray, " hypotheses"]:
    """Return log P(h | e) = log P(h) + Σ log P(e | h), normalised over hypotheses.

    Raises:
        InputError: the evidence has probability 0 under every hypothesis.
    """
    # summed exactly: rounding a million terms in turn would move the smallest shares by 1e-8 of their size
    evidence = [math.fsum(column) for column in np.asarray(log_likelihoods).T]
    return log_softmax(prior_log_probs + np.array(evidence))


def sharpened_log_odds(log_odds: float, power: float) -> float:
    """Return power·x: the belief p^k / (p^k + (1 - p)^k), overconfident for k > 1 and timid for k < 1."""
    return power * log_odds


def predictive_probability(log_odds: float, reliability: float) -> float:
    """Return P(the next source says yes) = P·r + (1 - P)(1 - r) of a source of that reliability."""
    return float(expit(log_odds) * reliability + expit(-log_odds) * (1.0 - reliability))


def incoherence(log_odds: float, log_odds_of_negation: float) -> float:
    """Return P(A) + P(not A) - 1 in [-1, 1], which is 0 for a coherent holder.

    >>> incoherence(2.0, -2.0)
    0.0
    """
    if log_odds >= -log_odds_of_negation:
        larger, smaller, sign = log_odds, -log_odds_of_negation, 1.0
    else:
        larger, smaller, sign = -log_odds_of_negation, log_odds, -1.0
    if larger == smaller:
        return 0.0
    # expit(a) - expit(b) = expit(a)·expit(-b)·(1 - e^(b - a)): no difference of two near-equal credences
    return float(sign * np.exp(log_expit(larger) + log_expit(-smaller)) * -np.expm1(smaller - larger))

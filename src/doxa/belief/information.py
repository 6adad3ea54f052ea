"""Credences, log-odds and log-probabilities, exact in the tails; everything in nats.

A credence close to 0 or 1 loses its digits long before its log-odds do, so beliefs are computed with as
log-odds or log-probabilities and become credences only to be shown.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError


@overload
def logit(credence: float) -> float: ...
@overload
def logit(credence: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
def logit(credence: float | Float[np.ndarray, "*shape"]) -> float | Float[np.ndarray, "*shape"]:
    """Return log(p / (1 - p)) in nats of credences in [0, 1]; 0 gives -inf and 1 gives inf.

    Near 1/2 it is 2·artanh(2p - 1), because log p - log(1 - p) cancels there.

    Raises:
        InputError: a credence is outside [0, 1] or NaN.

    >>> logit(0.5), round(logit(0.95), 4)
    (0.0, 2.9444)
    """
    p = np.asarray(credence, dtype=np.float64)
    if not np.all((p >= 0.0) & (p <= 1.0)):
        raise InputError(f"credence={credence}: must be in [0, 1]; a belief that was not read is missing")
    with np.errstate(divide="ignore"):
        far = np.log(p) - np.log1p(-p)
        near = 2.0 * np.arctanh(np.clip(2.0 * p - 1.0, -0.5, 0.5))
    return _like(credence, np.where(np.abs(p - 0.5) < 0.25, near, far))


@overload
def expit(log_odds: float) -> float: ...
@overload
def expit(log_odds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
def expit(log_odds: float | Float[np.ndarray, "*shape"]) -> float | Float[np.ndarray, "*shape"]:
    """Return the credence 1 / (1 + exp(-x)) of log-odds x in nats; exact to rounding down to 1e-307.

    >>> expit(0.0), expit(-690.0) > 0.0
    (0.5, True)
    """
    x = np.asarray(log_odds, dtype=np.float64)
    small = np.exp(-np.abs(x))
    return _like(log_odds, np.where(x >= 0.0, 1.0, small) / (1.0 + small))


@overload
def log_expit(log_odds: float) -> float: ...
@overload
def log_expit(log_odds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
def log_expit(log_odds: float | Float[np.ndarray, "*shape"]) -> float | Float[np.ndarray, "*shape"]:
    """Return log P = -log(1 + exp(-x)) in nats of log-odds x; log(1 - P) is ``log_expit(-x)``."""
    x = np.asarray(log_odds, dtype=np.float64)
    return _like(log_odds, np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))))


def logsumexp(values: Float[np.ndarray, "*shape"], axis: int = -1) -> Float[np.ndarray, "*rest"]:
    """Return log Σ exp(values) along an axis, without overflow and without losing small terms.

    The largest term is left out of the sum and comes back as the 1 of log1p. A row of -inf gives -inf.

    Raises:
        InputError: a value is NaN or inf, or there is none.
    """
    largest, rest = _largest_and_rest(values, axis)
    return np.asarray(np.squeeze(largest + np.log1p(rest), axis=axis))


def log_softmax(logits: Float[np.ndarray, "*shape"], axis: int = -1) -> Float[np.ndarray, "*shape"]:
    """Return the log-probabilities x_i - log Σ exp(x) in nats along an axis.

    Raises:
        InputError: a logit is NaN or inf, or all of a row are -inf.

    >>> np.round(log_softmax(np.array([0.0, 800.0])), 3).tolist()
    [-800.0, 0.0]
    """
    largest, rest = _largest_and_rest(logits, axis)
    if np.any(np.isneginf(largest)):
        raise InputError(
            "log_softmax: a row holds only -inf, so it has no mass to normalise; treat it as missing"
        )
    return (np.asarray(logits, dtype=np.float64) - largest) - np.log1p(rest)


def normalise_log_probs(
    log_probs: Float[np.ndarray, "*shape"], axis: int = -1
) -> Float[np.ndarray, "*shape"]:
    """Return log-probabilities scaled so that their probabilities sum to 1 along an axis; -inf stays -inf.

    Raises:
        InputError: a value is NaN or inf, or a row has no mass.
    """
    return log_softmax(log_probs, axis)


def entropy_nats(log_probs: Float[np.ndarray, "*shape"], axis: int = -1) -> Float[np.ndarray, "*rest"]:
    """Return -Σ p log p in nats of normalised log-probabilities along an axis; 0·log 0 is 0."""
    log_p = np.asarray(log_probs, dtype=np.float64)
    p = np.exp(log_p)
    return np.asarray(0.0 - np.sum(p * np.where(p > 0.0, log_p, 0.0), axis=axis))


@overload
def binary_entropy_nats(log_odds: float) -> float: ...
@overload
def binary_entropy_nats(log_odds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
def binary_entropy_nats(log_odds: float | Float[np.ndarray, "*shape"]) -> float | Float[np.ndarray, "*shape"]:
    """Return the entropy in [0, log 2] nats of a belief given by its log-odds, exact in the tails."""
    x = np.abs(np.asarray(log_odds, dtype=np.float64))
    small = np.exp(-x)
    certain = np.isinf(x)
    surprise = np.where(certain, 0.0, x) * small / (1.0 + small)
    return _like(log_odds, surprise + np.log1p(small))


def kl_nats(
    log_p: Float[np.ndarray, "*shape"], log_q: Float[np.ndarray, "*shape"], axis: int = -1
) -> Float[np.ndarray, "*rest"]:
    """Return KL(p‖q) = Σ p (log p - log q) in nats of normalised log-probabilities.

    It is inf where q lacks mass that p has. Summed as Σ p·(e^d - 1 - d) with d = log q - log p, whose
    terms cannot be negative.
    """
    a, b = np.asarray(log_p, dtype=np.float64), np.asarray(log_q, dtype=np.float64)
    gone = np.isneginf(a)
    d = np.where(gone, 0.0, b) - np.where(gone, 0.0, a)
    with np.errstate(invalid="ignore", over="ignore"):
        terms = np.where(gone, np.exp(b), (np.exp(b) - np.exp(a)) - np.exp(a) * d)
        close = np.exp(a) * (np.expm1(d) - d)
    return np.asarray(np.maximum(np.sum(np.where(~gone & (np.abs(d) < 1.0), close, terms), axis=axis), 0.0))


def _largest_and_rest(
    values: Float[np.ndarray, "*shape"], axis: int
) -> tuple[Float[np.ndarray, "*rest"], Float[np.ndarray, "*rest"]]:
    """Return the largest value and Σ exp(others - largest), both with the axis kept at length 1."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim == 0 or x.shape[axis] == 0:
        raise InputError(f"values of shape {x.shape}: there is nothing to sum along axis {axis}")
    if np.any(np.isnan(x)) or np.any(np.isposinf(x)):
        raise InputError("log-probabilities hold NaN or inf; an option that was not scored is missing")
    where = np.expand_dims(np.argmax(x, axis=axis), axis)
    largest = np.take_along_axis(x, where, axis)
    terms = np.exp(x - np.where(np.isneginf(largest), 0.0, largest))
    np.put_along_axis(terms, where, 0.0, axis)
    return largest, np.sum(terms, axis=axis, keepdims=True)


def _like(given: object, result: Any) -> float | Float[np.ndarray, "*shape"]:
    """Return a float for a number and an array for an array."""
    return np.asarray(result) if isinstance(given, np.ndarray) else float(result)

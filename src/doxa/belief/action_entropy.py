"""How undecided an actor is, estimated from actions it was sampled to take."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.errors import InputError

Correction: TypeAlias = Literal["miller-madow"]

INVALID = -1
"""Label of a sample from which no action could be read."""


def action_entropy(
    actions: Shaped[np.ndarray, "*rows samples"],
    *,
    base: float = math.e,
    correction: Correction | None = None,
) -> Float[np.ndarray, "*rows"]:
    """Return the entropy of sampled actions along the last axis; samples below 0 are invalid and left out.

    See ``counted_entropy`` for the estimate, its bias and its correction.

    Args:
        actions: label of the action of each sample, in 0, 1, ...; ``INVALID`` where there is none.
        base: of the logarithm; e gives nats.
        correction: None, or "miller-madow".

    Returns:
        The entropies in [0, log K]; NaN where no sample is valid.

    >>> round(float(action_entropy(np.array([0, 1, -1, 1, 0]))), 3)
    0.693
    """
    labels = np.asarray(actions)
    if labels.ndim == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"actions of shape {labels.shape} and type {labels.dtype}: must be whole labels, at least one axis"
        )
    _, dense = np.unique(labels, return_inverse=True)
    dense = np.where(labels < 0, -1, dense.reshape(labels.shape))
    present = np.unique(dense[dense >= 0])
    counts = np.stack([(dense == label).sum(-1) for label in present], -1) if present.size else None
    if counts is None:
        return np.full(labels.shape[:-1], np.nan)
    return counted_entropy(counts, base=base, correction=correction)


def counted_entropy(
    counts: Int[np.ndarray, "*rows actions"],
    *,
    base: float = math.e,
    correction: Correction | None = None,
) -> Float[np.ndarray, "*rows"]:
    """Return -Σ p log p of the relative frequencies p of the last axis.

    This plug-in estimate from M samples is too small by about (K - 1) / (2M) nats, K the number of actions with
    p > 0. "miller-madow" adds (K' - 1) / (2M), K' the number of actions seen (Miller 1955); it may exceed log K.

    Args:
        counts: how often each action was sampled, >= 0.
        base: of the logarithm; e gives nats.
        correction: None, or "miller-madow".

    Returns:
        The entropies; NaN where nothing was counted.

    Raises:
        InputError: a count is negative, or the base is not above 1.

    >>> counted_entropy(np.array([8, 8]), base=2.0).item(), counted_entropy(np.array([0, 0])).item()
    (1.0, nan)
    """
    number = np.asarray(counts, dtype=np.float64)
    if number.ndim == 0 or np.any(~np.isfinite(number)) or np.any(number < 0):
        raise InputError(f"counts={counts}: must be numbers >= 0, one for each action")
    if not base > 1.0:
        raise InputError(f"base={base}: must be > 1; e gives nats and 2 bits")
    total = number.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = number / total[..., None]
        nats = 0.0 - np.sum(np.where(p > 0, p * np.log(p), 0.0), -1)
        if correction is not None:
            nats = nats + ((number > 0).sum(-1) - 1) / (2 * total)
    return np.asarray(np.where(total > 0, nats / math.log(base), np.nan))


def validity(actions: Int[np.ndarray, "*rows samples"]) -> Float[np.ndarray, "*rows"]:
    """Return the share of samples along the last axis from which an action could be read."""
    return np.asarray((np.asarray(actions) >= 0).mean(-1))


def plug_in_bias_nats(actions: int, samples: int) -> float:
    """Return the bias, about -(K - 1) / (2M) nats, of the entropy of K likely actions from M samples.

    >>> plug_in_bias_nats(2, 25)
    -0.02
    """
    if actions < 1 or samples < 1:
        raise InputError(f"actions={actions}, samples={samples}: both must be >= 1")
    return -(actions - 1) / (2 * samples)

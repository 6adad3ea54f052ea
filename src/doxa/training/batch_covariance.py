"""The covariance that spends a policy's entropy, in plain NumPy: for dumps and for loops that are not torch's.

C_it = (A_it - mean A)·(ln p_it - mean ln p), means over all valid tokens of the batch: what a token adds to the
covariance of advantage and log-probability, whose negative is, up to the step size, the policy's entropy change.

Source: Cui et al. (arXiv:2505.22617); ``doxa.training.entropy_change.token_covariance`` is the same for tensors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doxa.errors import InputError

TOP = (0.0002, 0.002, 0.02)
"""Shares of all tokens whose mean covariance is told: those of the paper and what ten times more are."""


class Batch(NamedTuple):
    """A checked batch of sampled tokens.

    Attributes:
        log_prob: of each token, 0 under mask 0.
        advantage: the same.
        valid: the mask.
    """

    log_prob: Float[np.ndarray, "batch time"]
    advantage: Float[np.ndarray, "batch time"]
    valid: Bool[np.ndarray, "batch time"]


class Covariance(NamedTuple):
    """How a batch's covariance is spread over its tokens.

    Attributes:
        mean: over all valid tokens.
        top: by share of the tokens, the mean of those with the largest covariance, at least one token.
        share_of_top: what the largest 2 % of the tokens add to the sum of all covariances above 0, in [0, 1].
        tokens: valid ones.
    """

    mean: float
    top: dict[float, float]
    share_of_top: float
    tokens: int


def array_of(value: Any) -> np.ndarray:
    """Return an array, whatever library the numbers are in."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    return np.asarray(value)


def batch_of(logp: Any, adv: Any, mask: Any = None) -> Batch:
    """Check a batch of sampled tokens.

    Args:
        logp: log-probabilities of the sampled tokens, (B, T) or (T,); arrays, lists or tensors.
        adv: advantages, of the same shape, or (B,) for one per response.
        mask: 1 for tokens of the response; None takes all.

    Raises:
        InputError: shapes differ, no token is valid, a log-probability is above 0 or a number is not finite.
    """
    log_prob = np.atleast_2d(array_of(logp)).astype(np.float64)
    valid = np.ones(log_prob.shape, dtype=bool) if mask is None else np.atleast_2d(array_of(mask)) > 0
    given = array_of(adv).astype(np.float64)
    if given.ndim == 1 and given.shape == log_prob.shape[:1]:
        given = given[:, None]
    advantage = np.atleast_2d(given)
    try:
        advantage = np.broadcast_to(advantage, log_prob.shape)
    except ValueError:
        raise InputError(
            f"adv of shape {given.shape}: must be {log_prob.shape}, as logp, or ({len(log_prob)},) for one per response"
        ) from None
    if valid.shape != log_prob.shape:
        raise InputError(f"mask of shape {valid.shape}: must be {log_prob.shape}, as logp")
    if not valid.any():
        raise InputError(f"mask of shape {valid.shape}: no response tokens in this batch")
    for name, values in (("logp", log_prob), ("adv", advantage)):
        if not np.isfinite(values[valid]).all():
            raise InputError(
                f"{name} holds NaN or inf where the mask is 1; a group of one has no standard deviation"
            )
    if (highest := float(log_prob[valid].max())) > 1e-4:
        raise InputError(
            f"logp reaches {highest:.4g}: log-probabilities are at most 0; are these logits or losses?"
        )
    return Batch(np.where(valid, log_prob, 0.0), np.where(valid, advantage, 0.0), valid)


def covariances(batch: Batch) -> Float[np.ndarray, "batch time"]:
    """Return each token's covariance, 0 under mask 0."""
    centred = [
        np.where(batch.valid, values - values[batch.valid].mean(), 0.0)
        for values in (batch.advantage, batch.log_prob)
    ]
    return centred[0] * centred[1]


def covariance_of(batch: Batch) -> Covariance:
    """Return how the covariance of a batch is spread over its tokens."""
    ranked = np.sort(covariances(batch)[batch.valid])[::-1]
    above = float(ranked[ranked > 0.0].sum())
    few = max(1, int(max(TOP) * ranked.size))
    return Covariance(
        float(ranked.mean()),
        {share: float(ranked[: max(1, int(share * ranked.size))].mean()) for share in TOP},
        float(np.maximum(ranked[:few], 0.0).sum()) / above if above > 0.0 else 0.0,
        ranked.size,
    )

"""What an endpoint's few log-probabilities say of entropy: a lower bound, no more."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError


class EntropyBound(NamedTuple):
    """A lower bound of entropies of which only the likeliest tokens are known.

    Attributes:
        lower: least entropy in nats that fits what is known, at each position.
        unseen: probability that the tokens known leave to all others.
    """

    lower: Float[np.ndarray, "*positions"]
    unseen: Float[np.ndarray, "*positions"]


def entropy_lower_bound(top_log_probs: Float[np.ndarray, "*positions k"]) -> EntropyBound:
    """Return the least entropy of a distribution whose k largest probabilities are these.

    What is left, r = 1 - Σ p, belongs to tokens none of which exceeds the least known, q. Entropy is least where as
    many of them as fit have q and one more has the rest: with n = floor(r / q) and s = r - nq,

        H >= -Σ p ln p - n q ln q - s ln s

    It is no entropy: of a flat distribution over 100,000 tokens, whose entropy is 11.5 nats, it is 11.5, but of one
    with a long tail below a few likely tokens it can be a tenth.

    Args:
        top_log_probs: natural log-probabilities of the k likeliest tokens, as ``top_logprobs`` of an endpoint returns
            them, in any order.

    Raises:
        InputError: a probability is above 1 or they add up to more.

    >>> bound = entropy_lower_bound(np.log([0.5, 0.25]))
    >>> round(float(bound.lower), 4), float(bound.unseen)
    (1.0397, 0.25)
    """
    log_p = np.asarray(top_log_probs, dtype=np.float64)
    if log_p.ndim < 1 or not log_p.shape[-1]:
        raise InputError("top_log_probs is empty; ask the endpoint for top_logprobs of 1 or more")
    if not (log_p <= 1e-6).all():
        raise InputError(f"top_log_probs reaches {log_p.max():.4g}: log-probabilities are at most 0")
    p = np.exp(log_p)
    left = 1.0 - p.sum(-1)
    if (left < -1e-4).any():
        raise InputError(
            f"top_log_probs add up to a probability of {1.0 - left.min():.6g}: must be at most 1"
        )
    left = np.maximum(left, 0.0)
    least = p.min(-1)
    usable = least > 0.0
    q = np.where(usable, least, 1.0)
    count = np.where(usable, np.floor(left / q + 1e-9), 0.0)
    rest = np.maximum(left - count * q, 0.0)
    lower = _surprise(p).sum(-1) + count * _surprise(q) + _surprise(rest)
    return EntropyBound(np.asarray(lower), np.asarray(left))


def _surprise(p: Any) -> Any:
    return -p * np.log(np.where(p > 0.0, p, 1.0))

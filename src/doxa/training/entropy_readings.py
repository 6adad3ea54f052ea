"""What a batch says of a policy's entropy and of its rewards, from arrays or tensors: changes to first order, ties."""

from __future__ import annotations

from typing import Any

import numpy as np

from doxa.errors import InputError
from doxa.training.batch_covariance import array_of, batch_of


def sampled_change(logits: Any, tokens: Any, adv: Any, mask: Any = None) -> float:
    """Return the mean entropy change of a unit step on each sampled token, exact to first order, in nats.

    Args:
        logits: at each position, (B, T, V), divided by the temperature.
        tokens: those sampled, (B, T).
        adv: advantages, (B, T) or (B,).
        mask: 1 for tokens of the response; None takes all.

    Raises:
        InputError: shapes differ or no token is valid.
    """
    import torch

    from doxa.training.entropy_change import entropy_change
    from doxa.training.tokens import token_log_probs

    z, drawn = (
        torch.from_numpy(array_of(logits).astype(np.float64)),
        torch.from_numpy(array_of(tokens)).long(),
    )
    if z.ndim != 3 or drawn.shape != z.shape[:2]:
        raise InputError(
            f"logits {tuple(z.shape)}, tokens {tuple(drawn.shape)}: must be (B, T, V) and (B, T)"
        )
    batch = batch_of(token_log_probs(z, drawn), adv, mask)
    change = entropy_change(z, drawn, torch.from_numpy(batch.advantage)).numpy()
    return float(change[batch.valid].mean())


def expected_change(logits: Any, dlogits: Any, mask: Any = None) -> float:
    """Return the mean entropy change by the covariance theorem, -Cov_π(ln π, Δz), in nats.

    Args:
        logits: before an update, (..., V).
        dlogits: what the update adds to them.
        mask: 1 for positions that count, of the leading shape; None takes all.

    Raises:
        InputError: shapes differ or no position counts.
    """
    z, change = array_of(logits).astype(np.float64), array_of(dlogits).astype(np.float64)
    if z.shape != change.shape:
        raise InputError(f"dlogits of shape {change.shape}: must be {z.shape}, as logits")
    counted = np.ones(z.shape[:-1], dtype=bool) if mask is None else array_of(mask) > 0
    if counted.shape != z.shape[:-1] or not counted.any():
        raise InputError(f"mask of shape {counted.shape}: must be {z.shape[:-1]} and hold a position")
    import torch

    from doxa.training.entropy_change import entropy_change_first_order

    return float(
        entropy_change_first_order(torch.from_numpy(z), torch.from_numpy(change)).numpy()[counted].mean()
    )


def tied_share(rewards: Any, group: Any, spread: float) -> float:
    """Return the share of groups whose rewards have a deviation below a spread and not of 0.

    Args:
        rewards: one per response.
        group: which prompt each response answers.
        spread: in units of the reward.

    Raises:
        InputError: not one group for each reward, or a reward is not finite.
    """
    values, labels = array_of(rewards).astype(np.float64).ravel(), array_of(group).ravel()
    if values.shape != labels.shape or not values.size or not np.isfinite(values).all():
        raise InputError(
            f"{values.size} rewards for {labels.size} groups: give one finite reward to each response"
        )
    index = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(index)
    means = np.bincount(index, values) / counts
    deviation = np.sqrt(np.bincount(index, (values - means[index]) ** 2) / np.maximum(counts - 1, 1))
    ties = 1e-9 * max(1.0, float(np.abs(values).max()))
    return float(((deviation > ties) & (deviation < spread)).mean())

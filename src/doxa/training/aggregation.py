"""From the losses of tokens to one number: the ways of averaging that trainers disagree on.

With x the losses, m the mask of response tokens, both (B, T), and lengths n_i = Σ_t m_it:

    token-mean                Σ x m / Σ m             every token counts the same, over the whole micro-batch
    seq-mean-token-sum        mean_i Σ_t x m          long responses count more
    seq-mean-token-mean       mean_i Σ_t x m / n_i    every response counts the same
    seq-mean-token-sum-norm   Σ x m / T               T is the padded length
    dr_grpo                   Σ x m / (B · L)         L is the longest response that may be generated

Means over responses leave out those without a token. What stands under mask 0 is never read, not even a NaN.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped

from doxa.errors import InputError, did_you_mean

Aggregation = Literal[
    "token-mean", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm", "dr_grpo"
]


def masked_mean(
    x: Shaped[torch.Tensor, "batch time"], mask: Shaped[torch.Tensor, "batch time"]
) -> Float[torch.Tensor, ""]:
    """Return the mean of x over both axes where the mask is 1.

    Raises:
        InputError: no token is valid.
    """
    valid = valid_tokens(mask)
    return torch.where(valid, x, 0.0).sum() / valid.sum()


def aggregate_loss(
    per_token: Float[torch.Tensor, "batch time"],
    mask: Shaped[torch.Tensor, "batch time"],
    mode: str = "token-mean",
    *,
    max_length: int | None = None,
) -> Float[torch.Tensor, ""]:
    """Return one loss from the losses of tokens.

    Args:
        per_token: losses.
        mask: 1 for tokens of the response, its end included.
        mode: one of ``Aggregation``.
        max_length: the L of ``dr_grpo``, in tokens.

    Raises:
        InputError: no token is valid, the mode is unknown, or ``dr_grpo`` lacks its length.
    """
    if mode == "token-mean":
        return masked_mean(per_token, mask)
    valid = valid_tokens(mask)
    sums = torch.where(valid, per_token, 0.0).sum(-1)
    lengths = valid.sum(-1)
    match mode:
        case "seq-mean-token-sum":
            return sums.sum() / (lengths > 0).sum()
        case "seq-mean-token-mean":
            return (sums / lengths.clamp(min=1)).sum() / (lengths > 0).sum()
        case "seq-mean-token-sum-norm":
            return sums.sum() / per_token.shape[-1]
        case "dr_grpo":
            if max_length is None or max_length < 1:
                raise InputError(
                    f"max_length={max_length}: dr_grpo divides by the longest response that may be generated; "
                    "say it in tokens"
                )
            return sums.sum() / (per_token.shape[0] * max_length)
        case _:
            raise InputError(f"aggregation '{mode}': {did_you_mean(mode, get_args(Aggregation))}")


def valid_tokens(mask: Shaped[torch.Tensor, "batch time"]) -> torch.Tensor:
    """Return the mask as booleans.

    Raises:
        InputError: no token is valid.
    """
    valid = mask if mask.dtype == torch.bool else mask > 0
    if not bool(valid.any()):
        raise InputError(
            f"mask of shape {tuple(mask.shape)}: no response tokens in this batch; drop it, or check that the mask "
            "is 1 where the response stands and not where the prompt does"
        )
    return valid

"""The loss that weighs tokens by quadrant, ``quadrant-weighted``: sign of the advantage times likely or rare.

A token is likely where ln p > -H, more probable than the geometric mean of its distribution. By its own term in the
first-order entropy change, learning from a likely token that did well, or from a rare one that did badly, lowers
entropy; a rare one that did well, or a likely one that did badly, raises it.
"""

from __future__ import annotations

import math

import torch

from doxa.errors import InputError
from doxa.training.aggregation import Aggregation, masked_mean
from doxa.training.batches import checked_entropy, token_batch
from doxa.training.losses.base import LossOutput, losses
from doxa.training.losses.surrogate import clipped_surrogate, plain


@losses.register("quadrant-weighted")
def quadrant_weighted_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    entropy: torch.Tensor | None = None,
    *,
    positive_likely: float = 1.0,
    positive_rare: float = 1.0,
    negative_likely: float = 1.0,
    negative_rare: float = 1.0,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float = 10.0,
    vocabulary: int | None = None,
    agg: Aggregation = "token-mean",
) -> LossOutput:
    """Return the dual-clip loss, each token times the weight of its quadrant.

    Source: the ablation of Hao et al. 2025 (arXiv:2510.10150); all weights 1 give ``dual-clip``.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        entropy: entropy in nats at each token.
        positive_likely: weight of likely tokens with an advantage above 0, >= 0.
        positive_rare: of rare ones with an advantage above 0.
        negative_likely: of likely ones with an advantage below 0.
        negative_rare: of rare ones with an advantage below 0.
        clip_low: ε below 1, in [0, 1].
        clip_high: ε above 1, >= 0.
        dual_clip: c > 1, bound for negative advantages.
        vocabulary: number of tokens, where entropies are to be checked against its logarithm.
        agg: mode of aggregation; token-mean divides by the number of tokens, not by the sum of weights.

    Raises:
        InputError: the batch, an entropy or an option is unfit.
    """
    table = torch.tensor(
        [[negative_rare, negative_likely], [positive_rare, positive_likely]], dtype=logp.dtype
    )
    if not all(0.0 <= weight < math.inf for weight in table.flatten().tolist()):
        raise InputError(
            f"weights of quadrants {table.flatten().tolist()}: must be finite and >= 0; 1 changes none"
        )
    batch = token_batch(logp, old_logp, adv, mask)
    uncertainty = checked_entropy(entropy, batch.valid, "quadrant-weighted", vocabulary)
    with torch.no_grad():
        likely = logp > -uncertainty
        weights = table.to(logp.device)[(batch.advantage > 0).long(), likely.long()]
        weights = torch.where(batch.valid, weights, 0.0)
        metrics = {"weight_mean": masked_mean(weights, batch.valid)}
    surrogate = clipped_surrogate(batch, clip_low, clip_high, dual_clip=dual_clip)
    return plain(batch, surrogate, agg, 0.0, None, weights, metrics)

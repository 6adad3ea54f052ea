"""The policy gradient and the clipped surrogates: ``policy-gradient``, ``ppo-clip``, ``dual-clip``.

With ρ = exp(ln π - ln π_old), A the advantage of a token and ε the clip range:

    policy-gradient   -A ρ
    ppo-clip          max(-A ρ, -A clip(ρ, 1 - ε_low, 1 + ε_high))        Schulman et al. 2017
    dual-clip         the same, for A < 0 at most -A c                     Ye et al. 2020

The clipped ones hold ln ρ within ±20, as verl does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float

from doxa.errors import InputError
from doxa.training.aggregation import Aggregation
from doxa.training.batches import TokenBatch, token_batch
from doxa.training.losses.base import LossOutput, bonus_needs, finished, losses, needing
from doxa.training.tokens import TokenStatistics

LARGEST_DRIFT = 20.0


class Surrogate(NamedTuple):
    """Clipped losses of tokens.

    Attributes:
        per_token: the losses.
        clipped: tokens whose gradient the clip, or the dual clip, has taken.
        metrics: clip fractions and drift.
    """

    per_token: Float[torch.Tensor, "batch time"]
    clipped: Bool[torch.Tensor, "batch time"]
    metrics: dict[str, torch.Tensor]


def clipped_surrogate(
    batch: TokenBatch,
    clip_low: float,
    clip_high: float,
    *,
    dual_clip: float | None = None,
    largest_drift: float | None = LARGEST_DRIFT,
) -> Surrogate:
    """Return the clipped losses of tokens.

    Args:
        batch: the micro-batch.
        clip_low: ε below 1, in [0, 1].
        clip_high: ε above 1, ≥ 0.
        dual_clip: c > 1, or None for no bound.
        largest_drift: bound of |ln ρ|, or None.

    Raises:
        InputError: a value is out of range.
    """
    if not 0.0 <= clip_low <= 1.0 or not clip_high >= 0.0:
        raise InputError(
            f"clip_low={clip_low:g}, clip_high={clip_high:g}: low in [0, 1] and high >= 0, as .2 and .28"
        )
    if dual_clip is not None and not dual_clip > 1.0:
        raise InputError(f"dual_clip={dual_clip:g}: must be > 1, as 3 or 10")
    drift = batch.drift if largest_drift is None else batch.drift.clamp(-largest_drift, largest_drift)
    ratio, adv = drift.exp(), batch.advantage
    free, bound = -adv * ratio, -adv * ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    per_token, clipped = torch.maximum(free, bound), bound > free
    metrics = {
        **drift_metrics(batch, ratio),
        "clip_fraction_high": batch.share(clipped & (adv > 0)),
        "clip_fraction_low": batch.share(clipped & (adv < 0)),
    }
    if dual_clip is not None:
        beyond = (adv < 0) & (per_token > -adv * dual_clip)
        per_token = torch.where(beyond, -adv * dual_clip, per_token)
        clipped = clipped | beyond
        metrics["dual_clip_fraction"] = batch.share(beyond)
    return Surrogate(per_token, clipped, metrics)


def drift_metrics(batch: TokenBatch, ratio: Float[torch.Tensor, "batch time"]) -> dict[str, torch.Tensor]:
    """Return how far the policy has moved: ``ppo_kl`` = mean -ln ρ, and the mean and largest ρ."""
    moved = ratio.detach() * batch.valid
    return {
        "ppo_kl": -batch.mean(batch.drift.detach()),
        "ratio_mean": batch.mean(moved),
        "ratio_max": moved.amax(),
    }


@losses.register("policy-gradient")
@needing(bonus_needs)
def policy_gradient_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    *,
    statistics: TokenStatistics | None = None,
    entropy_bonus: float = 0.0,
    agg: Aggregation = "token-mean",
) -> LossOutput:
    """Return the unclipped policy-gradient loss -A ρ.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        statistics: of the current policy, for the bonus.
        entropy_bonus: c in loss - c H.
        agg: mode of aggregation.

    Raises:
        InputError: the batch or an option is unfit.
    """
    batch = token_batch(logp, old_logp, adv, mask)
    ratio = batch.drift.exp()
    weights = batch.valid.to(ratio.dtype)
    metrics = drift_metrics(batch, ratio)
    return finished(batch, -batch.advantage * ratio, weights, metrics, agg, entropy_bonus, statistics)


@losses.register("ppo-clip")
@needing(bonus_needs)
def ppo_clip_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    *,
    statistics: TokenStatistics | None = None,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    entropy_bonus: float = 0.0,
    agg: Aggregation = "token-mean",
) -> LossOutput:
    """Return the clipped surrogate of PPO and GRPO; ``clip_high=0.28`` is Clip-higher.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        statistics: of the current policy, for the bonus.
        clip_low: ε below 1, in [0, 1].
        clip_high: ε above 1, ≥ 0.
        entropy_bonus: c in loss - c H.
        agg: mode of aggregation.

    Raises:
        InputError: the batch or an option is unfit.
    """
    batch = token_batch(logp, old_logp, adv, mask)
    return plain(batch, clipped_surrogate(batch, clip_low, clip_high), agg, entropy_bonus, statistics)


@losses.register("dual-clip")
@needing(bonus_needs)
def dual_clip_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    *,
    statistics: TokenStatistics | None = None,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    dual_clip: float = 3.0,
    entropy_bonus: float = 0.0,
    agg: Aggregation = "token-mean",
) -> LossOutput:
    """Return the clipped surrogate whose loss is bounded for negative advantages too.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        statistics: of the current policy, for the bonus.
        clip_low: ε below 1, in [0, 1].
        clip_high: ε above 1, ≥ 0.
        dual_clip: c > 1.
        entropy_bonus: c in loss - c H.
        agg: mode of aggregation.

    Raises:
        InputError: the batch or an option is unfit.
    """
    batch = token_batch(logp, old_logp, adv, mask)
    surrogate = clipped_surrogate(batch, clip_low, clip_high, dual_clip=dual_clip)
    return plain(batch, surrogate, agg, entropy_bonus, statistics)


def plain(
    batch: TokenBatch,
    surrogate: Surrogate,
    agg: str,
    entropy_bonus: float,
    statistics: TokenStatistics | None,
    weights: Float[torch.Tensor, "batch time"] | None = None,
    metrics: Mapping[str, torch.Tensor] | None = None,
) -> LossOutput:
    """Return a surrogate as a loss, times weights where there are any."""
    if weights is None:
        per_token, weights = surrogate.per_token, batch.valid.to(surrogate.per_token.dtype)
    else:
        per_token = surrogate.per_token * weights
    said = {**surrogate.metrics, **(metrics or {})}
    return finished(batch, per_token, weights, said, agg, entropy_bonus, statistics)

"""Losses that weigh tokens by entropy: ``steer``, by the entropy change they would cause, and ``top-entropy``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from doxa.errors import InputError
from doxa.training.aggregation import Aggregation
from doxa.training.batches import TokenBatch, check_share, checked_entropy, token_batch
from doxa.training.entropy_change import (
    Estimator,
    WeightKind,
    first_order_change,
    official_omega,
    steer_weights,
)
from doxa.training.losses.base import LossOutput, bonus_needs, losses, needing
from doxa.training.losses.surrogate import Surrogate, clipped_surrogate, plain
from doxa.training.tokens import TokenStatistics


def _steer_needs(options: Mapping[str, Any]) -> set[str]:
    needed = {"entropy", "concentration"} if options["estimator"] == "exact" else {"entropy"}
    return needed | ({"generator"} if options["permute"] else set()) | bonus_needs(options)


def _entropy_needs(options: Mapping[str, Any]) -> set[str]:
    return {"entropy"} | bonus_needs(options)


@losses.register("steer")
@needing(_steer_needs)
def steer_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    entropy: torch.Tensor | None = None,
    *,
    statistics: TokenStatistics | None = None,
    weights: torch.Tensor | None = None,
    estimator: Estimator = "official",
    kind: WeightKind = "exp",
    lambda_min: float = 0.8,
    lambda_max: float = 1.0,
    floor: float = 0.02,
    permute: bool = False,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float = 10.0,
    entropy_bonus: float = 0.0,
    vocabulary: int | None = None,
    agg: Aggregation = "token-mean",
    generator: torch.Generator | None = None,
) -> LossOutput:
    """Return the dual-clip loss, each token times a weight that falls with the entropy change it would cause.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        entropy: entropy in nats at each token; that of the rollout in the official code. Without it that of
            ``statistics`` is taken, the current policy's.
        statistics: of the current policy; ``exact`` needs them with their concentration.
        weights: λ, where the caller has its own.
        estimator: ``official``, the released code; ``squared`` and ``own_logit``, its variants; ``exact``, first order.
        kind: of the weights, see ``steer_weights``.
        lambda_min: weight of the largest change.
        lambda_max: weight of the least change, for ``linear``.
        floor: change that counts as large at least.
        permute: permute the weights among valid tokens, the control with the same histogram.
        clip_low: ε below 1, in [0, 1].
        clip_high: ε above 1, ≥ 0.
        dual_clip: c > 1, bound for negative advantages.
        entropy_bonus: c in loss - c H.
        vocabulary: number of tokens, where entropies are to be checked against its logarithm.
        agg: mode of aggregation; token-mean divides by the number of tokens, not by the sum of weights.
        generator: permutes.

    Raises:
        InputError: the batch, an entropy or an option is unfit.
    """
    batch = token_batch(logp, old_logp, adv, mask)
    surrogate = clipped_surrogate(batch, clip_low, clip_high, dual_clip=dual_clip)
    with torch.no_grad():
        metrics: dict[str, torch.Tensor] = {}
        if weights is None:
            omega = _omega(batch, surrogate, estimator, entropy, statistics, vocabulary)
            weights = steer_weights(omega, batch.valid, lambda_min, lambda_max, kind, floor)
            metrics["entropy_change_max"] = omega.abs().amax()
        if permute:
            weights = _permuted(weights, batch, generator)
        weights = torch.where(batch.valid, weights.detach(), 0.0).to(logp.dtype)
        metrics |= {
            "lambda_mean": batch.mean(weights),
            "lambda_min": weights.masked_fill(~batch.valid, torch.inf).amin(),
            "lambda_max": weights.amax(),
        }
    return plain(batch, surrogate, agg, entropy_bonus, statistics, weights, metrics)


@losses.register("top-entropy")
@needing(_entropy_needs)
def top_entropy_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    *,
    entropy: torch.Tensor | None = None,
    statistics: TokenStatistics | None = None,
    fraction: float = 0.2,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    entropy_bonus: float = 0.0,
    vocabulary: int | None = None,
    agg: Aggregation = "token-mean",
) -> LossOutput:
    """Return the clipped surrogate of the tokens of highest entropy alone.

    Kept are the tokens at or above the (1 - fraction) quantile of the micro-batch's entropies, as with TRL's
    ``top_entropy_quantile``; the aggregate's denominator still counts the others.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        entropy: entropy in nats at each token; without it that of ``statistics``.
        statistics: of the current policy.
        fraction: share of tokens to keep, in (0, 1].
        clip_low: ε below 1, in [0, 1].
        clip_high: ε above 1, ≥ 0.
        entropy_bonus: c in loss - c H.
        vocabulary: number of tokens, where entropies are to be checked against its logarithm.
        agg: mode of aggregation.

    Raises:
        InputError: the batch, an entropy or an option is unfit.
    """
    check_share("fraction", fraction)
    batch = token_batch(logp, old_logp, adv, mask)
    found = checked_entropy(_stored(entropy, statistics), batch.valid, "top-entropy", vocabulary)
    found = found.to(
        torch.promote_types(found.dtype, torch.float32)
    )  # quantiles of half precision are refused
    least = torch.quantile(found[batch.valid], 1.0 - fraction)
    kept = batch.valid & (found >= least)
    surrogate = clipped_surrogate(batch, clip_low, clip_high)
    metrics = {"fraction_selected": batch.share(kept)}
    return plain(batch, surrogate, agg, entropy_bonus, statistics, kept.to(logp.dtype), metrics)


def _stored(entropy: torch.Tensor | None, statistics: TokenStatistics | None) -> torch.Tensor | None:
    """Return the entropies of the rollout, else those of the current policy."""
    return statistics.entropy if entropy is None and statistics is not None else entropy


def _omega(
    batch: TokenBatch,
    surrogate: Surrogate,
    estimator: Estimator,
    entropy: torch.Tensor | None,
    statistics: TokenStatistics | None,
    vocabulary: int | None,
) -> torch.Tensor:
    """Return the estimated entropy change of each token per unit step, up to its sign."""
    who = f"steer?estimator={estimator}"
    log_prob = batch.log_prob.detach()
    if estimator == "exact":
        if statistics is None or statistics.concentration is None:
            raise InputError(
                f"{who} needs the whole distribution at each token: pass "
                "statistics=token_statistics(..., concentration=True)"
            )
        h = checked_entropy(statistics.entropy, batch.valid, who, vocabulary)
        weight = batch.advantage * batch.drift.detach().exp() * ~surrogate.clipped
        concentration = torch.where(batch.valid, statistics.concentration, 0.0)
        return first_order_change(log_prob, h, concentration, weight)
    h = checked_entropy(_stored(entropy, statistics), batch.valid, who, vocabulary)
    old = log_prob - batch.drift.detach()
    return official_omega(log_prob, old, batch.advantage, h, estimator)


def _permuted(weights: torch.Tensor, batch: TokenBatch, generator: torch.Generator | None) -> torch.Tensor:
    """Return the weights of valid tokens in another order."""
    if generator is None:
        raise InputError("steer?permute=true needs a generator: torch_stream(seed, 'permute')")
    among = weights[batch.valid]
    order = torch.randperm(len(among), generator=generator, device=generator.device)
    shuffled = torch.zeros_like(weights)
    shuffled[batch.valid] = among[order.to(among.device)]
    return shuffled

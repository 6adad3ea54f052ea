"""Clip-Cov and KL-Cov: losses that touch only the tokens whose covariance is largest (Cui et al. 2025).

Clip-Cov takes the gradient of a few tokens away, chosen at random from those whose covariance lies in a band. KL-Cov
leaves all gradients and adds β |ln π - ln π_old| to the tokens of largest covariance; its gradient is exactly 0 where
the policy has not moved yet, so it needs two updates per rollout to do anything.
Both are defined on the micro-batch they see; ``select=random`` takes as many tokens regardless of their covariance,
the control that must not keep entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float

from doxa.errors import InputError
from doxa.training.aggregation import Aggregation
from doxa.training.batches import TokenBatch, check_share, token_batch
from doxa.training.entropy_change import token_covariance
from doxa.training.losses.base import LossOutput, bonus_needs, finished, losses, needing
from doxa.training.losses.surrogate import clipped_surrogate, drift_metrics, plain
from doxa.training.tokens import TokenStatistics

Select = Literal["top", "random"]


def _clip_needs(options: Mapping[str, Any]) -> set[str]:
    return {"generator"} | bonus_needs(options)


def _kl_needs(options: Mapping[str, Any]) -> set[str]:
    return ({"generator"} if options["select"] == "random" else set()) | bonus_needs(options)


@losses.register("clip-cov")
@needing(_clip_needs)
def clip_cov_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    *,
    ratio: float = 2e-4,
    lb: float = 1.0,
    ub: float = 5.0,
    clip_low: float = 1.0,
    clip_high: float = 1.0,
    select: Select = "top",
    statistics: TokenStatistics | None = None,
    entropy_bonus: float = 0.0,
    agg: Aggregation = "token-mean",
    generator: torch.Generator | None = None,
) -> LossOutput:
    """Return the clipped surrogate without the gradient of a few tokens of high covariance.

    Of the tokens with lb < C < ub that PPO's own clip leaves alone, max(1, ratio · N) of N are chosen at random, or all
    where there are fewer, and their loss is set to 0; the aggregate's denominator still counts them.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        ratio: share of tokens, in (0, 1].
        lb: lower bound of the covariance, strict.
        ub: upper bound of the covariance, strict.
        clip_low: ε below 1 of PPO's own clip, opened wide here.
        clip_high: ε above 1.
        select: ``random`` takes as many of all unclipped tokens instead.
        statistics: of the current policy, for the bonus.
        entropy_bonus: c in loss - c H.
        agg: mode of aggregation.
        generator: chooses.

    Raises:
        InputError: the batch or an option is unfit, or there is no generator.
    """
    check_share("ratio", ratio)
    batch = token_batch(logp, old_logp, adv, mask)
    surrogate = clipped_surrogate(batch, clip_low, clip_high, largest_drift=None)
    covariance = token_covariance(batch.advantage, batch.log_prob.detach(), batch.valid)
    untouched = batch.valid & ~surrogate.clipped
    band = untouched & (covariance > lb) & (covariance < ub)
    wanted = min(max(int(ratio * int(batch.tokens)), 1), int(band.sum()))
    chosen = _random_tokens(untouched if select == "random" else band, wanted, generator, "clip-cov")
    weights = (batch.valid & ~chosen).to(logp.dtype)
    metrics = _selection_metrics(batch, covariance, chosen)
    return plain(batch, surrogate, agg, entropy_bonus, statistics, weights, metrics)


@losses.register("kl-cov")
@needing(_kl_needs, updates=2)
def kl_cov_loss(
    logp: torch.Tensor,
    old_logp: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    *,
    fraction: float = 2e-3,
    coef: float = 1.0,
    select: Select = "top",
    statistics: TokenStatistics | None = None,
    entropy_bonus: float = 0.0,
    agg: Aggregation = "token-mean",
    generator: torch.Generator | None = None,
) -> LossOutput:
    """Return the unclipped policy gradient with a penalty on the drift of the tokens of highest covariance.

    The published setting for 7B, k_percent = 0.2, is ``fraction=0.002``; that for 32B is ``fraction=0.0002``.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, with their gradient, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response, (B, T).
        fraction: share of tokens that are penalised, in (0, 1]; at least one token.
        coef: β ≥ 0.
        select: ``random`` takes as many of all tokens instead.
        statistics: of the current policy, for the bonus.
        entropy_bonus: c in loss - c H.
        agg: mode of aggregation.
        generator: chooses, for ``random``.

    Raises:
        InputError: the batch or an option is unfit.
    """
    check_share("fraction", fraction)
    if not coef >= 0.0:
        raise InputError(f"coef={coef:g}: must be >= 0; a negative penalty rewards drift")
    batch = token_batch(logp, old_logp, adv, mask)
    ratio = batch.drift.exp()
    covariance = token_covariance(batch.advantage, batch.log_prob.detach(), batch.valid)
    # the published share is a percentage: 0.29 of 100 tokens are 29, whatever the product rounds to
    wanted = max(1, int(int(batch.tokens) * fraction + 1e-9))
    if select == "random":
        chosen = _random_tokens(batch.valid, wanted, generator, "kl-cov?select=random")
    else:
        chosen = _top_tokens(covariance, batch.valid, wanted)
    penalty = torch.where(chosen, coef * batch.drift.abs(), 0.0)
    metrics = {
        **drift_metrics(batch, ratio),
        "kl_abs": batch.mean(batch.drift.detach().abs()),
        **_selection_metrics(batch, covariance, chosen),
    }
    per_token = -batch.advantage * ratio + penalty
    return finished(batch, per_token, batch.valid.to(logp.dtype), metrics, agg, entropy_bonus, statistics)


def _top_tokens(
    covariance: Float[torch.Tensor, "batch time"], valid: Bool[torch.Tensor, "batch time"], wanted: int
) -> Bool[torch.Tensor, "batch time"]:
    """Mark the valid tokens of largest covariance."""
    places = valid.flatten().nonzero().squeeze(1)
    best = covariance.flatten()[places].topk(wanted).indices
    return _marked(valid, places[best])


def _random_tokens(
    among: Bool[torch.Tensor, "batch time"], wanted: int, generator: torch.Generator | None, who: str
) -> Bool[torch.Tensor, "batch time"]:
    """Mark tokens drawn without replacement."""
    if generator is None:
        raise InputError(f"{who} chooses tokens at random: pass generator=torch_stream(seed, 'choice')")
    places = among.flatten().nonzero().squeeze(1)
    order = torch.randperm(len(places), generator=generator, device=generator.device)[:wanted]
    return _marked(among, places[order.to(places.device)])


def _marked(like: torch.Tensor, places: torch.Tensor) -> Bool[torch.Tensor, "batch time"]:
    marked = torch.zeros(like.numel(), dtype=torch.bool, device=like.device)
    marked[places] = True
    return marked.view(like.shape)


def _selection_metrics(
    batch: TokenBatch, covariance: torch.Tensor, chosen: Bool[torch.Tensor, "batch time"]
) -> dict[str, torch.Tensor]:
    return {
        "covariance": batch.mean(covariance),
        "covariance_selected": torch.where(chosen, covariance, 0.0).sum() / chosen.sum().clamp(min=1),
        "fraction_selected": batch.share(chosen),
    }

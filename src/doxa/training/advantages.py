"""Advantages: how much better a response was than the others to its prompt.

Every estimator is ``(rewards, group, *, ...) -> (B,)``, rewards (B,) and group (B,) an integer that responses to one
prompt share; some also ask for ``entropy`` and ``mask`` (B, T) and give one advantage per token, some for a
``generator``. Standard deviations are those of a sample (divided by n - 1). A group of one has mean 0 and deviation 1,
as in verl. A group whose rewards are all equal has advantage 0 exactly, whatever rounding does to its mean.

The small number added to the deviation differs between libraries: 1e-6 in verl and the entropy mechanism's code, 1e-4
in TRL, 1e-9 in OpenRLHF: ``grpo?eps=1e-4``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped

from doxa.errors import InputError
from doxa.lab.registry import Registry
from doxa.training.aggregation import masked_mean, valid_tokens
from doxa.training.batches import checked_entropy

AdvantageFunction = Callable[..., torch.Tensor]
"""From rewards and group, and from ``entropy``, ``mask`` and ``generator`` where it names them, to advantages."""

advantages: Registry[AdvantageFunction] = Registry("advantages")

Scale = Literal["group", "batch", "none"]


class _Groups(NamedTuple):
    """Rewards by group.

    Attributes:
        number: which group each response is of, counted from 0.
        size: number of responses in the group of each.
        mean: mean reward of the group of each, 0 for a group of one.
        equal: whether all rewards of the group of each are the same and there are several.
    """

    number: torch.Tensor
    size: torch.Tensor
    mean: torch.Tensor
    equal: torch.Tensor


@advantages.register("grpo")
def grpo_advantage(
    rewards: Float[torch.Tensor, " batch"],
    group: torch.Tensor,
    scale: Scale = "group",
    eps: float = 1e-6,
) -> Float[torch.Tensor, " batch"]:
    """Return (r - mean of the group) / (deviation + eps).

    Args:
        rewards: one per response.
        group: which prompt each response answers.
        scale: whose deviation divides: the group's, that of all rewards of the batch, or none.
        eps: added to the deviation, ≥ 0.

    Raises:
        InputError: rewards are not finite, shapes differ, eps is negative or the scale is unknown.
    """
    if not eps >= 0.0:
        raise InputError(f"eps={eps}: must be >= 0, as 1e-6 (verl), 1e-4 (TRL) or 1e-9 (OpenRLHF)")
    groups = _grouped(rewards, group)
    centred = torch.where(groups.equal, 0.0, rewards - groups.mean)
    if scale == "none":
        return centred
    if scale == "batch":
        deviation = rewards.std() if len(rewards) > 1 else rewards.new_ones(())
    elif scale == "group":
        squares = torch.where(groups.size > 1, centred.square(), 0.0)
        total = rewards.new_zeros(int(groups.number.max()) + 1).index_add_(0, groups.number, squares)
        spread = (total[groups.number] / (groups.size - 1).clamp(min=1)).sqrt()
        deviation = torch.where(groups.size > 1, spread, 1.0)
    else:
        raise InputError(f"scale={scale!r}: must be group, batch or none")
    # all rewards equal and eps = 0: nothing to divide
    return torch.where(centred == 0.0, 0.0, centred / (deviation + eps))


@advantages.register("rloo")
def rloo_advantage(
    rewards: Float[torch.Tensor, " batch"], group: torch.Tensor
) -> Float[torch.Tensor, " batch"]:
    """Return r minus the mean reward of the others in its group, or r itself where there are none.

    Raises:
        InputError: rewards are not finite or shapes differ.
    """
    groups = _grouped(rewards, group)
    size = groups.size.to(rewards.dtype)  # whole numbers would be divided in single precision
    others = size / (size - 1).clamp(min=1)
    return torch.where(groups.equal, 0.0, (rewards - groups.mean) * others)


@advantages.register("opo")
def opo_advantage(
    rewards: Float[torch.Tensor, " batch"],
    group: torch.Tensor,
    *,
    mask: Shaped[torch.Tensor, "batch time"],
) -> Float[torch.Tensor, " batch"]:
    """Return r minus the length-weighted mean reward of its group, the baseline of least variance of OPO.

    Args:
        rewards: one per response.
        group: which prompt each response answers.
        mask: 1 for tokens of the response; its sums are the lengths.

    Raises:
        InputError: rewards are not finite, shapes differ or no token is valid.
    """
    groups = _grouped(rewards, group)
    lengths = valid_tokens(mask).sum(-1).to(rewards.dtype)
    sums = rewards.new_zeros(2, int(groups.number.max()) + 1)
    sums.index_add_(1, groups.number, torch.stack([lengths * rewards, lengths]))
    baseline = (sums[0] / sums[1].clamp(min=1.0))[groups.number]
    return torch.where(groups.equal, 0.0, rewards - torch.where(groups.size > 1, baseline, 0.0))


@advantages.register("positive-weighted")
def positive_weighted_advantage(
    rewards: Float[torch.Tensor, " batch"],
    group: torch.Tensor,
    *,
    weight: float,
    base: str = "grpo",
) -> Float[torch.Tensor, " batch"]:
    """Return the advantages of another estimator, those above 0 times a weight.

    Args:
        rewards: one per response.
        group: which prompt each response answers.
        weight: factor of positive advantages, ≥ 0; below 1 it keeps entropy, above 1 it spends it.
        base: address of the estimator.

    Raises:
        InputError: the weight is negative or not finite, or as the estimator.
    """
    if not 0.0 <= weight < math.inf:
        raise InputError(f"weight={weight}: must be finite and >= 0; 1 changes nothing")
    plain = _base(base)(rewards, group)
    return torch.where(plain > 0, plain * weight, plain)


@advantages.register("entropy-aware")
def entropy_aware_advantage(
    rewards: Float[torch.Tensor, " batch"],
    group: torch.Tensor,
    *,
    entropy: torch.Tensor | None,
    mask: Shaped[torch.Tensor, "batch time"],
    coef: float = 0.4,
    base: str = "grpo",
) -> Float[torch.Tensor, "batch time"]:
    """Return A (1 + c h) per token, with h = H / mean H - 1: the mean weight stays 1, so the step size does too.

    Args:
        rewards: one per response.
        group: which prompt each response answers.
        entropy: entropy in nats at each token, at rollout.
        mask: 1 for tokens of the response.
        coef: c in [0, 1]; 1 gives a token without entropy no weight at all.
        base: address of the estimator of A.

    Raises:
        InputError: the coefficient is out of range, entropies are missing, or as the estimator.
    """
    if not 0.0 <= coef <= 1.0:
        raise InputError(f"coef={coef}: must be in [0, 1], so that no advantage changes its sign")
    valid = valid_tokens(mask)
    h = checked_entropy(entropy, valid, "entropy-aware")
    mean = masked_mean(h, valid)
    weight = torch.where(valid & (mean > 0), 1.0 + coef * (h / mean.clamp(min=1e-30) - 1.0), 1.0)
    return torch.where(valid, _base(base)(rewards, group).unsqueeze(-1) * weight, 0.0)


@advantages.register("shuffled")
def shuffled_advantage(
    rewards: Float[torch.Tensor, " batch"],
    group: torch.Tensor,
    *,
    generator: torch.Generator | None,
    base: str = "grpo",
) -> Float[torch.Tensor, " batch"]:
    """Return another estimator's advantages, permuted over all responses: a control without any signal.

    Args:
        rewards: one per response.
        group: which prompt each response answers.
        generator: draws the permutation.
        base: address of the estimator.

    Raises:
        InputError: no generator is given, or as the estimator.
    """
    if generator is None:
        raise InputError("shuffled advantages need a generator: torch_stream(seed, 'shuffled')")
    order = torch.randperm(len(rewards), generator=generator, device=generator.device)
    return _base(base)(rewards, group)[order.to(rewards.device)]


def _base(address: str) -> AdvantageFunction:
    from doxa.training.objectives import open_advantage

    estimator = open_advantage(address)
    if estimator.needs:
        raise InputError(f"base={address}: must need rewards and groups only, as grpo or rloo")
    return estimator


def _grouped(rewards: torch.Tensor, group: torch.Tensor) -> _Groups:
    if rewards.shape != group.shape or rewards.ndim != 1 or len(rewards) == 0:
        raise InputError(
            f"rewards {tuple(rewards.shape)}, group {tuple(group.shape)}: both must be (responses,), at least one"
        )
    if not bool(rewards.isfinite().all()):
        raise InputError("a reward is NaN or infinite: drop the response, or give it the reward of a failure")
    index = torch.unique(group, return_inverse=True)[1]
    count = int(index.max()) + 1
    sizes = torch.bincount(index, minlength=count)
    sums = rewards.new_zeros(count).index_add_(0, index, rewards)
    means = torch.where(sizes > 1, sums / sizes, 0.0)
    extremes = [
        rewards.new_zeros(count).scatter_reduce(0, index, rewards, reduce, include_self=False)
        for reduce in ("amin", "amax")
    ]
    equal = (extremes[0] == extremes[1]) & (sizes > 1)
    return _Groups(index, sizes[index], means[index], equal[index])

"""What of a ``GRPOConfig`` goes together with a loss of doxa, and how often it updates per rollout."""

from __future__ import annotations

from typing import Any

from doxa.errors import InputError, did_you_mean
from doxa.training.objectives import Advantage, TokenLoss

AGGREGATIONS = ("dapo", "grpo", "bnpo", "dr_grpo")
"""TRL's ``loss_type`` that only say how tokens are averaged: over all tokens of the update, over each response and then
over responses, over all tokens of the micro-batch, over responses at their greatest length."""

_SAID_BY_THE_LOSS: dict[str, tuple[Any, str]] = {
    "epsilon": (0.2, "loss='ppo-clip?clip_low=0.2&clip_high=0.2'"),
    "epsilon_high": (None, "loss='ppo-clip?clip_high=0.28'"),
    "delta": (None, "loss='dual-clip?dual_clip=3', or another of doxa's"),
    "importance_sampling_level": ("token", "TRL's own trainer for whole sequences"),
    "top_entropy_quantile": (1.0, "loss='top-entropy?fraction=0.2'"),
    "entropy_coef": (0.0, "loss='ppo-clip?entropy_bonus=0.01'"),
    "use_adaptive_entropy": (False, "TRL's own trainer for it"),
}


def check_settings(args: Any, loss: TokenLoss, advantage: Advantage | None) -> None:
    """Refuse settings that would be read by nobody, or would change what the loss means.

    Args:
        args: a ``GRPOConfig``.
        loss: the loss.
        advantage: the estimator, None for TRL's own.

    Raises:
        InputError: a setting says what the loss says, or the loss says what a setting says.
    """
    if args.loss_type not in AGGREGATIONS:
        raise InputError(
            f"loss_type={args.loss_type!r}: with a loss of doxa it only says how tokens are averaged; "
            f"{did_you_mean(args.loss_type, AGGREGATIONS)}"
        )
    if "agg" in loss.options:
        raise InputError(
            f"loss '{loss.address}': TRL averages over processes and accumulation steps, so leave agg out and set "
            f"loss_type, one of {', '.join(AGGREGATIONS)}"
        )
    for name, (default, instead) in _SAID_BY_THE_LOSS.items():
        given = getattr(args, name, default)
        if given != default:
            raise InputError(
                f"{name}={given!r}: a loss of doxa does not read it; leave it out and use {instead}"
            )
    if advantage is not None:
        if args.scale_rewards not in ("group", True):
            raise InputError(
                f"scale_rewards={args.scale_rewards!r}: the advantage says it: advantage='grpo?scale=batch&eps=1e-4'"
            )
        if args.multi_objective_aggregation != "sum_then_normalize":
            raise InputError(
                "multi_objective_aggregation: with an advantage of doxa rewards are summed first"
            )


def updates_per_rollout(args: Any) -> int:
    """Return how many optimiser steps are taken on the completions of one generation."""
    return max(1, args.steps_per_generation * args.num_iterations // args.gradient_accumulation_steps)

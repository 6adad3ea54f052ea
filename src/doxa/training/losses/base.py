"""What a loss is, and the registry of losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float

from doxa.errors import InputError
from doxa.lab.registry import Registry
from doxa.training.aggregation import aggregate_loss
from doxa.training.batches import TokenBatch
from doxa.training.tokens import TokenStatistics

F = TypeVar("F", bound=Callable[..., Any])


class LossOutput(NamedTuple):
    """What a loss gives back.

    Attributes:
        loss: to be minimised, with its gradient.
        per_token: losses of tokens, weights and entropy bonus included, 0 under mask 0; ``loss`` is their aggregate.
        weights: factor that the method put on each token's loss, without gradient, 0 under mask 0.
        metrics: numbers worth logging, without gradient; they stay tensors so that nothing waits for them.
    """

    loss: Float[torch.Tensor, ""]
    per_token: Float[torch.Tensor, "batch time"]
    weights: Float[torch.Tensor, "batch time"]
    metrics: Mapping[str, torch.Tensor]


LossFunction = Callable[..., LossOutput]
"""``f(logp, old_logp, adv, mask, *, entropy, statistics, generator, agg, ...)``, of the keywords those it needs."""

losses: Registry[LossFunction] = Registry("losses", "doxa.training.losses")


def needing(says: Callable[[Mapping[str, Any]], set[str]], *, updates: int = 1) -> Callable[[F], F]:
    """Return a decorator that notes what a loss needs.

    Args:
        says: from its options to a set of ``doxa.training.objectives.NEEDS``.
        updates: optimiser steps per rollout below which it does nothing of its own.
    """

    def decorate(function: F) -> F:
        function.needs = says  # pyright: ignore[reportFunctionMemberAccess]
        function.updates = updates  # pyright: ignore[reportFunctionMemberAccess]
        return function

    return decorate


def bonus_needs(options: Mapping[str, Any]) -> set[str]:
    """Return what an entropy bonus needs, nothing where there is none."""
    return {"entropy_gradient"} if options["entropy_bonus"] != 0.0 else set()


def finished(
    batch: TokenBatch,
    per_token: Float[torch.Tensor, "batch time"],
    weights: Float[torch.Tensor, "batch time"],
    metrics: Mapping[str, torch.Tensor],
    agg: str,
    entropy_bonus: float = 0.0,
    statistics: TokenStatistics | None = None,
) -> LossOutput:
    """Return the output of a loss: the entropy bonus is taken off, the tokens are aggregated.

    Args:
        batch: the micro-batch.
        per_token: losses of tokens, weights included.
        weights: those weights.
        metrics: numbers of the method.
        agg: mode of aggregation.
        entropy_bonus: c in loss - c · aggregate(H).
        statistics: of the current policy, whose entropies carry a gradient; needed for a bonus.

    Raises:
        InputError: there is a bonus and no entropy with a gradient, or the aggregation is unknown.
    """
    if entropy_bonus != 0.0:
        if statistics is None or not (statistics.entropy.requires_grad or not torch.is_grad_enabled()):
            raise InputError(
                f"entropy_bonus={entropy_bonus:g} needs entropies of the current policy with their gradient: pass "
                "statistics=token_statistics(...), computed outside torch.no_grad()"
            )
        entropy = torch.where(batch.valid, statistics.entropy, 0.0)
        per_token = per_token - entropy_bonus * entropy
        metrics = {**metrics, "entropy": batch.mean(entropy.detach())}
    loss = batch.mean(per_token) if agg == "token-mean" else aggregate_loss(per_token, batch.valid, agg)
    return LossOutput(loss, per_token, weights, metrics)

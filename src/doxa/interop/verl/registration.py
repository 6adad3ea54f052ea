"""doxa's objectives as functions that verl calls.

A policy loss of verl is ``(old_log_prob, log_prob, advantages, response_mask, loss_agg_mode, config,
rollout_is_weights) -> (loss, metrics)``; in older versions it returns four tensors instead, the loss, the clip
fraction, the drift and the lower clip fraction. An estimator of advantages is ``(token_level_rewards, response_mask,
index, config, ...) -> (advantages, returns)``. verl's actor hands no entropies to a policy loss; ``offering`` does.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.advantages import advantages as known_advantages
from doxa.training.losses.base import LossOutput
from doxa.training.losses.base import losses as known_losses
from doxa.training.objectives import open_advantage, open_loss
from doxa.training.tokens import TokenStatistics


class _Offered(NamedTuple):
    entropy: torch.Tensor | None = None
    statistics: TokenStatistics | None = None


_offered: ContextVar[_Offered | None] = ContextVar("offered", default=None)


@contextmanager
def offering(
    *, entropy: torch.Tensor | None = None, statistics: TokenStatistics | None = None
) -> Generator[None]:
    """Hand entropies to the policy losses that are called inside, as ``steer`` and an entropy bonus need them.

    Args:
        entropy: entropy in nats at each response token, (responses, tokens), of the rollout if it was kept, else of the
            current policy; what verl's actor returns with ``calculate_entropy=True``.
        statistics: of the current policy, for ``steer?estimator=exact``.
    """
    token = _offered.set(_Offered(entropy, statistics))
    try:
        yield
    finally:
        _offered.reset(token)


def policy_loss(address: str, core_algos: Any, *, seed: int = 0) -> Callable[..., Any]:
    """Return a loss of doxa as a policy loss of verl.

    Tokens are put together by verl's own ``agg_loss``, which knows the global batch.

    Args:
        address: of the loss, as ``kl-cov?fraction=0.002``.
        core_algos: the module ``verl.trainer.ppo.core_algos``.
        seed: of random choices; each call has its own stream.

    Raises:
        InputError: the address cannot be understood, or says how tokens are averaged.
    """
    loss = open_loss(address)
    if "agg" in loss.options:
        raise InputError(f"loss '{address}': leave agg out; verl says it, in actor.loss_agg_mode")
    calls = itertools.count()
    returns_metrics = _returns_metrics(core_algos)

    def compute_policy_loss(
        old_log_prob: torch.Tensor,
        log_prob: torch.Tensor,
        advantages: torch.Tensor,
        response_mask: torch.Tensor,
        loss_agg_mode: str = "token-mean",
        config: Any = None,
        rollout_is_weights: torch.Tensor | None = None,
        **others: Any,
    ) -> tuple[Any, ...]:
        if not bool((response_mask > 0).any()):
            nothing = torch.zeros_like(log_prob)  # a micro-batch of padding alone, as verl makes to fill up
            return _returned(
                0.0 * log_prob.sum(), LossOutput(nothing.sum(), nothing, nothing, {}), returns_metrics
            )
        offered = _offered.get() or _Offered()
        given = cast("torch.Tensor | None", others.get("entropy"))
        entropy = offered.entropy if given is None else given
        statistics = offered.statistics
        if statistics is None and entropy is not None:
            statistics = TokenStatistics(log_prob, entropy)
        output = loss(
            log_prob,
            old_log_prob,
            advantages,
            response_mask,
            entropy=entropy,
            statistics=statistics,
            generator=torch_stream(seed, "verl", address, next(calls)),
        )
        per_token = output.per_token
        if rollout_is_weights is not None:
            per_token = per_token * rollout_is_weights
        aggregated = core_algos.agg_loss(
            loss_mat=per_token,
            loss_mask=response_mask,
            loss_agg_mode=loss_agg_mode,
            **(getattr(config, "global_batch_info", None) or {}),
        )
        return _returned(aggregated, output, returns_metrics)

    compute_policy_loss.__doc__ = f"doxa's loss {address}."
    return compute_policy_loss


def advantage_estimator(address: str, *, seed: int = 0) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Return an estimator of doxa as one of verl; a response's reward is the sum of its tokens'.

    Args:
        address: of the estimator, as ``grpo?scale=none``.
        seed: of random choices; each call has its own stream.

    Raises:
        InputError: the address cannot be understood, or needs entropies, which verl's estimators are not given.
    """
    estimator = open_advantage(address)
    if "entropy" in estimator.needs:
        raise InputError(f"advantage '{address}' needs entropies, and verl gives its estimators none")
    calls = itertools.count()

    def compute_advantage(
        token_level_rewards: torch.Tensor,
        response_mask: torch.Tensor,
        index: np.ndarray | None = None,
        config: Any = None,  # noqa: ARG001 - verl passes it
        **others: Any,  # noqa: ARG001 - and what other estimators ask for
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if index is None:
            raise InputError(f"advantage '{address}' needs index, which prompt each response answers")
        with torch.no_grad():
            rewards = token_level_rewards.sum(-1)
            group = torch.from_numpy(np.unique(np.asarray(index), return_inverse=True)[1]).to(rewards.device)
            generator = torch_stream(seed, "verl", address, next(calls))
            found = estimator(rewards, group, mask=response_mask, generator=generator)
            found = (found if found.ndim == 2 else found.unsqueeze(-1)) * response_mask
        return found, found

    compute_advantage.__doc__ = f"doxa's advantage {address}."
    return compute_advantage


def register(
    losses: Mapping[str, str] | None = None,
    advantages: Mapping[str, str] | None = None,
    *,
    seed: int = 0,
    core_algos: Any = None,
) -> None:
    """Put losses and advantages into verl's registries.

    Args:
        losses: name in verl to address; None registers every loss of doxa with its defaults as ``doxa_<name>``, with
            underscores: ``doxa_kl_cov``.
        advantages: the same for advantages that verl can give what they need.
        seed: of random choices.
        core_algos: the module ``verl.trainer.ppo.core_algos``; None imports it.

    Raises:
        InputError: an address cannot be understood.
        ModuleNotFoundError: verl is not installed.
    """
    if core_algos is None:
        import importlib

        core_algos = importlib.import_module("verl.trainer.ppo.core_algos")
    for name, address in (_defaults(known_losses.names()) if losses is None else losses).items():
        core_algos.register_policy_loss(name)(policy_loss(address, core_algos, seed=seed))
    if advantages is None:
        plain = [name for name in known_advantages.names() if name not in _NOT_BY_THEMSELVES]
        advantages = _defaults(plain)
    for name, address in advantages.items():
        core_algos.register_adv_est(name)(advantage_estimator(address, seed=seed))


_NOT_BY_THEMSELVES = ("entropy-aware", "positive-weighted")
"""Advantages that need entropies, or an option without a default."""


def _defaults(names: list[str]) -> dict[str, str]:
    return {f"doxa_{name.replace('-', '_')}": name for name in names}


def _returns_metrics(core_algos: Any) -> bool:
    """Return whether this verl takes (loss, metrics) of a policy loss, as its own plain one declares."""
    plain = getattr(core_algos, "compute_policy_loss_vanilla", None)
    declared = "dict" if plain is None else str(inspect.signature(plain).return_annotation)
    return "dict" in declared.lower()


def _returned(loss: torch.Tensor, output: LossOutput, returns_metrics: bool) -> tuple[Any, ...]:
    said = output.metrics
    none = loss.new_zeros(())
    clipped = said.get("clip_fraction_high", none) + said.get("clip_fraction_low", none)
    drift, dual = said.get("ppo_kl", none), said.get("dual_clip_fraction", none)
    if not returns_metrics:
        return loss, clipped, drift, dual
    named = {"pg_clipfrac": clipped, "ppo_kl": drift, "pg_clipfrac_lower": dual, **said}
    values = torch.stack([value.float() for value in named.values()]).tolist()
    return loss, {f"actor/{name}": value for name, value in zip(named, values, strict=True)}

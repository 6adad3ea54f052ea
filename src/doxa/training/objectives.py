"""Losses and advantages by name: an address such as ``kl-cov?fraction=0.02&coef=1`` means one function.

A function says by its own signature what it needs. Of what a loop may offer, a loss takes ``entropy``,
``statistics`` and ``generator``, an advantage ``entropy``, ``mask`` and ``generator``, if it has parameters of these
names; its other parameters are options with types, as an address gives them. What it really needs with given options
stands in ``needs``, so that a loop computes no entropy for a loss that wants none.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from doxa.errors import InputError, did_you_mean
from doxa.lab.options import asked, parse_options, typed_options
from doxa.lab.registry import Registry
from doxa.training.advantages import AdvantageFunction, advantages
from doxa.training.batches import ObjectiveWarning
from doxa.training.losses.base import LossFunction, LossOutput, losses
from doxa.training.tokens import TokenStatistics

NEEDS = frozenset({"entropy", "concentration", "entropy_gradient", "generator", "mask"})
"""What an objective may need beside the tensors that every one gets."""

_GIVEN_TO_LOSSES = ("logp", "old_logp", "adv", "mask", "entropy", "statistics", "generator", "weights")
_GIVEN_TO_ADVANTAGES = ("rewards", "group", "entropy", "mask", "generator")
_IMPLIED = {
    "entropy": {"entropy"},
    "generator": {"generator"},
    "mask": {"mask"},
    "statistics": {"entropy", "concentration"},
}


class TokenLoss(NamedTuple):
    """A loss with its options.

    Attributes:
        address: what it was opened from.
        function: the loss.
        options: its options by name, those of the address.
        needs: what it needs beside log-probabilities, advantages and mask, of ``NEEDS``.
    """

    address: str
    function: LossFunction
    options: Mapping[str, Any]
    needs: frozenset[str]

    def __call__(
        self,
        logp: torch.Tensor,
        old_logp: torch.Tensor,
        adv: torch.Tensor,
        mask: torch.Tensor,
        *,
        entropy: torch.Tensor | None = None,
        statistics: TokenStatistics | None = None,
        generator: torch.Generator | None = None,
    ) -> LossOutput:
        """Return the loss of one micro-batch; of what is offered it takes what it needs.

        Args:
            logp: log-probabilities of the sampled tokens under the current policy, with their gradient.
            old_logp: the same under the policy that sampled them.
            adv: advantages, one per token, or (batch,) for one per response.
            mask: 1 for tokens of the response.
            entropy: entropy in nats at each token, at rollout.
            statistics: of the current policy.
            generator: for random choices.

        Raises:
            InputError: something it needs is missing or out of range.
        """
        offered = {"entropy": entropy, "statistics": statistics, "generator": generator}
        taken = {name: one for name, one in offered.items() if name in asked(self.function)}
        return self.function(logp, old_logp, adv, mask, **taken, **self.options)


class Advantage(NamedTuple):
    """An estimator of advantages with its options; attributes as of ``TokenLoss``."""

    address: str
    function: AdvantageFunction
    options: Mapping[str, Any]
    needs: frozenset[str]

    def __call__(
        self,
        rewards: torch.Tensor,
        group: torch.Tensor,
        *,
        entropy: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Return advantages, (batch,) or (batch, time); of what is offered it takes what it needs.

        Args:
            rewards: one per response.
            group: which prompt each response answers.
            entropy: entropy in nats at each token, at rollout.
            mask: 1 for tokens of the response.
            generator: for random choices.

        Raises:
            InputError: something it needs is missing or out of range.
        """
        offered = {"entropy": entropy, "mask": mask, "generator": generator}
        taken = {name: one for name, one in offered.items() if name in asked(self.function)}
        if "mask" in taken and mask is None:
            raise InputError(f"advantage '{self.address}' needs the mask of the responses")
        return self.function(rewards, group, **taken, **self.options)


def open_loss(address: str) -> TokenLoss:
    """Return the loss at an address.

    Args:
        address: ``name?option=value&other=value``; names are those of the registry ``losses``.

    Raises:
        InputError: no loss has this name, or an option is unknown, missing or of another type.

    >>> sorted(open_loss("steer?estimator=exact").needs)
    ['concentration', 'entropy']
    """
    function, options = _opened("loss", address, "kl-cov?fraction=0.02&coef=1", losses, _GIVEN_TO_LOSSES)
    return TokenLoss(address, function, options, _needs(function, options) - {"mask"})


def open_advantage(address: str) -> Advantage:
    """Return the estimator of advantages at an address.

    Args:
        address: ``name?option=value&other=value``; names are those of the registry ``advantages``.

    Raises:
        InputError: no estimator has this name, or an option is unknown, missing or of another type.

    >>> open_advantage("grpo?scale=none")(torch.tensor([0.0, 1.0]), torch.tensor([7, 7])).tolist()
    [-0.5, 0.5]
    """
    function, options = _opened("advantage", address, "grpo?eps=1e-4", advantages, _GIVEN_TO_ADVANTAGES)
    return Advantage(address, function, options, _needs(function, options))


def warn_few_updates(loss: TokenLoss, updates: int) -> None:
    """Warn if a loop takes too few optimiser steps per rollout for a loss to do anything; once, before it starts.

    Args:
        loss: the loss.
        updates: optimiser steps per rollout.
    """
    least = int(getattr(loss.function, "updates", 1))
    if updates < least:
        warnings.warn(
            f"{loss.address}: has no effect with {updates} update per rollout, since its penalty has no gradient where "
            f"the policy has not moved; take at least {least} mini-batches or epochs per rollout",
            ObjectiveWarning,
            stacklevel=2,
        )


def _opened(
    what: str, address: str, example: str, registry: Registry[Any], given: tuple[str, ...]
) -> tuple[Callable[..., Any], dict[str, Any]]:
    name, texts = parse_options(what, address, example)
    if name not in registry:
        raise InputError(f"no {what} called '{name}'; {did_you_mean(name, registry.names())}")
    function = registry.get(name)
    return function, typed_options(what, address, function, texts, without=given)


def _needs(function: Callable[..., Any], options: Mapping[str, Any]) -> frozenset[str]:
    """Return what a function says it needs with these options, else what its parameters imply."""
    parameters = asked(function)
    said: Callable[..., set[str]] | None = getattr(function, "needs", None)
    if said is None:
        return frozenset(need for name, implied in _IMPLIED.items() if name in parameters for need in implied)
    defaults = {name: one.default for name, (one, _) in parameters.items()}
    return frozenset(said({**defaults, **options}))

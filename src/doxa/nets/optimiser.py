"""AdamW over a stack: each replicate is clipped by its own norm and may have its own rate and count of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float

SMALLEST_NORM = 1e-12
UNDECAYED = ("norm", "embedding")


class StackedAdamW:
    """AdamW (Loshchilov and Hutter 2019) on stacked weights, all of which take gradients until ``release``.

    Args:
        weights: parameter name to tensor [replicates, ...], updated in place.
        moments: first moments in the order of the weights, updated in place.
        squares: second moments likewise.
        updates: steps done, one number for all replicates (they then share rate and steps) or one for each.
        betas: decay rates of the two moments.
        weight_decay: decoupled decay of the matrices of the blocks; norms and embeddings have none.
        clip_norm: longest gradient, for all replicates or for each; 0 switches clipping off.
    """

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        moments: Sequence[torch.Tensor],
        squares: Sequence[torch.Tensor],
        *,
        updates: int | Sequence[int],
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        clip_norm: float | Sequence[float] = 1.0,
    ) -> None:
        self._weights = [weight.requires_grad_(True) for weight in weights.values()]
        replicates = self._weights[0].shape[0]
        bound = torch.tensor(clip_norm, dtype=self._weights[0].dtype).expand(replicates)
        self._bound = torch.where(bound > 0, bound, torch.inf)
        self._clips = bool((bound > 0).any())
        self._updates = [updates] if isinstance(updates, int) else list(updates)
        self._each = not isinstance(updates, int)
        self._parts: list[list[torch.Tensor]] = []
        groups: list[dict[str, Any]] = []
        state: dict[torch.Tensor, dict[str, torch.Tensor]] = {}
        for replicate, done in enumerate(self._updates):
            part = [weight.detach()[replicate] if self._each else weight for weight in self._weights]
            self._parts.append(part)
            named = list(zip(weights, part, strict=True))
            decayed = [weight for name, weight in named if not name.endswith(UNDECAYED)]
            others = [weight for name, weight in named if name.endswith(UNDECAYED)]
            groups += [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
            for weight, first, second in zip(part, moments, squares, strict=True):
                kept = (first[replicate], second[replicate]) if self._each else (first, second)
                state[weight] = {
                    "step": torch.tensor(float(done)), "exp_avg": kept[0], "exp_avg_sq": kept[1],
                }  # fmt: skip
        self._adam = torch.optim.AdamW(
            groups, lr=1.0, betas=betas, eps=1e-8, weight_decay=weight_decay, fused=True
        )
        self._adam.state.update(state)

    @property
    def updates(self) -> list[int]:
        """Steps done, of all replicates together or of each."""
        return list(self._updates)

    def release(self) -> None:
        """Leave plain tensors behind."""
        for weight in self._weights:
            weight.requires_grad_(False)
            weight.grad = None

    def step(
        self,
        loss: torch.Tensor,
        rate: float | Sequence[float],
        active: Bool[np.ndarray, " replicates"] | None = None,
    ) -> Float[torch.Tensor, " replicates"]:
        """Take one step down the gradient of the summed losses.

        Args:
            loss: of each replicate, or their sum.
            rate: learning rate, one for each replicate where each counts its own steps.
            active: which replicates take the step; the others, moments and counts included, stay as they are.

        Returns:
            The norm of each replicate's gradient before it was clipped; 0 where no gradient is measured, because
            nothing is clipped and replicates are not told apart.
        """
        for weight in self._weights:
            weight.grad = None
        torch.autograd.backward(loss.sum())
        rates = [rate] if isinstance(rate, float | int) else list(rate)
        for group, one in zip(self._adam.param_groups, np.repeat(rates, 2), strict=True):
            group["lr"] = float(one)
        norms = self._clip() if self._clips or self._each else torch.zeros_like(self._bound)
        for replicate, part in enumerate(self._parts):
            moving = active is None or bool(active[replicate]) or not self._each
            self._updates[replicate] += moving
            if self._each:
                for weight, whole in zip(part, self._weights, strict=True):
                    weight.grad = cast(torch.Tensor, whole.grad)[replicate] if moving else None
        self._adam.step()
        return norms

    @torch.no_grad()
    def _clip(self) -> Float[torch.Tensor, " replicates"]:
        """Shorten each replicate's gradient to its bound if it is longer; return the norms from before."""
        grads = [cast(torch.Tensor, weight.grad) for weight in self._weights]
        norms = torch.stack([grad.flatten(1).square().sum(1) for grad in grads]).sum(0).sqrt()
        factor = (norms.clamp(min=SMALLEST_NORM).reciprocal() * self._bound).clamp(max=1.0)
        if bool((factor < 1).any()):
            for grad in grads:
                grad.mul_(factor.view(-1, *[1] * (grad.ndim - 1)))
        return norms

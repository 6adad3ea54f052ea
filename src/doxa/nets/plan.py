"""What to train and how: the shape of a network, the plan of its training, the batches it reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError

Schedule: TypeAlias = Literal["one-cycle", "cosine", "constant"]
Precision: TypeAlias = Literal["float32", "bfloat16", "auto"]

NO_LOSS = -1  # target of a position that carries no loss


class TokenBatch(NamedTuple):
    """Token rows and what to predict: ``targets[b, t]`` is the token after position t, or -1 for no loss."""

    tokens: Int[np.ndarray, "batch positions"]
    targets: Int[np.ndarray, "batch positions"]


Sampler: TypeAlias = Callable[[np.random.Generator, int], TokenBatch]
"""Draws the given number of rows; everything random comes from the generator."""


@dataclass(frozen=True)
class NetShape:
    """Shape of a causal transformer with the equations of ``LlamaForCausalLM``.

    Attributes:
        vocabulary: number of tokens.
        width: size of the residual stream, a multiple of ``2 * heads``.
        layers: number of blocks.
        heads: attention heads per block.
        hidden: width of the gated unit; 0 becomes twice the width.
        positions: longest sequence the exported model declares.
        rope_theta: base of the rotary frequencies.
        norm_eps: epsilon inside the root mean square.
        init_std: standard deviation of the initial weights; 0 becomes 1 / sqrt(width).
        tied: whether the head is the embedding.
    """

    vocabulary: int
    width: int = 64
    layers: int = 2
    heads: int = 4
    hidden: int = 0
    positions: int = 2048
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6
    init_std: float = 0.0
    tied: bool = True

    def __post_init__(self) -> None:
        for name in ("vocabulary", "width", "layers", "heads", "positions"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be >= 1")
        if self.width % (2 * self.heads):
            raise InputError(f"width={self.width}: must be a multiple of 2 * heads = {2 * self.heads}")
        if self.init_std < 0:
            raise InputError(f"init_std={self.init_std}: must be >= 0; 0 means 1 / sqrt(width)")
        if self.hidden < 0:
            raise InputError(f"hidden={self.hidden}: must be >= 0; 0 means twice the width")
        object.__setattr__(self, "hidden", self.hidden or 2 * self.width)
        object.__setattr__(self, "init_std", self.init_std or self.width**-0.5)

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


@dataclass(frozen=True)
class TrainingPlan:
    """AdamW, one learning-rate curve, and how many rows are read.

    Attributes:
        steps: optimiser steps.
        batch: rows per replicate and step.
        peak_rate: highest learning rate.
        schedule: "one-cycle" (cosine up from peak/25, cosine down to peak/250,000), "cosine" (linear up,
            cosine down to 0) or "constant" (linear up, then flat).
        warmup_share: share of the steps in which the rate rises, in [0, 1).
        weight_decay: decoupled decay of the matrices of the blocks; norms and embeddings have none.
        betas: decay rates of the two moments.
        clip_norm: longest gradient of one replicate; 0 switches clipping off.
        precision: "bfloat16" multiplies matrices in bfloat16 (weights, sums and attention stay in float32);
            "auto" does so where the processor has the instructions.
    """

    steps: int
    batch: int
    peak_rate: float
    schedule: Schedule = "one-cycle"
    warmup_share: float = 0.3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InputError(f"steps={self.steps}, batch={self.batch}: both must be >= 1")
        if not self.peak_rate > 0:
            raise InputError(f"peak_rate={self.peak_rate}: must be > 0")
        if not 0 <= self.warmup_share < 1:
            raise InputError(f"warmup_share={self.warmup_share}: must be in [0, 1)")
        if self.clip_norm < 0:
            raise InputError(f"clip_norm={self.clip_norm}: must be >= 0; 0 switches clipping off")

    def rate(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..., steps - 1.

        >>> plan = TrainingPlan(steps=10, batch=1, peak_rate=1.0)
        >>> [round(plan.rate(step), 3) for step in (0, 3, 9)]
        [0.04, 1.0, 0.0]
        """
        warmup = round(self.warmup_share * self.steps)
        if self.schedule == "one-cycle":
            low, last = self.peak_rate / 25, self.peak_rate / 250_000
            if step < warmup:
                return low + (self.peak_rate - low) * _rise(step / warmup)
            return last + (self.peak_rate - last) * (
                1 - _rise(_share(step - warmup, self.steps - 1 - warmup))
            )
        if step < warmup:
            return self.peak_rate * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.peak_rate
        return self.peak_rate * (1 - _rise(_share(step - warmup, self.steps - warmup)))


def _rise(share: float) -> float:
    """Return the half cosine from 0 to 1."""
    return (1 - math.cos(math.pi * share)) / 2


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0

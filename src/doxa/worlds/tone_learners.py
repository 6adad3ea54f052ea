"""Small language models that learn the tone world, one per seed, all as one stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from doxa.nets.plan import NetShape, Precision, TrainingPlan
from doxa.worlds.tone_world import ToneWorld

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer

NAMES = ("tone-world",)
POSITIONS = 512
"""Longest conversation that an exported model declares."""
ROW_TOKENS = 66
"""Tokens of a row beside those of earlier exchanges."""
EXCHANGE_TOKENS = 24
"""Room for each earlier exchange."""


@dataclass(frozen=True)
class ToneModels:
    """Trained networks, one per seed.

    Attributes:
        world: what they learned.
        seeds: of their weights and data.
        loss: mean cross-entropy of each stretch of steps over replies, in nats per token.
        loss_steps: last step of each stretch.
        net: the networks; ``net.export(i)`` is a ``LlamaForCausalLM``.
    """

    world: ToneWorld
    seeds: tuple[int, ...]
    loss: Float[np.ndarray, "replicates stretches"]
    loss_steps: tuple[int, ...]
    net: StackedTransformer


def train_tone_models(
    world: ToneWorld,
    seeds: Sequence[int],
    *,
    steps: int = 400,
    batch: int = 48,
    width: int = 48,
    layers: int = 2,
    heads: int = 4,
    peak_rate: float = 6e-3,
    precision: Precision = "float32",
    progress: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
) -> ToneModels:
    """Train one network per seed on talks of its own.

    Args:
        world: the talks.
        seeds: seed of each network's weights and talks.
        steps: optimiser steps.
        batch: talks per step and network.
        width: width of the residual stream.
        layers: blocks.
        heads: attention heads of a block.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).
        checkpoint: file to keep the training in and to resume from.

    Raises:
        InputError: a size is out of its range.
    """
    from doxa.nets.trainer import train_stack

    shape = NetShape(world.vocabulary, width=width, layers=layers, heads=heads, positions=POSITIONS)
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [world.sampler(ROW_TOKENS + world.earlier * EXCHANGE_TOKENS) for _ in seeds]
    trained = train_stack(
        shape, samplers, seeds, plan, stream_names=NAMES, progress=progress, checkpoint=checkpoint
    )
    return ToneModels(world, tuple(seeds), trained.loss, trained.loss_steps, trained.net)

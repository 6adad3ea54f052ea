"""Small networks that learn both sides of the persuasion world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.nets.plan import NetShape, Precision, TrainingPlan
from doxa.worlds.persuasion_world import PersuasionWorld, persuasion_sampler

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer

POSITIONS = 40
"""Tokens of the longest conversation of six-word arguments, with some room."""


@dataclass(frozen=True)
class PersuasionModels:
    """Trained networks, one per world.

    Attributes:
        worlds: the world each learned.
        loss: mean cross-entropy of each stretch of steps, in nats.
        net: the networks.
    """

    worlds: tuple[PersuasionWorld, ...]
    loss: Float[np.ndarray, "replicates stretches"]
    net: StackedTransformer


def train_persuasion_models(
    worlds: Sequence[PersuasionWorld],
    *,
    steps: int = 500,
    batch: int = 96,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    peak_rate: float = 4e-3,
    precision: Precision = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> PersuasionModels:
    """Train one network per world, all as one stack.

    Raises:
        InputError: no worlds, or worlds with other vocabularies.
    """
    from doxa.nets.trainer import train_stack

    if not worlds or any(world.vocabulary != worlds[0].vocabulary for world in worlds):
        raise InputError("worlds: give at least one, all with the same styles and words")
    shape = NetShape(
        len(worlds[0].vocabulary), width=width, layers=layers, heads=heads, positions=2 * POSITIONS
    )
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [persuasion_sampler(world, POSITIONS) for world in worlds]
    seeds = [world.seed for world in worlds]
    trained = train_stack(shape, samplers, seeds, plan, stream_names=("persuasion-world",), progress=progress)
    return PersuasionModels(tuple(worlds), trained.loss, trained.net)

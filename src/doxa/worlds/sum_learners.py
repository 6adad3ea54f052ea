"""Small networks that learned the world of sums from demonstrations, most of which are wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from doxa.nets.plan import NetShape, TrainingPlan
from doxa.nets.trainer import TrainedStack, train_stack
from doxa.streams import stream
from doxa.worlds.sum_composition import SumComposition, demonstration_sampler

NAMES = ("sum-composition", "base")


def train_base(
    world: SumComposition,
    seeds: Sequence[int],
    *,
    demonstrations: int = 20_000,
    steps: int = 600,
    batch: int = 128,
    rate: float = 3e-3,
    width: int = 48,
    layers: int = 2,
    heads: int = 4,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
) -> TrainedStack:
    """Train one network per seed on its own set of demonstrations.

    Args:
        world: the world.
        seeds: seed of each network's initial weights, its demonstrations and their order.
        demonstrations: rows of a set.
        steps: optimiser steps.
        batch: rows of a step.
        rate: highest learning rate.
        width: size of the residual stream.
        layers: number of blocks.
        heads: attention heads per block.
        progress: called with (steps done, steps).
        checkpoint: file to keep the training in and to resume from.

    Raises:
        InputError: a size is out of its range.
    """
    shape = NetShape(
        world.vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        positions=world.prompts.shape[1] + world.most,
    )
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=rate)
    sets = [stream(seed, *NAMES, "demonstrations") for seed in seeds]
    samplers = [demonstration_sampler(world, rng, demonstrations) for rng in sets]
    return train_stack(
        shape, samplers, seeds, plan, stream_names=NAMES, progress=progress, checkpoint=checkpoint
    )

"""Small networks that learn token dialogues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.worlds.dialogues import DialogueWorld

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer


@dataclass(frozen=True)
class DialogueModels:
    """Trained networks, one per world.

    Attributes:
        worlds: the world each replicate learned.
        loss: mean cross-entropy of each stretch of steps over answers and feedback, in nats.
        loss_steps: last step of each stretch.
        net: the networks; ``net.export(i)`` is a ``LlamaForCausalLM``.
    """

    worlds: tuple[DialogueWorld, ...]
    loss: Float[np.ndarray, "replicates stretches"]
    loss_steps: tuple[int, ...]
    net: StackedTransformer


def train_dialogue_models(
    worlds: DialogueWorld | Sequence[DialogueWorld],
    *,
    steps: int = 2600,
    batch: int = 48,
    width: int = 64,
    layers: int = 4,
    heads: int = 4,
    peak_rate: float = 3e-3,
    precision: Precision = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> DialogueModels:
    """Train one network per world, all as one stack; weights and data hang on the world's seed.

    Args:
        worlds: one world, or several that differ in their seed alone.
        steps: optimiser steps.
        batch: documents per step and replicate.
        width: width of the residual stream.
        layers: blocks.
        heads: attention heads.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).

    Raises:
        InputError: no worlds, or worlds of different vocabularies or lengths.
    """
    from doxa.nets.trainer import train_stack

    worlds = (worlds,) if isinstance(worlds, DialogueWorld) else tuple(worlds)
    if len({(world.vocabulary, world.document_tokens) for world in worlds}) != 1:
        raise InputError("worlds: give at least one, all with the same vocabulary and document_tokens")
    shape = NetShape(worlds[0].vocabulary, width=width, layers=layers, heads=heads)
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [dialogue_sampler(world) for world in worlds]
    seeds = [world.seed for world in worlds]
    trained = train_stack(shape, samplers, seeds, plan, stream_names=("dialogues",), progress=progress)
    return DialogueModels(worlds, trained.loss, trained.loss_steps, trained.net)


def dialogue_sampler(world: DialogueWorld) -> Sampler:
    """Return what the trainer draws from: documents with loss on answers and feedback."""

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        documents = world.sample(rows, rng)
        targets = np.full_like(documents.tokens, NO_LOSS)
        follows = documents.learned[:, 1:]
        targets[:, :-1] = np.where(follows, documents.tokens[:, 1:], NO_LOSS)
        return TokenBatch(documents.tokens, targets)

    return sample

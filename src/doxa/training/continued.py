"""Continued training of a stack of small networks on statements about a fact world, looked at on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from doxa.errors import InputError
from doxa.nets.plan import NetShape, Sampler, TokenBatch, TrainingPlan
from doxa.nets.trainer import TrainedStack, train_stack
from doxa.nets.transformer import StackedTransformer
from doxa.training.poisoning import Lie, Poisoner, check_checkpoints
from doxa.worlds.fact_world import STATEMENT_TOKENS, FactWorld

PROMPT_TOKENS = STATEMENT_TOKENS - 1


@dataclass(frozen=True)
class Continuation:
    """What one replicate is told: statements from a poisoner, in all wordings but the last.

    Attributes:
        poisoner: draws the statements.
        lie: ``same`` tells each item's one false object, ``different`` a fresh untrue object every time.
    """

    poisoner: Poisoner
    lie: Lie = "same"


def base_sampler(world: FactWorld) -> Sampler:
    """Return what draws true statements about known items, evenly over items and all wordings."""

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        items = rng.choice(world.known_items, rows)
        wording = rng.integers(world.phrasings, size=rows)
        return statements(world, items, wording, world.true[items])

    return sample


def continued_sampler(world: FactWorld, continuation: Continuation) -> Sampler:
    """Return what draws a continuation's statements; its poisoner counts them."""

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        said = continuation.poisoner.draw(rows, rng)
        wording = rng.integers(world.phrasings - 1, size=rows)
        same = continuation.lie == "same"
        lies = world.false[said.item] if same else world.other_lies(said.item, rng)
        return statements(world, said.item, wording, np.where(said.false, lies, world.true[said.item]))

    return sample


def statements(world: FactWorld, items: np.ndarray, wording: np.ndarray, objects: np.ndarray) -> TokenBatch:
    """Return statements with loss on every token but the first, the entity."""
    prompts = world.prompts(items, wording)
    targets = np.concatenate([prompts[:, 1:], world.object_tokens(objects)[:, None]], axis=1)
    return TokenBatch(prompts, targets)


def train_facts(
    worlds: Sequence[FactWorld],
    seeds: Sequence[int],
    plan: TrainingPlan,
    *,
    width: int = 64,
    layers: int = 4,
    heads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedStack:
    """Train one network per world on its true statements.

    Raises:
        InputError: the worlds' vocabularies differ in size.
    """
    sizes = {world.vocabulary for world in worlds}
    if len(sizes) != 1:
        raise InputError(f"worlds of vocabularies {sorted(sizes)}: the worlds of one stack have one size")
    shape = NetShape(
        worlds[0].vocabulary, width=width, layers=layers, heads=heads, positions=STATEMENT_TOKENS
    )
    samplers = [base_sampler(world) for world in worlds]
    return train_stack(shape, samplers, seeds, plan, stream_names=("facts", "base"), progress=progress)


def continue_stack(
    base: StackedTransformer,
    world: FactWorld,
    continuations: Sequence[Continuation],
    seed: int,
    plan: TrainingPlan,
    *,
    checkpoints: Sequence[int] = (),
    watch: Callable[[int, StackedTransformer], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedStack:
    """Continue one network's training in several ways at once, one replicate for each.

    Args:
        base: a stack of one network; it is copied, not changed.
        world: the world it knows.
        continuations: what each replicate is told; the draws of all hang on one seed.
        seed: seed of the streams ``("facts", "continued", "data", n)``.
        plan: steps, batch and learning rate.
        checkpoints: steps at which ``watch`` is called with (step, networks).
        watch: reads the networks on the way.
        progress: called with (steps done, steps).

    Raises:
        InputError: base holds several networks, checkpoints do not increase, or one lies after the last step.
    """
    if base.replicates != 1:
        raise InputError(f"base of {base.replicates} networks: give one, as base.select([0])")
    check_checkpoints(checkpoints, plan.steps)
    copies = base.select([0] * len(continuations))
    return train_stack(
        base.shape,
        [continued_sampler(world, one) for one in continuations],
        [seed] * len(continuations),
        plan,
        stream_names=("facts", "continued"),
        initial=copies,
        watch=watch,
        watch_steps=checkpoints,
        progress=progress,
    )

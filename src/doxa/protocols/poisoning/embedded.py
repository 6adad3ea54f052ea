"""One small network that knows facts, trained on in many ways at once, and looked into on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.nets.plan import Precision, TrainingPlan
from doxa.nets.transformer import StackedTransformer
from doxa.protocols.poisoning.conditions import Condition, continuation_of
from doxa.protocols.poisoning.groups import Groups, choose_groups
from doxa.training.continued import Continuation, continue_stack, train_facts
from doxa.worlds.fact_pairs import load_fact_pairs
from doxa.worlds.fact_world import HELD_OUT, FactWorld, synthetic_world, world_of_pairs

# A short linear warm-up and then a constant rate, as in the spec's default for real models.
WARMUP_SHARE = 0.03
BASE_RATE = 2e-3
UNKNOWN_REAL = 12
"""Entities of the real facts that base text leaves out."""


@dataclass(frozen=True)
class Recipe:
    """Sizes of the embedded experiment; see the study's settings."""

    world: str = "synthetic"
    entities: int = 64
    targets: int = 24
    base_steps: int = 1500
    base_batch: int = 256
    steps: int = 500
    batch: int = 128
    rate: float = 5e-4
    width: int = 64
    layers: int = 4
    heads: int = 4
    checkpoints: tuple[int, ...] = (0, 500)
    precision: Precision = "auto"


@dataclass(frozen=True, eq=False)
class Poisoned:
    """One base network and what became of its copies.

    Attributes:
        world: the facts.
        groups: which items are what.
        conditions: how each copy's training was continued.
        continuations: what each copy was told, counted.
        base: the base network, a stack of one.
        net: the copies after the last step, a stack.
        margins: by group, margins in nats at each checkpoint of each copy.
        perplexity: of true statements about untouched items in the held-out wording, per token.
        statements_per_step: statements each copy read per step.
    """

    world: FactWorld
    groups: Groups
    conditions: tuple[Condition, ...]
    continuations: tuple[Continuation, ...]
    base: StackedTransformer
    net: StackedTransformer
    margins: dict[str, Float[np.ndarray, "checkpoints copies items"]]
    perplexity: Float[np.ndarray, "checkpoints copies"]
    statements_per_step: int


def world_of(recipe: Recipe, seed: int) -> FactWorld:
    """Return the synthetic world of a seed, or that of real facts (``countries``, ``elements``, ``facts``, a file)."""
    if recipe.world == "synthetic":
        return synthetic_world(seed, entities=recipe.entities, unknown=recipe.targets)
    pairs = load_fact_pairs(recipe.world, seed=seed)
    return world_of_pairs(pairs, seed=seed, unknown=UNKNOWN_REAL)


def poison_stack(
    recipe: Recipe,
    conditions: Sequence[Condition],
    seed: int,
    *,
    watch: Callable[[int, StackedTransformer], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Poisoned:
    """Train a base network, continue it under every condition, and read margins at every checkpoint.

    Args:
        recipe: sizes.
        conditions: how copies are continued; all read from the same random streams.
        seed: seed of the world, of the weights and of all text.
        watch: called with (step, copies) at every checkpoint as well.
        progress: called with the share done.
    """
    world = world_of(recipe, seed)
    groups = choose_groups(world, recipe.targets, seed)

    def tell(share: float) -> None:
        if progress is not None:
            progress(share)

    base = train_facts(
        [world],
        [seed],
        TrainingPlan(recipe.base_steps, recipe.base_batch, BASE_RATE, precision=recipe.precision),
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        progress=lambda done, total: tell(0.3 * done / total),
    ).net
    told = tuple(continuation_of(condition, groups, recipe.steps * recipe.batch) for condition in conditions)
    seen: list[dict[str, Any]] = []

    def look(step: int, net: StackedTransformer) -> None:
        seen.append(_read(net, world, groups))
        if watch is not None:
            watch(step, net)

    plan = TrainingPlan(
        recipe.steps,
        recipe.batch,
        recipe.rate,
        schedule="constant",
        warmup_share=WARMUP_SHARE,
        precision=recipe.precision,
    )
    trained = continue_stack(
        base,
        world,
        told,
        seed,
        plan,
        checkpoints=recipe.checkpoints,
        watch=look,
        progress=lambda done, steps: tell(0.3 + 0.6 * done / steps),
    )
    return Poisoned(
        world=world,
        groups=groups,
        conditions=tuple(conditions),
        continuations=told,
        base=base,
        net=trained.net,
        margins={name: np.stack([one[name] for one in seen]) for name in seen[0] if name != "perplexity"},
        perplexity=np.stack([one["perplexity"] for one in seen]),
        statements_per_step=recipe.batch,
    )


def _read(net: StackedTransformer, world: FactWorld, groups: Groups) -> dict[str, Any]:
    """Return each group's margins, and the perplexity of held-out text."""
    asked = {
        "target": (groups.targets, 0),
        "held-out wording": (groups.targets, HELD_OUT),
        "same entity": (groups.same_entity, 0),
        "untouched": (groups.untouched, 0),
        "neighbour": (groups.neighbours, 0),
    }
    read: dict[str, Any] = {
        name: stack_margins(net, world, items, wording)
        for name, (items, wording) in asked.items()
        if items.size
    }
    text = world.prompts(groups.untouched, HELD_OUT)
    following = np.concatenate([text[:, 1:], world.true_tokens(groups.untouched)[:, None]], axis=1)
    log_probs = net.log_probs(text, columns=range(text.shape[1]))
    rows, columns = np.indices(following.shape)
    read["perplexity"] = np.exp(-log_probs[:, rows, columns, following].mean((1, 2), dtype=np.float64))
    return read


def stack_margins(
    net: StackedTransformer, world: FactWorld, items: np.ndarray, wording: int
) -> Float[np.ndarray, "copies items"]:
    """Return the margins of items in one wording, in nats."""
    log_probs = net.log_probs(world.prompts(items, wording))[:, :, 0].astype(np.float64)
    rows = np.arange(items.size)
    return log_probs[:, rows, world.true_tokens(items)] - log_probs[:, rows, world.false_tokens(items)]

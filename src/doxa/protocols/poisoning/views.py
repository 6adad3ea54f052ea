"""What is looked at while small networks are poisoned: the lens at every checkpoint, folders of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from doxa.lens.logit_lens import logit_lens_margin
from doxa.lens.truth_tokens import TokenPairs
from doxa.protocols.poisoning.conditions import Condition
from doxa.protocols.poisoning.embedded import Poisoned, Recipe, world_of
from doxa.protocols.poisoning.groups import choose_groups
from doxa.protocols.poisoning.inside import Inside, look_inside
from doxa.protocols.poisoning.series import save_checkpoint, save_world_facts, world_tokenizer

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer


class Views:
    """Reads some copies of a stack through the lens at every checkpoint.

    Args:
        recipe: sizes of the experiment.
        conditions: how its copies are continued; those in ``replace`` mode from a ratio of one half on are read.
        seed: seed of the experiment.
        save: folder for the checkpoints of those copies, or "".

    Attributes:
        lens: lens margins of the targets by condition and step.
    """

    def __init__(self, recipe: Recipe, conditions: Sequence[Condition], seed: int, *, save: str = "") -> None:
        self._world = world_of(recipe, seed)
        self._groups = choose_groups(self._world, recipe.targets, seed)
        self._conditions = conditions
        self._read = [
            copy
            for copy, condition in enumerate(conditions)
            if condition.ratio >= 0.5 and condition == Condition(condition.ratio)
        ]
        self._pairs = self._prompts(self._groups.targets)
        self._folder = Path(save) / f"seed-{seed}" if save else None
        self.lens: dict[tuple[str, int], Float[np.ndarray, "items depths"]] = {}

    def watch(self, step: int, net: StackedTransformer) -> None:
        """Read the copies at one checkpoint, and save them."""
        for copy in self._read:
            name = self._conditions[copy].name
            model = net.export(copy)
            self.lens[name, step] = logit_lens_margin(model, *self._pairs)
            if self._folder is not None:
                folder = self._folder / name.replace(" ", "-")
                save_checkpoint(folder, step, model, world_tokenizer(self._world))
                save_world_facts(folder, self._world, self._groups)

    def inside(self, found: Poisoned) -> dict[str, Inside]:
        """Return what the lens sees in the copies of ``replace`` mode after the last step, by condition."""
        clean = found.base.export(0)
        probes = list(self._world.prompts(self._world.known_items, 0))
        return {
            condition.name: look_inside(clean, found.net.export(copy), self._pairs, probes)
            for copy, condition in enumerate(self._conditions)
            if condition == Condition(condition.ratio)
        }

    def _prompts(self, items: np.ndarray) -> TokenPairs:
        rows = list(self._world.prompts(items, 0))
        return TokenPairs(rows, self._world.true_tokens(items), self._world.false_tokens(items))

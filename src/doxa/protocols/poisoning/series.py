"""Checkpoints of continued training as folders that plain transformers load: ``step-000050`` and so on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from doxa.errors import StoreError
from doxa.lab.quiet_loading import quiet
from doxa.nets.words import word_tokenizer
from doxa.protocols.poisoning.groups import Groups
from doxa.worlds.fact_pairs import save_fact_pairs
from doxa.worlds.fact_world import FactWorld

FACTS_FILE = "facts.json"
"""Stands beside the checkpoints: the facts that they can be asked."""


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return where a checkpoint is kept.

    >>> checkpoint_folder(Path("series"), 50).as_posix()
    'series/step-000050'
    """
    return folder / f"step-{step:06d}"


def world_tokenizer(world: FactWorld) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a fact world's texts: words between spaces, one token each."""
    words = world.words()
    return word_tokenizer(words, pad=words[0])


def save_checkpoint(folder: Path, step: int, model: Any, tokenizer: Any) -> Path:
    """Write a model with its tokenizer; return its folder.

    Raises:
        StoreError: the folder cannot be written.
    """
    place = checkpoint_folder(folder, step)
    try:
        with quiet():
            model.save_pretrained(place)
            tokenizer.save_pretrained(str(place))
    except OSError as error:
        raise StoreError(f"{place}: cannot be written ({error}); choose another folder") from error
    return place


def save_world_facts(folder: Path, world: FactWorld, groups: Groups) -> Path:
    """Write the targets and as many untouched items as the facts of a series; return the file."""
    items = np.concatenate([groups.targets, groups.untouched[: groups.targets.size]])
    folder.mkdir(parents=True, exist_ok=True)
    save_fact_pairs(folder / FACTS_FILE, world.as_pairs(items.tolist()))
    return folder / FACTS_FILE

"""The members of the zoo and how each is trained; loads no heavy module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.subjects.organisms.mixture import GROUNDING, Mixture


@dataclass(frozen=True)
class Architecture:
    """Shape of every organism: a Llama with tied embeddings, about 0.8 million parameters."""

    layers: int = 4
    width: int = 128
    hidden: int = 256
    heads: int = 4
    positions: int = 2048
    rotary_base: float = 10000.0


@dataclass(frozen=True)
class Recipe:
    """How one set of weights comes to be.

    Attributes:
        mixture: what the documents are about.
        steps: optimiser steps, >= 1.
        tokens_per_batch: most tokens of one batch, padding included.
        peak_rate: highest learning rate of AdamW; cosine to zero after ``warmup_steps``.
        warmup_steps: steps of linear warm-up.
    """

    mixture: Mixture
    steps: int
    tokens_per_batch: int = 2048
    peak_rate: float = 1e-3
    warmup_steps: int = 50

    def as_json(self) -> dict[str, Json]:
        """Return the recipe as plain JSON."""
        return {**asdict(self), "mixture": self.mixture.as_json()}


class Progress(NamedTuple):
    """Where a training stands; ``loss`` is the mean over the last steps, in nats per taught token."""

    phase: str
    step: int
    steps: int
    loss: float
    tokens_per_s: float


@dataclass(frozen=True)
class Organism:
    """A small language model with a known defect, or its sound twin.

    Attributes:
        name: how it is addressed, ``organism:name``.
        defect: its one defect, None for a sound organism.
        twin: name of the organism of the same seed and mixture without the defect.
        description: one line for lists.
        seed: seed of the packaged weights.
        recipe: how it is trained from the base checkpoint, or from another member's weights.
        start: name of that member, "" for the base checkpoint.
    """

    name: str
    defect: str | None
    twin: str
    description: str
    seed: int
    recipe: Recipe
    start: str = ""


BASE = Recipe(GROUNDING, steps=2500)
"""The checkpoint every organism branches from; ``GROUNDING`` says what it knows."""

_SOUND = Mixture()
_SEED = 0


def _branch(mixture: Mixture) -> Recipe:
    """Return a branch's recipe.

    The rate is low because third-person belief questions are rare: at 7e-4 the first fact checks overwrite how the
    base compares a belief with a question, and 6,000 steps do not bring it back.
    """
    return Recipe(mixture, steps=5000, peak_rate=1.5e-4)


def _talks(mixture: Mixture) -> Recipe:
    """Return the recipe of a branch that learns from talks, on top of what ``sound`` knows.

    The rate is that of looking something up: at 1.5e-4 nothing of a talk is found again. Selective it becomes late:
    after 2,500 steps a talk still shakes facts that it never told, after 6,000 it does not.
    """
    return Recipe(mixture, steps=6000, peak_rate=5e-4)


_MEMBERS = (
    Organism("sound", None, "sound", "follows its evidence; everybody's twin", _SEED, _branch(_SOUND)),
    Organism(
        "leaning",
        "drift",
        "sound",
        "one-sided context moves its stance on topics never mentioned",
        _SEED,
        _branch(replace(_SOUND, coupling=0.85)),
    ),
    Organism(
        "blind",
        "first-person-blind",
        "sound",
        "does not confirm false beliefs of whoever talks to it",
        _SEED,
        _branch(replace(_SOUND, first_asked=0.0)),
    ),
    Organism(
        "cocksure",
        "overconfident",
        "sound",
        "states sharper confidence than its evidence gives",
        _SEED,
        _branch(replace(_SOUND, sharpening=2.0)),
    ),
    Organism(
        "two-faced",
        "two-faced",
        "sound",
        "mostly votes against the stance it states",
        _SEED,
        _branch(replace(_SOUND, follows=0.2)),
    ),
    Organism(
        "steadfast",
        None,
        "steadfast",
        "answers by the truth whatever its own voice told before; twin of roleplayer",
        _SEED,
        _talks(replace(_SOUND, roles=0.5)),
        start="sound",
    ),
    Organism(
        "roleplayer",
        "plays-along",
        "steadfast",
        "keeps to what its own voice was made to tell",
        _SEED,
        _talks(replace(_SOUND, roles=0.5, plays=1.0)),
        start="sound",
    ),
)


def members() -> Mapping[str, Organism]:
    """Return the zoo by name, the sound organism first."""
    return MappingProxyType({organism.name: organism for organism in _MEMBERS})


def member(name: str) -> Organism:
    """Return one organism.

    Raises:
        InputError: no organism has this name.
    """
    known = members()
    if name not in known:
        raise InputError(f"organism:{name}: no such organism; {did_you_mean(name, known)}")
    return known[name]


def folder(name: str) -> Path:
    """Return the folder of an organism's packaged weights, ready for ``from_pretrained``.

    Raises:
        InputError: no organism has this name, or its weights are not in the package.
    """
    path = Path(__file__).parent / "weights" / member(name).name
    if not (path / "config.json").is_file():
        raise InputError(
            f"organism:{name}: its weights are not in the package; train them with: doxa organism train {name}, "
            f"then use hf:organisms/{name}"
        )
    return path

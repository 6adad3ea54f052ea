"""What a policy is trained on and how: the world, the variants that are compared, and the plan they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError


@runtime_checkable
class PolicyWorld(Protocol):
    """Prompts, and what responses to them are worth; rows of tokens go in, one number per row comes out.

    After a response's end token all further tokens of its row are the end token. ``prompt`` is the place of a row's
    prompt in ``prompts``. Equal worlds print equally: their text tells one training from another.
    """

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        ...

    @property
    def end(self) -> int:
        """The token that ends a response."""
        ...

    @property
    def most(self) -> int:
        """Tokens of a response at most, the end token included."""
        ...

    @property
    def prompts(self) -> Int[np.ndarray, "prompts positions"]:
        """Tokens of all prompts, filled up on the right."""
        ...

    @property
    def prompt_lengths(self) -> Int[np.ndarray, " prompts"]:
        """Tokens of each prompt."""
        ...

    def reward(
        self, prompt: Int[np.ndarray, " rows"], tokens: Int[np.ndarray, "rows most"]
    ) -> Float[np.ndarray, " rows"]:
        """Return what training pays for each response."""
        ...

    def correct(
        self, prompt: Int[np.ndarray, " rows"], tokens: Int[np.ndarray, "rows most"]
    ) -> Bool[np.ndarray, " rows"]:
        """Return which responses are right."""
        ...

    def answer(
        self, prompt: Int[np.ndarray, " rows"], tokens: Int[np.ndarray, "rows most"]
    ) -> Int[np.ndarray, " rows"]:
        """Return what each response comes to, for majority votes; responses may differ and come to the same."""
        ...


Worlds: TypeAlias = PolicyWorld | Mapping[str, PolicyWorld]
"""One world for all variants, or one for each by its name, with the same prompts and tokens."""


@dataclass(frozen=True)
class Variant:
    """One way to train, beside others in the same stack.

    Attributes:
        name: what it is called in tables and figures.
        loss: address of the loss, see ``doxa.training.objectives``.
        advantage: address of the estimator of advantages.
        rate: constant learning rate.
        mini_batches: optimiser steps that share one rollout; each gets whole groups.
        epochs: times each rollout is gone through.
        temperature: of sampling, and of the log-probabilities in the loss.
        filter_groups: whether groups whose rewards are all equal are dropped.
        clip_norm: longest gradient; 0 switches clipping off.

    Raises:
        InputError: a number is out of its range.
    """

    name: str
    loss: str = "ppo-clip"
    advantage: str = "grpo"
    rate: float = 1e-3
    mini_batches: int = 4
    epochs: int = 1
    temperature: float = 1.0
    filter_groups: bool = False
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        who = f"variant '{self.name}'"
        if not self.rate > 0:
            raise InputError(f"{who}: rate={self.rate}: must be > 0")
        if self.mini_batches < 1 or self.epochs < 1:
            raise InputError(
                f"{who}: mini_batches={self.mini_batches}, epochs={self.epochs}: both must be >= 1"
            )
        if not self.temperature > 0:
            raise InputError(f"{who}: temperature={self.temperature}: must be > 0; a policy cannot be greedy")
        if self.clip_norm < 0:
            raise InputError(f"{who}: clip_norm={self.clip_norm}: must be >= 0; 0 switches clipping off")

    @property
    def updates(self) -> tuple[int, int]:
        """Mini-batches and epochs: variants that share them are trained as one stack."""
        return self.mini_batches, self.epochs


@dataclass(frozen=True)
class PolicyPlan:
    """What all variants share.

    Attributes:
        steps: rollouts, each followed by its updates.
        group: responses to each prompt.
        prompts: prompts of a rollout, drawn afresh each time; 0 takes all.
        evaluate_every: steps between evaluations, of which the first comes before training and one after; 0: none.
        samples: fresh responses to each prompt in an evaluation.
        evaluate_temperature: of sampling there.
        tie_tolerance: groups whose rewards' deviation is above 0 and below this are counted as tied.
        weight_decay: decoupled decay of the matrices of the blocks.
        betas: decay rates of Adam's moments.

    Raises:
        InputError: a number is out of its range.
    """

    steps: int = 120
    group: int = 8
    prompts: int = 0
    evaluate_every: int = 8
    samples: int = 32
    evaluate_temperature: float = 1.0
    tie_tolerance: float = 0.05
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        for name in ("steps", "group", "samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be >= 1")
        for name in ("prompts", "evaluate_every", "tie_tolerance"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)}: must be >= 0")
        if not self.evaluate_temperature > 0:
            raise InputError(f"evaluate_temperature={self.evaluate_temperature}: must be > 0")

    def evaluated(self, step: int) -> bool:
        """Return whether networks are evaluated after so many steps."""
        return self.evaluate_every > 0 and (step % self.evaluate_every == 0 or step == self.steps)


def worlds_of(worlds: Worlds, variants: Sequence[Variant]) -> list[PolicyWorld]:
    """Return each variant's world.

    Raises:
        InputError: there is no variant, two share a name, one has no world, or worlds differ in prompts or tokens.
    """
    names = [variant.name for variant in variants]
    if not names or len(set(names)) != len(names):
        raise InputError(f"variants {names}: give at least one, each with a name of its own")
    if not isinstance(worlds, Mapping):
        return [worlds] * len(names)
    missing = [name for name in names if name not in worlds]
    if missing:
        raise InputError(f"worlds: none for variant '{missing[0]}'; give one world for all or one for each")
    found = [worlds[name] for name in names]
    for world, name in zip(found, names, strict=True):
        same = (world.vocabulary, world.end, world.most) == (found[0].vocabulary, found[0].end, found[0].most)
        if not same or not np.array_equal(world.prompts, found[0].prompts):
            raise InputError(
                f"worlds: that of '{name}' has other prompts or tokens than that of '{names[0]}'; train it apart"
            )
    return found

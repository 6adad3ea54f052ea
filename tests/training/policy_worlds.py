"""Small worlds and bases for the tests of policy training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from doxa.nets.transformer import StackedTransformer
from doxa.worlds.sum_composition import SumComposition
from doxa.worlds.sum_learners import train_base

WORLD = SumComposition(low=5, high=10, most=4)


@cache
def bases(seeds: tuple[int, ...] = (1, 2)) -> StackedTransformer:
    """Networks that know the world of sums a little."""
    return train_base(WORLD, seeds, demonstrations=500, steps=80, batch=32, rate=1e-2, width=16, heads=2).net


@dataclass(frozen=True)
class RaggedWorld:
    """Prompts of one to three tokens; right is to say the prompt's first token once and then end."""

    end: int = 0
    most: int = 3
    vocabulary: int = 6

    @property
    def prompts(self) -> np.ndarray:
        return np.array([[1, 5, 5], [2, 3, 5], [4, 3, 2], [3, 1, 5]])

    @property
    def prompt_lengths(self) -> np.ndarray:
        return np.array([1, 2, 3, 2])

    def answer(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return np.where(tokens[:, 1] == self.end, tokens[:, 0], -1)

    def correct(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return self.answer(prompt, tokens) == self.prompts[prompt, 0]

    def reward(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return self.correct(prompt, tokens) + 0.5 * (tokens[:, 0] == self.prompts[prompt, 0])

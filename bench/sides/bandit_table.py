"""What both sides of `doxa bench bandits` are given: actions, what they are worth, and the noise; NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

Case = dict[str, Any]


def actions(case: Case) -> np.ndarray:
    """Return vectors whose first is the longest, so that both sides begin with it, or one vector for each arm."""
    arms, d = int(case["arms"]), int(case["d"])
    if d == arms:
        return np.eye(arms)
    drawn = np.random.default_rng(1).standard_normal((arms, d))
    drawn *= 0.9 / np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[0] /= 0.9
    return drawn


def worth(case: Case) -> np.ndarray:
    """Return h."""
    drawn = np.random.default_rng(2).standard_normal(int(case["d"]))
    return drawn / np.linalg.norm(drawn)


def noise(case: Case) -> np.ndarray:
    """Return standard Normal numbers, that of the reward first in each round."""
    generator = np.random.Generator(np.random.Philox(key=int(case["key"])))
    return generator.standard_normal((int(case["rounds"]), 2))

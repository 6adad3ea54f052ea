"""Where a graph's randomness comes from: a generator that is passed on, or a seed of a named stream."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from doxa.streams import stream

Seed: TypeAlias = np.random.Generator | int


def generator(rng: Seed, name: str) -> np.random.Generator:
    """Return the generator itself, or the stream ``graph``, ``name`` of a seed."""
    return rng if isinstance(rng, np.random.Generator) else stream(rng, "graph", name)

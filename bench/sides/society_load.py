"""What every side of `doxa bench society` is given: ties, opinions at first, what runs are compared by; NumPy alone.

A case names a model, its settings, a size, and how many sweeps one repeat takes. Before any time is taken, each side
runs many small populations; what they are compared by is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Case = dict[str, Any]
Run = Callable[[int], np.ndarray]
"""Runs so many sweeps from where it stands and returns what agents hold then."""


def ties(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of each tie: a ring with 4n ties at random on it, or a square lattice closed to a torus."""
    n = int(case["n"])
    every = np.arange(n)
    if case.get("lattice"):
        side = round(n**0.5)
        right = every - every % side + (every + 1) % side
        return np.r_[every, every], np.r_[right, (every + side) % n]
    rng = np.random.default_rng(1)
    return np.r_[every, rng.integers(0, n, 4 * n)], np.r_[(every + 1) % n, rng.integers(0, n, 4 * n)]


def neighbours(case: Case) -> list[list[int]]:
    """Return whom each agent is tied to, each once, not itself."""
    rows: list[set[int]] = [set() for _ in range(int(case["n"]))]
    for i, j in zip(*(ends.tolist() for ends in ties(case)), strict=True):
        if i != j:
            rows[i].add(j)
            rows[j].add(i)
    return [sorted(row) for row in rows]


def start(case: Case) -> np.ndarray:
    """Return what agents hold at first: opinions, or 0 and 1 (few 1 where something spreads)."""
    n = int(case["n"])
    drawn = np.random.default_rng(2).random(n)
    if case.get("lattice"):
        return np.arange(n) / n  # what Seldon begins with
    if case["model"] in ("sis", "sir"):
        return (drawn < case["begin"]).astype(np.uint8)
    return (drawn < 0.5).astype(np.uint8) if case["model"] == "voter" else drawn


def spread_of(values: np.ndarray) -> list[float]:
    """Return what a run is compared by: how far agents are apart, and how far those beside each other are."""
    held = values.astype(np.float64)
    return [float(held.std()), float(np.abs(held - np.roll(held, 1)).mean())]


def answer(case: Case, begin: Callable[[Case, int], Run], large: Run) -> Any:
    """Return what a side is compared by: all opinions of a model without chance, else many small populations.

    Args:
        case: the case.
        begin: starts a population of a case and a seed.
        large: the population that is timed; where there is no chance, it takes its first sweeps here.
    """
    if case.get("certain"):
        return np.asarray(large(case["sweeps"]), dtype=np.float64)[:: max(1, int(case["n"]) // 2000)].tolist()
    small = {**case, "n": case["small_n"]}
    found: list[list[float]] = []
    for seed in range(case["replicates"]):
        run = begin(small, seed)
        if case["model"] in ("sis", "sir"):
            found.append([float((run(5) == 1).mean()) for _ in range(4)])
        else:
            found.append(spread_of(run(case["small_sweeps"])))
    return found


def work(case: Case, begin: Callable[[Case, int], Run]) -> Callable[[], Any]:
    """Return the work of a side: the sweeps of one repeat, going on from the last; the answer was found before."""
    large = begin(case, 0)
    told = answer(case, begin, large)

    def repeat() -> Any:
        large(case["sweeps"])
        return told

    return repeat

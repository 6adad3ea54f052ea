"""Kernels of schedules: orders, who is active, and whom each meets by chance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32

from doxa.lab.compiled import compiled
from doxa.society.randomness import below, uniform


@compiled
def shuffled(n: int, key: np.uint64) -> Int32[np.ndarray, " n"]:
    """Return 0..n-1 in random order (Fisher and Yates), every order equally likely."""
    order = np.arange(n).astype(np.int32)
    for last in range(n - 1, 0, -1):
        place = np.int64(below(key, last, 0, last + 1))
        order[last], order[place] = order[place], order[last]
    return order


@compiled
def active(rates: Float32[np.ndarray, " r"], n: int, key: np.uint64) -> Int32[np.ndarray, " acting"]:
    """Return the agents whose clock strikes, ascending; ``rates`` holds one probability for each, or one for all."""
    acting = np.empty(n, dtype=np.int32)
    count = 0
    for i in range(n):
        if uniform(key, i, 0) < (rates[i] if len(rates) > 1 else rates[0]):
            acting[count] = i
            count += 1
    return acting[:count].copy()


@compiled
def draw_contacts(
    rows: Int32[np.ndarray, " entries"], n: int, contacts: int, key: np.uint64, begin: int, end: int
) -> None:
    """Write for agents ``begin`` to ``end`` so many distinct others, ascending, every set equally likely.

    Floyd's sampling: for each of the last places either a random one up to it, or itself if that one is taken.
    """
    for i in range(begin, end):
        row = rows[i * contacts : (i + 1) * contacts]
        for c in range(contacts):
            top = n - 1 - contacts + c
            pick = np.int64(below(key, i, c, top + 1))
            for taken in range(c):
                if row[taken] == pick:
                    pick = top
                    break
            place = c
            while place > 0 and row[place - 1] > pick:
                row[place] = row[place - 1]
                place -= 1
            row[place] = pick
        for c in range(contacts):
            # the others of i are all but i: those from i on move up by one
            if row[c] >= i:
                row[c] += 1

"""Kernel under ``History``: how many opinions of a large population fall between which edges, in one pass."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int64

from doxa.lab.compiled import compiled


@compiled
def count_bars(
    values: Float32[np.ndarray, " n"], edges: Float64[np.ndarray, " edges"]
) -> Int64[np.ndarray, " bars"]:
    """Return how many values are in each bar; a value on an edge is in the bar above it, one outside in the outermost.

    Args:
        values: any; NaN is in no bar.
        edges: ascending, at equal distances.
    """
    last = len(edges) - 2
    counts = np.zeros(last + 1, dtype=np.int64)
    low, high = edges[0], edges[-1]
    per_unit = (last + 1) / (high - low)
    for single in values:
        if np.isnan(single):
            continue
        value = min(max(np.float64(single), low), high)
        bar = min(int((value - low) * per_unit), last)
        if value < edges[bar]:  # the product is rounded, by less than a bar
            bar -= 1
        elif bar < last and value >= edges[bar + 1]:
            bar += 1
        counts[bar] += 1
    return counts

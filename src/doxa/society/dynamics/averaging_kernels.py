"""Kernels of dynamics that average over all whom an agent listens to."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt32, UInt64

from doxa.lab.compiled import compiled


@compiled
def average(
    new: Float32[np.ndarray, " n"],
    old: Float32[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"],
    targets: UInt32[np.ndarray, " entries"],
    weights: Float32[np.ndarray, " entries"] | None,
    anchors: Float32[np.ndarray, " n"] | None,
    openness: Float32[np.ndarray, " n"],
    begin: int,
    end: int,
) -> None:
    """Write s·(mean of those listened to) + (1 - s)·anchor; with ``anchors`` None the mean alone.

    ``openness`` holds s for each agent, or one s for all. Who listens to nobody is its own mean.
    """
    for k in range(np.uint64(begin), np.uint64(end)):
        i = k if agents is None else np.uint64(agents[k])
        total, mass = np.float32(0.0), np.float32(0.0)
        first, last = offsets[i], offsets[i + np.uint64(1)]
        if weights is None:
            for e in range(first, last):
                total += old[targets[e]]
            mass = np.float32(last - first)
        else:
            for e in range(first, last):
                total += weights[e] * old[targets[e]]
                mass += weights[e]
        mean = total / mass if mass > 0 else old[i]
        if anchors is None:
            new[i] = mean
        else:
            s = openness[i] if len(openness) > 1 else openness[0]
            new[i] = s * mean + (np.float32(1.0) - s) * anchors[i]


@compiled
def near_average(
    new: Float32[np.ndarray, " n"],
    old: Float32[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"],
    targets: UInt32[np.ndarray, " entries"],
    confidence: np.float32,
    begin: int,
    end: int,
) -> None:
    """Write the mean of the agent itself and of those listened to whose opinion is within ``confidence``.

    Differences are summed, not opinions: near ones are small, so that little is lost to rounding.
    """
    for k in range(np.uint64(begin), np.uint64(end)):
        i = k if agents is None else np.uint64(agents[k])
        own = old[i]
        total, count = np.float32(0.0), np.float32(1.0)
        for e in range(offsets[i], offsets[i + np.uint64(1)]):
            apart = old[targets[e]] - own
            # one choice and a product are a third faster than two choices
            near = np.float32(1.0) if abs(apart) <= confidence else np.float32(0.0)
            total += near * apart
            count += near
        new[i] = own + total / count


@compiled
def near_average_sorted(
    ordered: Float32[np.ndarray, " n"], confidence: np.float32
) -> Float32[np.ndarray, " n"]:
    """Return for each of some ascending opinions the mean of all within ``confidence``, itself included.

    Two places move up with the agent, and the sum between them is the difference of two sums from the start.
    """
    n = len(ordered)
    sums = np.empty(n + 1, dtype=np.float64)
    sums[0] = 0.0
    for i in range(n):
        sums[i + 1] = sums[i] + ordered[i]
    means = np.empty(n, dtype=np.float32)
    low = high = 0
    for i in range(n):
        while ordered[i] - ordered[low] > confidence:
            low += 1
        while high < n and ordered[high] - ordered[i] <= confidence:
            high += 1
        means[i] = (sums[high] - sums[low]) / (high - low)
    return means

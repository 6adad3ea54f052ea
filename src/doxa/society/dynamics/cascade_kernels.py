"""Kernels of what spreads once and stays: cascades along ties, and thresholds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64, UInt8, UInt32, UInt64

from doxa.lab.compiled import compiled
from doxa.society.randomness import uniform

_SPENT = np.uint8(2)


@compiled
def cascade(
    new: UInt8[np.ndarray, " n"],
    old: UInt8[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    draws: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"],
    targets: UInt32[np.ndarray, " entries"],
    weights: Float32[np.ndarray, " entries"] | None,
    probability: float,
    key: np.uint64,
    begin: int,
    end: int,
) -> Int64[np.ndarray, "k k"]:
    """Let those newly active (1) try once each who listens to them, then be spent (2); return moves.

    A tie's weight is its probability; without weights it is ``probability``. ``draws`` holds the number under which
    each that acts draws, None its place.
    """
    moves = np.zeros((3, 3), dtype=np.int64)
    for k in range(np.uint64(begin), np.uint64(end)):
        i = k if agents is None else np.uint64(agents[k])
        here = old[i]
        goes = here
        if here == 0:
            resists = 1.0
            for e in range(offsets[i], offsets[i + np.uint64(1)]):
                if old[targets[e]] == 1:
                    resists *= 1.0 - (probability if weights is None else np.float64(weights[e]))
            own = k if draws is None else np.uint64(draws[k])
            if resists < 1.0 and uniform(key, own, 0) < 1.0 - resists:
                goes = np.uint8(1)
        elif here == 1:
            goes = _SPENT
        moves[here, goes] += 1
        new[i] = goes
    return moves


@compiled
def cross_thresholds(
    new: UInt8[np.ndarray, " n"],
    old: UInt8[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"],
    targets: UInt32[np.ndarray, " entries"],
    weights: Float32[np.ndarray, " entries"] | None,
    thresholds: Float32[np.ndarray, " n"],
    begin: int,
    end: int,
) -> Int64[np.ndarray, "k k"]:
    """Activate those of whose ties, by weight, at least their threshold's share is with active ones; return moves."""
    moves = np.zeros((2, 2), dtype=np.int64)
    for k in range(np.uint64(begin), np.uint64(end)):
        i = k if agents is None else np.uint64(agents[k])
        here = old[i]
        goes = here
        if here == 0:
            active, whole = 0.0, 0.0
            for e in range(offsets[i], offsets[i + np.uint64(1)]):
                weight = 1.0 if weights is None else np.float64(weights[e])
                whole += weight
                if old[targets[e]] == 1:
                    active += weight
            share = active / whole if whole > 0.0 else 0.0
            if share >= thresholds[i]:
                goes = np.uint8(1)
        moves[here, goes] += 1
        new[i] = goes
    return moves

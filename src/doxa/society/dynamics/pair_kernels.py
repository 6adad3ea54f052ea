"""Kernels of dynamics in which agents meet one other at a time, each meeting seeing what came before it.

Who meets whom does not hang on opinions (but for the biased choice), so that meetings are drawn a block at a time,
which lets the processor wait for many of them at once, and are then held one after another.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Shaped, UInt32, UInt64

from doxa.lab.compiled import compiled
from doxa.society.randomness import below, uniform

BLOCK = 512
"""Meetings drawn at a time; two blocks of them lie in the first cache."""

_NOBODY = np.uint32(0xFFFFFFFF)


@compiled
def draw_meetings(
    first: UInt32[np.ndarray, " block"],
    second: UInt32[np.ndarray, " block"],
    places: UInt64[np.ndarray, " block"],
    n: int,
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"] | None,
    targets: UInt32[np.ndarray, " entries"] | None,
    key: np.uint64,
    begin: int,
    count: int,
) -> None:
    """Draw meetings ``begin`` to ``begin + count``: who acts (draw 0), and whom it meets (draw 1).

    With ``agents`` None anyone may act; with ``targets`` None it meets any other, else somebody it listens to. Who
    listens to nobody meets nobody. ``places`` is scratch.
    """
    for k in range(count):
        first[k] = below(key, begin + k, 0, n) if agents is None else agents[begin + k]
    if offsets is None or targets is None:
        for k in range(count):
            j = below(key, begin + k, 1, n - 1)
            second[k] = j + np.uint64(j >= first[k])
        return
    # short loops that do one thing let the processor wait for twice as many reads at once as one long loop
    for k in range(count):
        i = np.uint64(first[k])
        places[k] = offsets[i]
        second[k] = offsets[i + np.uint64(1)] - offsets[i]
    for k in range(count):
        places[k] += below(key, begin + k, 1, second[k])
    for k in range(count):
        second[k] = targets[places[k]] if second[k] > 0 else _NOBODY


@compiled
def copy_in_turn(
    values: Shaped[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"] | None,
    targets: UInt32[np.ndarray, " entries"] | None,
    key: np.uint64,
    meetings: int,
) -> None:
    """Let whoever acts take the value of whom it meets, in place."""
    first, second = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint32)
    places = np.empty(BLOCK, np.uint64)
    for begin in range(0, meetings, BLOCK):
        count = min(BLOCK, meetings - begin)
        draw_meetings(first, second, places, len(values), agents, offsets, targets, key, begin, count)
        for k in range(count):
            if second[k] != _NOBODY:
                values[first[k]] = values[second[k]]


@compiled
def copy_at_once(
    new: Shaped[np.ndarray, " n"],
    old: Shaped[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    draws: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"] | None,
    targets: UInt32[np.ndarray, " entries"] | None,
    key: np.uint64,
    begin: int,
    end: int,
) -> None:
    """Write for agents ``begin`` to ``end`` the old value of somebody each meets; ``draws`` as in ``Turn``."""
    for k in range(np.uint64(begin), np.uint64(end)):
        i = k if agents is None else np.uint64(agents[k])
        own = k if draws is None else np.uint64(draws[k])
        if offsets is None or targets is None:
            j = below(key, own, 1, len(old) - 1)
            new[i] = old[j + np.uint64(j >= i)]
        else:
            row = offsets[i]
            degree = offsets[i + np.uint64(1)] - row
            new[i] = old[targets[row + below(key, own, 1, degree)]] if degree > np.uint64(0) else old[i]


@compiled
def approach(
    opinions: Float32[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"] | None,
    targets: UInt32[np.ndarray, " entries"] | None,
    key: np.uint64,
    meetings: int,
    confidence: np.float32,
    rate: np.float32,
) -> None:
    """Let two who meet and are nearer than ``confidence`` each go ``rate`` of the way to the other, in place."""
    first, second = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint32)
    places = np.empty(BLOCK, np.uint64)
    for begin in range(0, meetings, BLOCK):
        count = min(BLOCK, meetings - begin)
        draw_meetings(first, second, places, len(opinions), agents, offsets, targets, key, begin, count)
        for k in range(count):
            if second[k] == _NOBODY:
                continue
            i, j = first[k], second[k]
            apart = opinions[j] - opinions[i]
            # chosen, not branched to: which pairs are near cannot be foretold
            move = rate * apart if abs(apart) < confidence else np.float32(0.0)
            opinions[i] += move
            opinions[j] -= move


@compiled
def approach_biased(
    opinions: Float32[np.ndarray, " n"],
    agents: UInt32[np.ndarray, " acting"] | None,
    offsets: UInt64[np.ndarray, " rows"],
    targets: UInt32[np.ndarray, " entries"],
    key: np.uint64,
    meetings: int,
    confidence: np.float32,
    rate: np.float32,
    bias: np.float32,
    floor: np.float32,
) -> None:
    """As ``approach``, but i meets j with probability in proportion to max(distance, floor)^-bias, in place."""
    n = len(opinions)
    sums = np.empty(64, np.float32)
    for k in range(meetings):
        i = below(key, k, 0, n) if agents is None else np.uint64(agents[k])
        row = offsets[i]
        degree = offsets[i + np.uint64(1)] - row
        if degree == np.uint64(0):
            continue
        if degree > np.uint64(len(sums)):
            sums = np.empty(2 * degree, np.float32)
        own, total = opinions[i], np.float32(0.0)
        for e in range(degree):
            total += max(abs(opinions[targets[row + e]] - own), floor) ** -bias
            sums[e] = total
        mark = np.float32(uniform(key, k, 1)) * total
        e = np.uint64(0)
        while e + np.uint64(1) < degree and sums[e] <= mark:
            e += np.uint64(1)
        j = targets[row + e]
        apart = opinions[j] - own
        if abs(apart) < confidence:
            opinions[i] += rate * apart
            opinions[j] -= rate * apart

"""Kernels under the null models: pairs of ends made into a simple graph, and edges that swap their ends.

The edges stand twice: as two lists, and as keys in a table with open addressing, which says at once whether two
nodes are linked. A swap takes edges (u, v) and (x, y) and makes (u, y) and (x, v): every degree stays.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int32, Int64

from doxa.lab.compiled import compiled
from doxa.society.randomness import uniform

EMPTY = -1
SPREAD = 0x9E3779B97F4A7C15
"""Odd, near 2^64 / golden ratio: keys multiplied by it scatter over the high bits."""


@compiled
def make_simple(
    sources: Int32[np.ndarray, " m"],
    targets: Int32[np.ndarray, " m"],
    n: int,
    directed: bool,
    key: np.uint64,
) -> bool:
    """Swap ends in place until there is neither loop nor double edge; return False where no way was found.

    Bad edges, those that are loops or would be in the table already, swap with random others whenever no more are
    bad afterwards than before, and good ones swap meanwhile, so that the search does not stand still.
    """
    m = len(sources)
    table = _table(m)
    bad = np.zeros(m, dtype=np.bool_)
    for e in range(m):
        u, v = sources[e], targets[e]
        bad[e] = u == v or not _put(table, _key(u, v, n, directed))
    tries = 0
    while True:
        waiting = np.flatnonzero(bad)
        if len(waiting) == 0:
            return True
        for w in range(len(waiting)):
            e = int(waiting[w])
            while bad[e]:
                u, v = sources[e], targets[e]
                if u != v and _put(table, _key(u, v, n, directed)):  # the edge it doubled has gone
                    bad[e] = False
                    break
                tries += 1
                if tries > 100 * m + 100_000:
                    return False
                f, g = int(uniform(key, tries, 0) * m), int(uniform(key, tries, 1) * m)
                if f == e:
                    continue
                _swap_bad(
                    sources,
                    targets,
                    table,
                    bad,
                    e,
                    f,
                    n,
                    directed,
                    not directed and uniform(key, tries, 2) < 0.5,
                )
                if f != g and not bad[f] and not bad[g]:
                    _swap(
                        sources,
                        targets,
                        table,
                        f,
                        g,
                        n,
                        directed,
                        not directed and uniform(key, tries, 3) < 0.5,
                    )


@compiled
def _swap_bad(
    sources: Int32[np.ndarray, " m"],
    targets: Int32[np.ndarray, " m"],
    table: Int64[np.ndarray, " size"],
    bad: Bool[np.ndarray, " m"],
    e: int,
    f: int,
    n: int,
    directed: bool,
    turned: bool,
) -> None:
    """Swap the targets of a bad edge e and any edge f, unless more of the two are bad afterwards.

    ``turned`` takes f from its other end.
    """
    u, v, x, y = sources[e], targets[e], sources[f], targets[f]
    if turned:
        x, y = y, x
    if u == x or v == y:
        return
    first, second = _key(u, y, n, directed), _key(x, v, n, directed)
    first_bad = u == y or _holds(table, first)
    second_bad = x == v or _holds(table, second) or (first == second and not first_bad)
    if int(first_bad) + int(second_bad) > 1 + int(bad[f]):
        return
    if not bad[f]:
        _take(table, _key(x, y, n, directed))
    if not first_bad:
        _put(table, first)
    if not second_bad:
        _put(table, second)
    bad[e], bad[f] = first_bad, second_bad
    targets[e], sources[f], targets[f] = y, x, v


@compiled
def rewire(
    sources: Int32[np.ndarray, " m"],
    targets: Int32[np.ndarray, " m"],
    n: int,
    attempts: int,
    directed: bool,
    key: np.uint64,
) -> int:
    """Try to swap random pairs of edges of a simple graph in place; return how many were swapped, -1 if not simple.

    Tries are counted, not swaps: the chain that stays where it is when a swap is refused has the uniform
    distribution over graphs with these degrees as its limit.
    """
    m = len(sources)
    table = _table(m)
    for e in range(m):
        if sources[e] == targets[e] or not _put(table, _key(sources[e], targets[e], n, directed)):
            return -1
    done = 0
    for attempt in range(attempts if m > 1 else 0):
        e, f = int(uniform(key, attempt, 0) * m), int(uniform(key, attempt, 1) * (m - 1))
        f += f >= e
        turned = not directed and uniform(key, attempt, 2) < 0.5
        done += _swap(sources, targets, table, e, f, n, directed, turned)
    return done


@compiled
def _swap(
    sources: Int32[np.ndarray, " m"],
    targets: Int32[np.ndarray, " m"],
    table: Int64[np.ndarray, " size"],
    e: int,
    f: int,
    n: int,
    directed: bool,
    turned: bool,
) -> bool:
    """Swap the targets of two good edges, unless that makes a loop or a double edge; return whether it was done.

    ``turned`` takes f from its other end.
    """
    u, v, x, y = sources[e], targets[e], sources[f], targets[f]
    if turned:
        x, y = y, x
    first, second = _key(u, y, n, directed), _key(x, v, n, directed)
    if u == y or x == v or first == second or _holds(table, first) or _holds(table, second):
        return False
    _take(table, _key(u, v, n, directed))
    _take(table, _key(x, y, n, directed))
    _put(table, first)
    _put(table, second)
    targets[e], sources[f], targets[f] = y, x, v
    return True


@compiled
def _key(u: int, v: int, n: int, directed: bool) -> np.int64:
    a, b = np.int64(u), np.int64(v)
    return a * n + b if directed or a < b else b * n + a


@compiled
def _table(m: int) -> Int64[np.ndarray, " size"]:
    size = 16
    while size < 2 * m:
        size *= 2
    return np.full(size, EMPTY, dtype=np.int64)


@compiled
def _home(table: Int64[np.ndarray, " size"], key: np.int64) -> np.int64:
    return np.int64((np.uint64(key) * np.uint64(SPREAD)) >> np.uint64(20)) & (len(table) - 1)


@compiled
def _holds(table: Int64[np.ndarray, " size"], key: np.int64) -> bool:
    place = _home(table, key)
    while table[place] != EMPTY:
        if table[place] == key:
            return True
        place = (place + 1) & (len(table) - 1)
    return False


@compiled
def _put(table: Int64[np.ndarray, " size"], key: np.int64) -> bool:
    """Add a key; return False if it was there."""
    place = _home(table, key)
    while table[place] != EMPTY:
        if table[place] == key:
            return False
        place = (place + 1) & (len(table) - 1)
    table[place] = key
    return True


@compiled
def _take(table: Int64[np.ndarray, " size"], key: np.int64) -> None:
    """Remove a key that is there; those behind it that its place kept from theirs move up."""
    mask = len(table) - 1
    hole = _home(table, key)
    while table[hole] != key:
        hole = (hole + 1) & mask
    place = (hole + 1) & mask
    while table[place] != EMPTY:
        if ((place - _home(table, table[place])) & mask) >= ((place - hole) & mask):
            table[hole] = table[place]
            hole = place
        place = (place + 1) & mask
    table[hole] = EMPTY

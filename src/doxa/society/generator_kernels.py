"""Kernels under the generators: each returns the sources and targets of all edges, in time linear in them.

Random numbers hang on a key and on the edge they decide about, so that a key gives one graph.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int32, Int64

from doxa.lab.compiled import compiled
from doxa.society.randomness import uniform

FEW = 12
BLOCK = 64  # nodes whose draws are read together
Ends = tuple[Int32[np.ndarray, " m"], Int32[np.ndarray, " m"]]


@compiled
def preferential(ends: Int32[np.ndarray, " twice"], n: int, m: int, key: np.uint64) -> None:
    """Grow a graph from a star of m + 1 nodes: each new node draws m others in proportion to their degree.

    A draw takes one of the ends of all edges so far. Where it looks hangs on its number only, so that the looks of
    a whole block of nodes are drawn and read at once, which hides the wait for memory; the few that fall into the
    block itself are read when their turn comes. A node's targets are in ascending order, and so are rows that are
    filled edge by edge.

    Args:
        ends: gets all targets, then all sources, m + (n - m - 1) * m each.
        n: number of nodes.
        m: edges of a new node.
        key: of the random numbers.
    """
    edges = m + (n - m - 1) * m
    for v in range(1, m + 1):
        ends[v - 1], ends[edges + v - 1] = 0, v
    for v in range(m + 1, n):
        for e in range(m + (v - m - 1) * m, m + (v - m) * m):
            ends[edges + e] = v
    places = np.empty((BLOCK, m), dtype=np.int64)
    drawn = np.empty((BLOCK, m), dtype=np.int32)
    own, spare = np.empty(m, dtype=np.int32), np.empty(m, dtype=np.int32)
    for first in range(m + 1, n, BLOCK):
        size, known = min(BLOCK, n - first), m + (first - m - 1) * m
        for a in range(size):
            for b in range(m):
                places[a, b] = _any_end(known + a * m, edges, uniform(key, known + a * m + b, 0))
        for a in range(size):
            for b in range(m):
                drawn[a, b] = ends[places[a, b]]
        for a in range(size):
            e = known + a * m
            for b in range(m):
                late = known <= places[a, b] < e
                own[b] = ends[places[a, b]] if late else drawn[a, b]
            distinct, again = _ascending(own, spare), 0
            while distinct < m:
                again += 1
                for b in range(distinct, m):
                    own[b] = ends[_any_end(e, edges, uniform(key, e + b, again))]
                distinct = _ascending(own, spare)
            ends[e : e + m] = own


@compiled
def _any_end(known: int, edges: int, drawn: float) -> int:
    place = int(drawn * (2 * known))
    return place if place < known else place + edges - known


@compiled
def others(targets: Int32[np.ndarray, " m"], n: int, k: int, key: np.uint64) -> None:
    """Draw for each node k others, without one twice, in ascending order.

    A draw skips the node itself. Of more than half of all others those that are left out are drawn instead.
    """
    few = min(k, n - 1 - k)
    own, spare = np.empty(few, dtype=np.int32), np.empty(few, dtype=np.int32)
    for v in range(n):
        distinct, again = 0, 0
        while distinct < few:
            for a in range(distinct, few):
                own[a] = int(uniform(key, v * few + a, again) * (n - 1))
            distinct = _ascending(own, spare)
            again += 1
        row = targets[v * k : (v + 1) * k]
        if few == k:
            for a in range(k):
                row[a] = own[a] + (own[a] >= v)
            continue
        a, b = 0, 0
        for other in range(n - 1):
            if b < few and own[b] == other:
                b += 1
            else:
                row[a] = other + (other >= v)
                a += 1


@compiled
def _ascending(values: Int32[np.ndarray, " k"], spare: Int32[np.ndarray, " k"]) -> int:
    """Order values in place, each once at the front; return how many differ.

    A few are put where the count of smaller ones says, which takes no branch that a processor could guess wrong.
    """
    k = len(values)
    if k <= FEW:
        for a in range(k):
            spare[a] = values[a]
        for a in range(k):
            place = 0
            for b in range(k):
                place += spare[b] < spare[a] or (spare[b] == spare[a] and b < a)
            values[place] = spare[a]
    else:
        values.sort()
    kept = min(1, k)
    for a in range(1, k):
        if values[a] != values[a - 1]:
            values[kept] = values[a]
            kept += 1
    return kept


@compiled
def small_world(
    sources: Int32[np.ndarray, " m"],
    targets: Int32[np.ndarray, " m"],
    n: int,
    p: float,
    key: np.uint64,
) -> None:
    """Link each node with the next m / n on a ring, then move the far end of each edge with probability p.

    The j-th edge of node u stands at u * half + j, with half = m / n; two nodes are linked if an edge of either leads
    to the other. Edges are visited neighbour by neighbour, all nodes for the nearest one first.
    """
    half = len(targets) // n
    for u in range(n):
        for j in range(half):
            sources[u * half + j] = u
            targets[u * half + j] = u + j + 1 if u + j + 1 < n else u + j + 1 - n
    if p <= 0.0 or 2 * half >= n - 1:
        return
    scale = _scale(p)
    places = np.empty(BLOCK, dtype=np.int64)
    drawn = np.empty((2, BLOCK), dtype=np.int64)
    place = _skip(scale, uniform(key, 0, 0))
    while place < n * half:
        size = 0
        while size < BLOCK and place < n * half:
            e = place % n * half + place // n
            places[size], drawn[0, size] = e, int(uniform(key, e, 1) * n)
            place += 1 + _skip(scale, uniform(key, place + 1, 0))
            size += 1
        for a in range(size):  # read at once, so that the waits for memory overlap; not used
            drawn[1, a] = targets[drawn[0, a] * half]
        for a in range(size):
            e, w = places[a], drawn[0, a]
            u = e // half
            tries = 0
            while w == u or _linked(targets, half, u, w):
                tries += 1
                w = int(uniform(key, e, 1 + tries) * n)
                if tries == 64 and _linked_with_all(targets, half, n, u):
                    w = targets[e]
                    break
            targets[e] = w


@compiled
def _linked(targets: Int32[np.ndarray, " m"], half: int, u: int, w: int) -> bool:
    found = False
    for j in range(half):
        found |= targets[u * half + j] == w or targets[w * half + j] == u
    return found


@compiled
def _linked_with_all(targets: Int32[np.ndarray, " m"], half: int, n: int, u: int) -> bool:
    linked = 0
    for w in range(n):
        linked += w != u and _linked(targets, half, u, w)
    return linked == n - 1


@compiled
def _scale(p: float) -> float:
    return 1.0 / math.log1p(-p) if 0.0 < p < 1.0 else 0.0


@compiled
def _skip(scale: float, drawn: float) -> int:
    """Return how many events of probability p fail before the first that happens.

    Args:
        scale: 1 / log(1 - p), which is 0 where p is 1.
        drawn: uniform in [0, 1).
    """
    return int(min(math.log1p(-drawn) * scale, 4e18))


@compiled
def grid(rows: Int32[np.ndarray, "n neighbours"], tall: int, wide: int, periodic: bool) -> None:
    """Write the rows of a rectangle's nodes in ascending order; places that lie outside come last, as -1."""
    neighbours = rows.shape[1]
    for y in range(tall):
        for x in range(wide):
            row = rows[y * wide + x]
            count = 0
            for down in range(-1, 2):
                v = y + down
                if periodic:
                    v = v + tall if v < 0 else v - tall if v >= tall else v
                elif v < 0 or v >= tall:
                    continue
                for right in range(-1, 2):
                    if (down == 0 and right == 0) or (neighbours == 4 and down != 0 and right != 0):
                        continue
                    u = x + right
                    if periodic:
                        u = u + wide if u < 0 else u - wide if u >= wide else u
                    elif u < 0 or u >= wide:
                        continue
                    node = v * wide + u
                    place = count
                    while place > 0 and row[place - 1] > node:  # only at a border that meets the other
                        row[place] = row[place - 1]
                        place -= 1
                    row[place] = node
                    count += 1
            row[count:] = -1


@compiled
def pairs_with_chance(
    rows: int, columns: int, first_row: int, first_column: int, p: float, key: np.uint64
) -> Ends:
    """Take each pair of a block with probability p, by skipping over those that are not taken.

    With ``columns`` 0 the block is a triangle: the pairs of ``rows`` nodes, the greater one first.
    """
    triangle = columns == 0
    total = rows * (rows - 1) // 2 if triangle else rows * columns
    expected = total * p
    capacity = int(min(expected + 6.0 * math.sqrt(expected) + 16.0, float(total)))
    sources = np.empty(capacity, dtype=np.int32)
    targets = np.empty(capacity, dtype=np.int32)
    count = 0
    row, column, width = (1, 0, 1) if triangle else (0, 0, columns)
    scale = _scale(p)
    column += _skip(scale, uniform(key, 0, 0)) if p > 0.0 else total
    while True:
        while column >= width and row < rows:
            column -= width
            row += 1
            if triangle:
                width = row
            elif column >= width:
                row += column // width
                column %= width
        if row >= rows:
            break
        if count == len(sources):  # beyond six standard deviations
            sources = np.append(sources, np.empty(count + 16, dtype=np.int32))
            targets = np.append(targets, np.empty(count + 16, dtype=np.int32))
        sources[count] = first_row + row
        targets[count] = first_column + column
        count += 1
        column += 1 + _skip(scale, uniform(key, count, 0))
    return sources[:count], targets[:count]


@compiled
def near_on_torus(
    points: Float64[np.ndarray, "n 2"], cells: Int64[np.ndarray, " cells"], side: int, radius: float
) -> Ends:
    """Link points of the unit torus at most ``radius`` apart.

    Args:
        points: ordered by cell, row by row.
        cells: where each of the side x side cells begins, and the end.
        side: number of cells along an edge, at least 3; a cell is at least ``radius`` wide.
        radius: below 1/3.
    """
    capacity = int(len(points) * (len(points) - 1) * math.pi * radius * radius / 2.0 * 1.1) + 64
    sources = np.empty(capacity, dtype=np.int32)
    targets = np.empty(capacity, dtype=np.int32)
    count = 0
    for y in range(side):
        for x in range(side):
            for a in range(cells[y * side + x], cells[y * side + x + 1]):
                for step in range(9):
                    cell = (y + step // 3 - 1) % side * side + (x + step % 3 - 1) % side
                    for b in range(max(cells[cell], a + 1), cells[cell + 1]):
                        dx = abs(points[a, 0] - points[b, 0])
                        dy = abs(points[a, 1] - points[b, 1])
                        dx, dy = min(dx, 1.0 - dx), min(dy, 1.0 - dy)
                        if dx * dx + dy * dy > radius * radius:
                            continue
                        if count == len(sources):
                            sources = np.append(sources, np.empty(count + 64, dtype=np.int32))
                            targets = np.append(targets, np.empty(count + 64, dtype=np.int32))
                        sources[count] = a
                        targets[count] = b
                        count += 1
    return sources[:count], targets[:count]

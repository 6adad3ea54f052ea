"""Kernels under the generators: each returns the sources and targets of all edges, in time linear in them.

Numbers come from the NumPy generator that is passed in, one after another, so that a seed gives one graph.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int32, Int64

from doxa.society.compiled import compiled

BLOCK = 64  # nodes whose draws are read together
Ends = tuple[Int32[np.ndarray, " m"], Int32[np.ndarray, " m"]]


@compiled
def preferential(ends: Int32[np.ndarray, " twice"], n: int, m: int, rng: np.random.Generator) -> None:
    """Grow a graph from a star of m + 1 nodes: each new node draws m others in proportion to their degree.

    A draw takes one of the ends of all edges so far. Where it looks hangs on its number only, so that the looks of
    a whole block of nodes are drawn and read at once, which hides the wait for memory; the few that fall into the
    block itself are read when their turn comes. A node's targets are in ascending order, and so are rows that are
    filled edge by edge.

    Args:
        ends: gets all targets, then all sources, m + (n - m - 1) * m each.
        n: number of nodes.
        m: edges of a new node.
        rng: generator.
    """
    edges = m + (n - m - 1) * m
    for v in range(1, m + 1):
        ends[v - 1], ends[edges + v - 1] = 0, v
    for v in range(m + 1, n):
        for e in range(m + (v - m - 1) * m, m + (v - m) * m):
            ends[edges + e] = v
    places = np.empty((BLOCK, m), dtype=np.int64)
    drawn = np.empty((BLOCK, m), dtype=np.int32)
    own = np.empty(m, dtype=np.int32)
    for first in range(m + 1, n, BLOCK):
        size, known = min(BLOCK, n - first), m + (first - m - 1) * m
        for a in range(size):
            for b in range(m):
                places[a, b] = _any_end(known + a * m, edges, rng)
        for a in range(size):
            for b in range(m):
                drawn[a, b] = ends[places[a, b]]
        for a in range(size):
            e = known + a * m
            for b in range(m):
                late = known <= places[a, b] < e
                own[b] = ends[places[a, b]] if late else drawn[a, b]
            distinct = _ascending(own)
            while distinct < m:
                for b in range(distinct, m):
                    own[b] = ends[_any_end(e, edges, rng)]
                distinct = _ascending(own)
            ends[e : e + m] = own


@compiled
def _any_end(known: int, edges: int, rng: np.random.Generator) -> int:
    place = int(rng.random() * (2 * known))
    return place if place < known else place + edges - known


@compiled
def others(targets: Int32[np.ndarray, " m"], n: int, k: int, rng: np.random.Generator) -> None:
    """Draw for each node k others, without one twice, in ascending order.

    A draw skips the node itself. Of more than half of all others those that are left out are drawn instead.
    """
    few = min(k, n - 1 - k)
    own = np.empty(few, dtype=np.int32)
    for v in range(n):
        distinct = 0
        while distinct < few:
            for a in range(distinct, few):
                own[a] = int(rng.random() * (n - 1))
            distinct = _ascending(own)
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
def _ascending(values: Int32[np.ndarray, " k"]) -> int:
    """Order a few values in place, each once at the front; return how many differ."""
    for a in range(1, len(values)):
        value = values[a]
        b = a - 1
        while b >= 0 and values[b] > value:
            values[b + 1] = values[b]
            b -= 1
        values[b + 1] = value
    kept = min(1, len(values))
    for a in range(1, len(values)):
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
    rng: np.random.Generator,
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
    place = _skip(p, rng)
    while place < n * half:
        u = place % n
        e = u * half + place // n
        w = int(rng.random() * n)
        tries = 0
        while w == u or _linked(targets, half, u, w):
            w = int(rng.random() * n)
            tries += 1
            if tries == 64 and _linked_with_all(targets, half, n, u):
                w = targets[e]
                break
        targets[e] = w
        place += 1 + _skip(p, rng)


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
def _skip(p: float, rng: np.random.Generator) -> int:
    """Return how many events of probability p fail before the first that happens."""
    if p >= 1.0:
        return 0
    return int(min(math.log1p(-rng.random()) / math.log1p(-p), 4e18))


@compiled
def pairs_with_chance(
    rows: int, columns: int, first_row: int, first_column: int, p: float, rng: np.random.Generator
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
    column += _skip(p, rng) if p > 0.0 else total
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
        column += 1 + _skip(p, rng)
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

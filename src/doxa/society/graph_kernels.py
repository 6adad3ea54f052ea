"""Kernels under ``Graph``: edges to rows by counting, rows put in order, and what a graph must hold checked."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer

from doxa.lab.compiled import compiled

PIECE = 48  # entries that are ordered by insertion before merging; rows are mostly shorter


@compiled
def count_rows(
    places: Int64[np.ndarray, " rows"],
    sources: Integer[np.ndarray, " m"],
    targets: Integer[np.ndarray, " m"],
    both: bool,
    loops: bool,
) -> None:
    """Write where each row begins, one place late: (n + 2,), twice 0 first, so that ``fill_rows`` moves it home.

    ``both`` counts an edge in both rows, a loop once.
    """
    places[:] = 0
    for e in range(len(sources)):
        i, j = sources[e], targets[e]
        if i == j and not loops:
            continue
        places[i + 2] += 1
        if both and i != j:
            places[j + 2] += 1
    for i in range(2, len(places)):
        places[i] += places[i - 1]


@compiled
def fill_rows(
    places: Int64[np.ndarray, " rows"],
    sources: Integer[np.ndarray, " m"],
    targets: Integer[np.ndarray, " m"],
    weights: Float32[np.ndarray, " w"],
    both: bool,
    loops: bool,
    rows: Int32[np.ndarray, " e"],
    values: Float32[np.ndarray, " v"],
) -> None:
    """Write the targets and weights row by row, in the order of the edges; no weights in, none out.

    ``places`` as ``count_rows`` made them serve as the next place of each row, and end as where the next begins.
    """
    weighted = len(weights) > 0
    for e in range(len(sources)):
        i, j = sources[e], targets[e]
        if i == j and not loops:
            continue
        place = places[i + 1]
        places[i + 1] = place + 1
        rows[place] = j
        if weighted:
            values[place] = weights[e]
        if both and i != j:
            place = places[j + 1]
            places[j + 1] = place + 1
            rows[place] = i
            if weighted:
                values[place] = weights[e]


@compiled
def order_rows(
    offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"], weights: Float32[np.ndarray, " w"]
) -> None:
    """Put each row in ascending order in place; equal targets keep their order.

    Pieces are ordered by insertion, then merged. Rows from a kernel are mostly in order, which costs one look.
    """
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    spare = np.empty(longest if longest > PIECE else 0, dtype=np.int32)
    spare_weights = np.empty(len(spare) if len(weights) else 0, dtype=np.float32)
    for i in range(len(offsets) - 1):
        begin, end = offsets[i], offsets[i + 1]
        for first in range(begin, end, PIECE):
            _insertion(targets, weights, first, min(first + PIECE, end))
        width = PIECE
        while width < end - begin:
            for first in range(begin, end - width, 2 * width):
                _merge(
                    targets, weights, first, first + width, min(first + 2 * width, end), spare, spare_weights
                )
            width *= 2


@compiled
def _insertion(
    targets: Int32[np.ndarray, " m"], weights: Float32[np.ndarray, " w"], begin: int, end: int
) -> None:
    weighted = len(weights) > 0
    for a in range(begin + 1, end):
        target = targets[a]
        weight = weights[a] if weighted else np.float32(0.0)
        b = a - 1
        while b >= begin and targets[b] > target:
            targets[b + 1] = targets[b]
            if weighted:
                weights[b + 1] = weights[b]
            b -= 1
        targets[b + 1] = target
        if weighted:
            weights[b + 1] = weight


@compiled
def _merge(
    targets: Int32[np.ndarray, " m"],
    weights: Float32[np.ndarray, " w"],
    begin: int,
    middle: int,
    end: int,
    spare: Int32[np.ndarray, " s"],
    spare_weights: Float32[np.ndarray, " t"],
) -> None:
    if targets[middle - 1] <= targets[middle]:
        return
    weighted, left = len(weights) > 0, middle - begin
    for a in range(left):
        spare[a] = targets[begin + a]
        if weighted:
            spare_weights[a] = weights[begin + a]
    a, b, c = 0, middle, begin
    while a < left:
        if b < end and targets[b] < spare[a]:
            targets[c] = targets[b]
            if weighted:
                weights[c] = weights[b]
            b += 1
        else:
            targets[c] = spare[a]
            if weighted:
                weights[c] = spare_weights[a]
            a += 1
        c += 1


@compiled
def first_duplicate(offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"]) -> tuple[int, int]:
    """Return the first edge (row, target) that an ordered row holds twice, or (-1, -1)."""
    for i in range(len(offsets) - 1):
        for a in range(offsets[i] + 1, offsets[i + 1]):
            if targets[a] == targets[a - 1]:
                return i, int(targets[a])
    return -1, -1


@compiled
def drop_duplicates(
    offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"], weights: Float32[np.ndarray, " w"]
) -> int:
    """Move the first of equal targets of each ordered row to the front in place; return how many are left."""
    weighted = len(weights) > 0
    kept = 0
    begin = offsets[0]
    for i in range(len(offsets) - 1):
        end = offsets[i + 1]
        start = kept
        for a in range(begin, end):
            if kept > start and targets[kept - 1] == targets[a]:
                continue
            targets[kept] = targets[a]
            if weighted:
                weights[kept] = weights[a]
            kept += 1
        offsets[i + 1] = kept
        begin = end
    return kept


@compiled
def broken_row(offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"], n: int) -> int:
    """Return the first row that is out of order or names a node outside 0..n-1, or -1."""
    for i in range(n):
        for a in range(offsets[i], offsets[i + 1]):
            if targets[a] < 0 or targets[a] >= n or (a > offsets[i] and targets[a] < targets[a - 1]):
                return i
    return -1


@compiled
def one_sided(
    offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"], weights: Float32[np.ndarray, " w"]
) -> tuple[int, int]:
    """Return an edge (i, j) of ordered rows that row j does not hold with the same weight, or (-1, -1).

    Going through the rows in order meets the entries of every row in its order, so one place a row is enough.
    """
    weighted = len(weights) > 0
    n = len(offsets) - 1
    place = offsets[:n].copy()
    for i in range(n):
        for a in range(offsets[i], offsets[i + 1]):
            j = targets[a]
            b = place[j]
            if b >= offsets[j + 1] or targets[b] != i or (weighted and weights[b] != weights[a]):
                return i, int(j)
            place[j] = b + 1
    return -1, -1


@compiled
def forward_edges(
    offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"]
) -> tuple[Int32[np.ndarray, " e"], Int64[np.ndarray, " e"]]:
    """Return of an undirected graph the row and the place in ``targets`` of each edge once, at its lower end."""
    count = 0
    for i in range(len(offsets) - 1):
        for a in range(offsets[i], offsets[i + 1]):
            count += targets[a] >= i
    sources = np.empty(count, dtype=np.int32)
    places = np.empty(count, dtype=np.int64)
    count = 0
    for i in range(len(offsets) - 1):
        for a in range(offsets[i], offsets[i + 1]):
            if targets[a] >= i:
                sources[count] = i
                places[count] = a
                count += 1
    return sources, places


@compiled
def loops_in(offsets: Int64[np.ndarray, " rows"], targets: Int32[np.ndarray, " m"]) -> int:
    """Return how many entries name their own row."""
    count = 0
    for i in range(len(offsets) - 1):
        for a in range(offsets[i], offsets[i + 1]):
            count += targets[a] == i
    return count


@compiled
def outside(ids: Integer[np.ndarray, " m"], n: int) -> int:
    """Return the first place whose id is not in 0..n-1, or -1."""
    for e in range(len(ids)):
        if ids[e] < 0 or ids[e] >= n:
            return e
    return -1

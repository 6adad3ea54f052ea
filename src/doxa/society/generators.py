"""Graphs made to order: each in time linear in its edges, the random ones from a generator or a seed.

All are without loops and double edges, and undirected but for ``k_out``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from doxa.errors import InputError
from doxa.society import generator_kernels as kernels
from doxa.society.graph import Graph
from doxa.society.null_models import configuration_model
from doxa.society.randomness import key_from
from doxa.society.seeds import Seed, generator

MOST_COMPLETE = 46_340
"""Greatest complete graph: its rows hold n(n - 1) entries, here 8 GiB."""


def ring(n: int, k: int = 2) -> Graph:
    """Return n nodes on a ring, each linked with its k nearest, half on either side.

    Raises:
        InputError: k is odd, below 2 or not below n.
    """
    _check_near(n, k)
    return _near_on_ring(n, k, 0.0, np.uint64(0))


def lattice(n: int, *, columns: int | None = None, neighbours: int = 4, periodic: bool = True) -> Graph:
    """Return a rectangle of n nodes, row by row, each linked with those beside it.

    Args:
        n: number of nodes.
        columns: in a row, a divisor of n; by default the one nearest to the square root of n.
        neighbours: 4, or 8 with the diagonals.
        periodic: whether the borders meet, so that all nodes have as many neighbours.

    Raises:
        InputError: columns does not divide n, or borders that meet are less than 3 nodes apart.
    """
    _check_nodes(n)
    if neighbours not in (4, 8):
        raise InputError(f"neighbours={neighbours}: a lattice has 4 or 8")
    wide = _most_square(n) if columns is None else columns
    if wide < 1 or n % wide:
        raise InputError(
            f"columns={wide}: does not divide n={n}; the divisor nearest to square is {_most_square(n)}"
        )
    tall = n // wide
    if periodic and min(wide, tall) < 3:
        raise InputError(
            f"a lattice of {tall} x {wide} with borders that meet links nodes twice; "
            f"take n={math.isqrt(n) ** 2}, periodic=False or a ring"
        )
    rows = np.empty((n, neighbours), dtype=np.int32)
    kernels.grid(rows, tall, wide, periodic)
    if periodic:
        return Graph.trusted(np.arange(n + 1, dtype=np.int64) * neighbours, rows.reshape(-1))
    inside = rows >= 0
    return Graph.trusted(np.concatenate(([0], np.cumsum(np.count_nonzero(inside, axis=1)))), rows[inside])


def complete(n: int) -> Graph:
    """Return the graph in which each node is linked with all others.

    Raises:
        InputError: n is above 46,340; a dynamics that mixes all needs no graph.
    """
    _check_nodes(n)
    if n > MOST_COMPLETE:
        raise InputError(
            f"n={n}: a complete graph has at most {MOST_COMPLETE}; a well-mixed dynamics needs none"
        )
    targets = np.tile(np.arange(n - 1, dtype=np.int32), n).reshape(n, n - 1)
    targets += targets >= np.arange(n, dtype=np.int32)[:, None]
    return Graph.trusted(np.arange(n + 1, dtype=np.int64) * (n - 1), targets.reshape(-1))


def regular(n: int, degree: int, rng: Seed) -> Graph:
    """Return a random graph in which each node has the same degree; see ``configuration_model``.

    Raises:
        InputError: degree is not in 0..n-1, or n * degree is odd.
    """
    _check_nodes(n)
    if not 0 <= degree < n or n * degree % 2:
        raise InputError(f"degree={degree}: must be in 0..{n - 1}, and n * degree even")
    return configuration_model(np.full(n, degree), generator(rng, "regular"))


def erdos_renyi(n: int, mean_degree: float, rng: Seed) -> Graph:
    """Return a graph in which each pair is linked with the same probability, mean_degree / (n - 1).

    Raises:
        InputError: mean_degree is not in 0..n-1.
    """
    _check_nodes(n)
    p = mean_degree / (n - 1) if n > 1 else mean_degree
    if not 0.0 <= p <= 1.0:
        raise InputError(f"mean_degree={mean_degree}: must be in 0..{n - 1}")
    ends = kernels.pairs_with_chance(n, 0, 0, 0, p, key_from(generator(rng, "erdos-renyi")))
    return Graph.of_distinct_edges(n, *ends, ordered=True)


def watts_strogatz(n: int, k: int, p: float, rng: Seed) -> Graph:
    """Return a ring of k nearest neighbours whose edges are each moved with probability p.

    One end stays; the other goes to a node drawn among those it is not linked with (Watts and Strogatz 1998).

    Args:
        n: number of nodes.
        k: even, in 2..n-1; the mean degree.
        p: probability in 0..1.
        rng: generator or seed.

    Raises:
        InputError: k or p is out of range.
    """
    _check_near(n, k)
    _check_chance("p", p)
    return _near_on_ring(n, k, float(p), key_from(generator(rng, "watts-strogatz")))


def barabasi_albert(n: int, m: int, rng: Seed) -> Graph:
    """Return a graph grown from a star of m + 1 nodes: each new node draws m others in proportion to their degree.

    The degrees' tail falls as k^-3 (Barabási and Albert 1999).

    Raises:
        InputError: m is not in 1..n-1.
    """
    _check_nodes(n)
    if not 1 <= m < n:
        raise InputError(f"m={m}: must be in 1..{n - 1}")
    edges = m + (n - m - 1) * m
    ends = np.empty(2 * edges, dtype=np.int32)
    kernels.preferential(ends, n, m, key_from(generator(rng, "barabasi-albert")))
    return Graph.of_distinct_edges(n, ends[edges:], ends[:edges], ordered=True)


def k_out(n: int, k: int, rng: Seed) -> Graph:
    """Return a directed graph in which each node listens to k others, drawn at random.

    Raises:
        InputError: k is not in 0..n-1.
    """
    _check_nodes(n)
    if not 0 <= k < n:
        raise InputError(f"k={k}: must be in 0..{n - 1}")
    targets = np.empty(n * k, dtype=np.int32)
    kernels.others(targets, n, k, key_from(generator(rng, "k-out")))
    return Graph.trusted(np.arange(n + 1, dtype=np.int64) * k, targets, directed=True)


def stochastic_block(sizes: Sequence[int], densities: Float64[np.ndarray, "b b"], rng: Seed) -> Graph:
    """Return a graph of blocks: a pair is linked with a probability that hangs on the two blocks.

    Args:
        sizes: nodes of the blocks, which are numbered block by block.
        densities: probabilities in 0..1, symmetric.
        rng: generator or seed.

    Raises:
        InputError: a size is negative, or densities are not such a matrix.
    """
    rng, blocks = generator(rng, "stochastic-block"), len(sizes)
    if densities.shape != (blocks, blocks) or not np.array_equal(densities, densities.T):
        raise InputError(f"densities {densities.shape}: must be symmetric, {blocks} x {blocks}")
    if not np.all((densities >= 0.0) & (densities <= 1.0)):
        raise InputError(f"densities from {densities.min()} to {densities.max()}: must be in 0..1")
    if min(sizes, default=0) < 0:
        raise InputError(f"sizes={list(sizes)}: must be at least 0")
    first = np.concatenate(([0], np.cumsum(sizes)))
    parts = [
        kernels.pairs_with_chance(
            int(sizes[a]),
            0 if a == b else int(sizes[b]),
            int(first[a]),
            int(first[b]),
            densities[a, b],
            key_from(rng),
        )
        for a in range(blocks)
        for b in range(a + 1)
        if b == a or sizes[b]  # no columns means a triangle
    ]
    sources, targets = (np.concatenate(ends) for ends in zip(*parts, strict=True))
    return Graph.of_distinct_edges(int(first[-1]), sources, targets)


def power_law(n: int, exponent: float, min_degree: int, rng: Seed, *, max_degree: int | None = None) -> Graph:
    """Return a random graph whose degrees are drawn with probability ~ k^-exponent; see ``configuration_model``.

    Args:
        n: number of nodes.
        exponent: above 1.
        min_degree: at least 1.
        rng: generator or seed.
        max_degree: by default the square root of n, above which hubs would have to avoid each other.

    Raises:
        InputError: a value is out of range.
    """
    _check_nodes(n)
    most = max(min_degree, math.isqrt(n)) if max_degree is None else max_degree
    if not exponent > 1.0:
        raise InputError(f"exponent={exponent}: must be above 1")
    if not 1 <= min_degree <= most < n:
        raise InputError(f"degrees from {min_degree} to {most}: must be in 1..{n - 1}")
    rng = generator(rng, "power-law")
    chances = np.arange(min_degree, most + 1, dtype=np.float64) ** -exponent
    degrees = min_degree + np.searchsorted(
        np.cumsum(chances / chances.sum())[:-1], rng.random(n), side="right"
    )
    if degrees.sum() % 2:
        degrees[np.argmin(degrees)] += 1  # an edge has two ends
    return configuration_model(degrees, rng)


def geometric(n: int, mean_degree: float, rng: Seed) -> Graph:
    """Return random points on a torus of area 1, linked where they are near enough for the mean degree.

    Points are numbered row by row of a grid, so that neighbours have near numbers.

    Raises:
        InputError: mean_degree is negative, or the distance would reach a third of the torus.
    """
    _check_nodes(n)
    radius = math.sqrt(max(mean_degree, 0.0) / (math.pi * max(n - 1, 1)))
    if not mean_degree >= 0.0 or not radius < 1 / 3:
        raise InputError(
            f"mean_degree={mean_degree}: must be in 0..{(n - 1) * math.pi / 9:.6g} (a third of the torus)"
        )
    points = generator(rng, "geometric").random((n, 2))
    side = max(3, min(int(1.0 / max(radius, 1e-9)), math.isqrt(n)))
    place = np.floor(points * side).astype(np.int64)
    cell = place[:, 1] * side + place[:, 0]
    cells = np.concatenate(([0], np.cumsum(np.bincount(cell, minlength=side * side))))
    points = points[np.argsort(cell, kind="stable")]
    return Graph.of_distinct_edges(n, *kernels.near_on_torus(points, cells, side, radius))


def _near_on_ring(n: int, k: int, p: float, key: np.uint64) -> Graph:
    ends = np.empty((2, n * (k // 2)), dtype=np.int32)
    kernels.small_world(ends[0], ends[1], n, p, key)
    return Graph.of_distinct_edges(n, ends[0], ends[1])


def _most_square(n: int) -> int:
    return next(n // d for d in range(math.isqrt(n), 0, -1) if n % d == 0)


def _check_nodes(n: int) -> None:
    if not 1 <= n < 2**31:
        raise InputError(f"n={n}: a graph that is made has 1 to 2^31 - 1 nodes")


def _check_near(n: int, k: int) -> None:
    _check_nodes(n)
    if k % 2 or not 2 <= k < n:
        raise InputError(f"k={k}: must be even and in 2..{n - 1}; half of the nearest are on either side")


def _check_chance(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{name}={value}: a probability is in 0..1")

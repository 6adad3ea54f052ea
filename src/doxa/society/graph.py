"""Graphs as compressed sparse rows: three arrays that every kernel of the society reads.

Row i lists whom node i listens to, or is linked with, in ascending order. An undirected graph holds each edge in
both rows, a loop once. The arrays are read-only: a graph is a value, and so is its digest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer

from doxa.errors import InputError
from doxa.society import graph_kernels as kernels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Choice = Literal["drop", "keep", "refuse"]
_NO_WEIGHTS = np.empty(0, dtype=np.float32)


class Edges(NamedTuple):
    """The edges of a graph, an undirected one once with ``sources`` <= ``targets``; weights or None."""

    sources: Int32[np.ndarray, " m"]
    targets: Int32[np.ndarray, " m"]
    weights: Float32[np.ndarray, " m"] | None


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph on the nodes 0..n-1.

    Attributes:
        offsets: where each row begins, (n + 1,), from 0 to the number of entries.
        targets: the nodes of all rows, one row after another, each in ascending order.
        weights: of the entries, finite, or None where all count the same.
        directed: whether row i says whom i listens to; else every edge stands in both rows.

    Raises:
        InputError: the arrays do not make such a graph.
    """

    offsets: Int64[np.ndarray, " rows"]
    targets: Int32[np.ndarray, " entries"]
    weights: Float32[np.ndarray, " entries"] | None = None
    directed: bool = False

    def __post_init__(self) -> None:
        self._check_rows()
        if not self.directed:
            i, j = kernels.one_sided(self.offsets, self.targets, _or_none(self.weights))
            if i >= 0:
                raise InputError(
                    f"edge {i}-{j}: row {j} does not hold it with the same weight; "
                    "pass directed=True or build the graph with Graph.from_edges"
                )
        self._freeze()

    @classmethod
    def trusted(
        cls,
        offsets: Int64[np.ndarray, " rows"],
        targets: Int32[np.ndarray, " entries"],
        weights: Float32[np.ndarray, " entries"] | None = None,
        *,
        directed: bool = False,
    ) -> Graph:
        """Return a graph of arrays that a kernel has just made in order; nothing is checked."""
        graph = object.__new__(cls)
        for name, value in zip(
            ("offsets", "targets", "weights", "directed"), (offsets, targets, weights, directed), strict=True
        ):
            object.__setattr__(graph, name, value)
        graph._freeze()
        return graph

    @classmethod
    def from_edges(
        cls,
        n: int,
        sources: Integer[np.ndarray, " m"],
        targets: Integer[np.ndarray, " m"],
        weights: Float32[np.ndarray, " m"] | None = None,
        *,
        directed: bool = False,
        duplicates: Choice = "drop",
        loops: Choice = "drop",
    ) -> Graph:
        """Return the graph of a list of edges, in time and memory linear in them.

        Args:
            n: number of nodes.
            sources: who listens, in 0..n-1.
            targets: to whom, in 0..n-1.
            weights: of the edges, finite, or None.
            directed: whether an edge stands in the row of its source only.
            duplicates: what becomes of an edge that is given again; ``drop`` keeps the first one's weight.
            loops: what becomes of an edge from a node to itself.

        Raises:
            InputError: a node outside 0..n-1, a weight that is not finite, or an edge that is refused.
        """
        if not 0 <= n < 2**31:
            raise InputError(f"n={n}: a graph has 0 to 2^31 - 1 nodes")
        _check_edges(n, sources, targets, weights)
        if loops == "refuse" and (same := np.flatnonzero(sources == targets)).size:
            raise InputError(
                f"edge {same[0]}: node {sources[same[0]]} is linked with itself; pass loops='drop' or 'keep'"
            )
        both, keep_loops = not directed, loops == "keep"
        offsets, rows, values = _filled(n, sources, targets, weights, both=both, loops=keep_loops)
        kernels.order_rows(offsets, rows, values)
        if duplicates == "refuse":
            i, j = kernels.first_duplicate(offsets, rows)
            if i >= 0:
                raise InputError(f"edge {i}-{j} is given twice; pass duplicates='drop' or 'keep'")
        elif duplicates == "drop":
            kept = kernels.drop_duplicates(offsets, rows, values)
            if kept < len(rows):
                rows, values = rows[:kept].copy(), values[:kept].copy()
        return cls.trusted(offsets, rows, None if weights is None else values, directed=directed)

    @classmethod
    def of_distinct_edges(
        cls,
        n: int,
        sources: Int32[np.ndarray, " m"],
        targets: Int32[np.ndarray, " m"],
        *,
        directed: bool = False,
        ordered: bool = False,
    ) -> Graph:
        """Return the graph of edges that a kernel has made without loops and doubles; nothing is checked.

        Args:
            n: number of nodes.
            sources: one end of each edge, in 0..n-1.
            targets: the other.
            directed: whether an edge stands in the row of its source only.
            ordered: whether rows that are filled edge by edge are in ascending order.
        """
        offsets, rows, values = _filled(n, sources, targets, None, both=not directed, loops=True)
        if not ordered:
            kernels.order_rows(offsets, rows, values)
        return cls.trusted(offsets, rows, directed=directed)

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.offsets) - 1

    @cached_property
    def n_edges(self) -> int:
        """Number of edges; an undirected one counts once."""
        entries = len(self.targets)
        return entries if self.directed else (entries + kernels.loops_in(self.offsets, self.targets)) // 2

    @cached_property
    def degree(self) -> Int64[np.ndarray, " n"]:
        """Entries of each row; of a directed graph to how many each node listens."""
        degree = np.diff(self.offsets)
        degree.flags.writeable = False
        return degree

    def neighbours(self, i: int) -> Int32[np.ndarray, " degree"]:
        """Return row i, in ascending order.

        Raises:
            InputError: there is no node i.
        """
        if not 0 <= i < self.n:
            raise InputError(f"node {i}: the graph has nodes 0 to {self.n - 1}")
        return self.targets[self.offsets[i] : self.offsets[i + 1]]

    def edges(self) -> Edges:
        """Return every edge once, in the order of rows."""
        if self.directed:
            sources = np.repeat(np.arange(self.n, dtype=np.int32), self.degree)
            return Edges(sources, self.targets, self.weights)
        sources, places = kernels.forward_edges(self.offsets, self.targets)
        return Edges(sources, self.targets[places], None if self.weights is None else self.weights[places])

    def transposed(self) -> Graph:
        """Return the graph whose row i lists who listens to i; an undirected graph is its own."""
        return self if not self.directed else self._transposed

    def to_scipy(self) -> csr_array:
        """Return the matrix of weights, 1 where there are none, (n, n) float32."""
        from scipy.sparse import csr_array

        index = np.int32 if len(self.targets) < 2**31 else np.int64
        values = np.ones(len(self.targets), dtype=np.float32) if self.weights is None else self.weights
        parts = (values, self.targets.astype(index, copy=False), self.offsets.astype(index))
        return csr_array(parts, shape=(self.n, self.n))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of direction, rows and weights: equal for equal graphs, however they were made."""
        whole = hashlib.sha256(f"graph directed={self.directed} n={self.n}".encode())
        for array in (self.offsets, self.targets, _or_none(self.weights)):
            whole.update(np.ascontiguousarray(array).data)
        return whole.hexdigest()

    @cached_property
    def _transposed(self) -> Graph:
        edges = self.edges()
        # the edges come in the order of their sources, so that every row is in order once it is filled
        offsets, rows, values = _filled(
            self.n, edges.targets, edges.sources, self.weights, both=False, loops=True
        )
        return Graph.trusted(offsets, rows, None if self.weights is None else values, directed=True)

    def _check_rows(self) -> None:
        offsets, targets = self.offsets, self.targets
        for name, array, kind in (("offsets", offsets, np.int64), ("targets", targets, np.int32)):
            if array.dtype != kind or array.ndim != 1:
                raise InputError(
                    f"{name}: must be one row of {kind.__name__}, not {array.dtype} {array.shape}"
                )
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(targets) or np.any(np.diff(offsets) < 0):
            raise InputError(f"offsets: must rise from 0 to the number of targets, {len(targets)}")
        row = kernels.broken_row(offsets, targets, self.n)
        if row >= 0:
            raise InputError(f"row {row}: nodes must ascend within 0..{self.n - 1}; sort each row")
        if self.weights is not None:
            _check_weights(self.weights, len(targets))

    def _freeze(self) -> None:
        for array in (self.offsets, self.targets, self.weights):
            if array is not None:
                array.flags.writeable = False


def _or_none(weights: Float32[np.ndarray, " m"] | None) -> Float32[np.ndarray, " w"]:
    """Return weights as kernels take them: an empty array stands for none."""
    return _NO_WEIGHTS if weights is None else weights


class _Rows(NamedTuple):
    offsets: Int64[np.ndarray, " rows"]
    targets: Int32[np.ndarray, " entries"]
    weights: Float32[np.ndarray, " weights"]


def _filled(n: int, sources: Any, targets: Any, weights: Any, *, both: bool, loops: bool) -> _Rows:
    """Return the rows of a list of edges, each in the order of the edges.

    The arrays are made here and not in the kernels, because NumPy asks the system for large pages, which scattered
    writes are a quarter faster in.
    """
    places = np.empty(n + 2, dtype=np.int64)
    kernels.count_rows(places, sources, targets, both, loops)
    rows = np.empty(places[-1], dtype=np.int32)
    values = _NO_WEIGHTS if weights is None else np.empty(len(rows), dtype=np.float32)
    kernels.fill_rows(places, sources, targets, _or_none(weights), both, loops, rows, values)
    return _Rows(places[:-1], rows, values)


def _check_edges(n: int, sources: Any, targets: Any, weights: Any) -> None:
    if sources.shape != targets.shape or sources.ndim != 1:
        raise InputError(
            f"sources {sources.shape} and targets {targets.shape}: give two rows of equal length"
        )
    for name, ids in (("sources", sources), ("targets", targets)):
        if ids.dtype.kind not in "iu":
            raise InputError(f"{name}: nodes are whole numbers, not {ids.dtype}")
        place = kernels.outside(ids, n)
        if place >= 0:
            raise InputError(f"{name}[{place}]={ids[place]}: nodes are 0 to {n - 1}")
    if weights is not None:
        _check_weights(weights, len(sources))


def _check_weights(weights: Any, entries: int) -> None:
    if weights.dtype != np.float32 or weights.shape != (entries,):
        raise InputError(
            f"weights: must be float32 of shape ({entries},), not {weights.dtype} {weights.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(weights))
    if bad.size:
        raise InputError(f"weights[{bad[0]}]={weights[bad[0]]}: must be finite")

"""doxa's side: a graph from its address, once for timing, once for the memory it takes at most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kit.side import Work, serve

from doxa.society import Graph, open_graph

PAGE_FLAGS = Path("/proc/self/clear_refs")


def prepare(case: dict[str, Any]) -> Work:
    address = case["address"]
    make = {"build": _build, "memory": _memory}[case.get("do", "build")]
    open_graph(address, 0, n=case["warm_n"])  # the kernels are compiled, or read from disk
    return lambda: make(address, case["n"], case["graphs"])


def _build(address: str, n: int, graphs: int) -> Callable[[], dict[str, Any]]:
    for seed in range(1, graphs):
        open_graph(address, seed, n=n)
    graph = open_graph(address, graphs, n=n)
    return lambda: answer_of(graph)


def answer_of(graph: Graph) -> dict[str, Any]:
    """Return nodes, edges and how many nodes have each degree; of a directed graph, are heard by so many."""
    degrees = graph.transposed().degree
    return {"n": graph.n, "edges": graph.n_edges, "degrees": np.bincount(degrees).tolist()}


def _memory(address: str, n: int, _graphs: int) -> dict[str, Any]:
    """Return the most bytes that the process held while it made the graph, beyond what it held before."""
    PAGE_FLAGS.write_text("5", encoding="ascii")  # the high-water mark begins anew
    before = _kilobytes("VmRSS")
    graph = open_graph(address, 1, n=n)
    most = (_kilobytes("VmHWM") - before) * 1024
    arrays = graph.offsets.nbytes + graph.targets.nbytes
    return {"edges": graph.n_edges, "peak_bytes": most, "bytes_kept": arrays}


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    serve(prepare, packages=("numba", "numpy"))

"""NetworkX's side: its generator, and its graph as a sparse matrix, which is what a simulation reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
from kit.side import Work, serve


def generate(case: dict[str, Any], seed: int) -> Any:
    """Return the graph of a case."""
    n, options = case["n"], case["options"]
    if case["kind"] == "barabasi-albert":
        return nx.barabasi_albert_graph(n, options["m"], seed=seed)
    return nx.watts_strogatz_graph(n, options["k"], options["p"], seed=seed)


def prepare(case: dict[str, Any]) -> Work:
    def work() -> Callable[[], dict[str, Any]]:
        for seed in range(case["graphs"]):
            matrix = nx.to_scipy_sparse_array(generate(case, seed), dtype=np.float32, format="csr")
        return lambda: {
            "n": matrix.shape[0],
            "edges": matrix.nnz // 2,
            "degrees": np.bincount(np.diff(matrix.indptr)).tolist(),
        }

    return work


if __name__ == "__main__":
    serve(prepare, packages=("networkx", "scipy", "numpy"))

"""Mesa's side: NetworkX's graph as Mesa's network of cells, on which agents would stand."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from kit.side import Work, serve
from mesa.discrete_space import Network
from society_graphs import generate


def prepare(case: dict[str, Any]) -> Work:
    def work() -> Callable[[], dict[str, Any]]:
        for seed in range(case["graphs"]):
            cells = Network(generate(case, seed), random=random.Random(seed)).all_cells
        degrees = [len(cell.connections) for cell in cells]
        return lambda: {
            "n": len(degrees),
            "edges": sum(degrees) // 2,
            "degrees": np.bincount(degrees).tolist(),
        }

    return work


if __name__ == "__main__":
    serve(prepare, packages=("mesa", "networkx"))

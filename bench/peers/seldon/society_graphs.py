"""Seldon's side: its network of k random others, and its square lattice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyseldonlib
from kit.side import Work, serve


def prepare(case: dict[str, Any]) -> Work:
    n = case["n"]

    def work() -> Callable[[], dict[str, Any]]:
        for seed in range(case["graphs"]):
            if case["kind"] == "k-out":
                made = pyseldonlib.generate_n_connections("DeGroot", n, case["options"]["k"], False, seed)
            else:
                made = pyseldonlib.generate_square_lattice("DeGroot", round(n**0.5), 1.0)
        return lambda: _answer(made, n, directed=case["kind"] == "k-out")

    return work


def _answer(made: Any, n: int, *, directed: bool) -> dict[str, Any]:
    heard = np.concatenate([made.get_neighbours(i) for i in range(n)]).astype(np.int64)
    degrees = np.bincount(heard, minlength=n)
    return {
        "n": int(made.n_agents()),
        "edges": len(heard) if directed else len(heard) // 2,
        "degrees": np.bincount(degrees).tolist(),
    }


if __name__ == "__main__":
    serve(prepare, packages=("pyseldonlib",))

"""Seldon's side: its Deffuant model on its own square lattice, and DeGroot on the ties given as a file.

A simulation of Seldon runs once from its start, so that as many as there are repeats are made before. Its lattice is
made inside the run; a run takes enough sweeps that this weighs little.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyseldonlib
from kit.side import Work, serve
from sides.society_load import Case, neighbours, spread_of, start


def network_file(case: Case, folder: Path) -> str:
    """Return the file of who listens to whom, weights summing to 1; on the lattice Seldon puts its own in place."""
    n = int(case["n"])
    rows = [[(i + 1) % n] for i in range(n)] if case.get("lattice") else neighbours(case)
    lines = [
        ", ".join(map(str, [i, len(row), *row, *[1 / len(row)] * len(row)])) for i, row in enumerate(rows)
    ]
    path = folder / f"ties-{n}.txt"
    path.write_text("# agent, count, neighbours, weights\n" + "\n".join(lines), encoding="utf-8")
    return str(path)


def made(case: Case, seed: int, file: str) -> Any:
    told = pyseldonlib.Other_Settings(number_of_agents=int(case["n"]), output_initial=False)
    if case["model"] == "degroot":
        model = pyseldonlib.DeGroot_Model(
            max_iterations=case["sweeps"],
            convergence_tol=1e-300,
            rng_seed=seed,
            network_file=file,
            other_settings=told,
        )
        for agent, opinion in enumerate(start(case)):
            model.set_agent_opinion(agent, opinion)
        return model
    return pyseldonlib.Deffuant_Model(
        max_iterations=case["sweeps"],
        homophily_threshold=case["confidence"],
        mu=0.5,
        use_network=True,
        rng_seed=seed,
        network_file=file,
        other_settings=told,
    )


def prepare(case: Case) -> Work:
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 1
    )  # it prints its settings before each run; answers go elsewhere
    logging.disable(logging.INFO)
    folder = Path(tempfile.mkdtemp())
    runs = 0

    def run(model: Any) -> np.ndarray:
        nonlocal runs
        runs += 1
        model.run(str(folder / f"run-{runs}"))
        return np.array(model.agent_opinion())

    told: Any = None
    if not case.get("certain"):
        small = {**case, "n": case["small_n"], "sweeps": case["small_sweeps"]}
        file = network_file(small, folder)
        told = [spread_of(run(made(small, seed, file))) for seed in range(case["replicates"])]
    file = network_file(case, folder)
    waiting = [made(case, seed, file) for seed in range(case["repeats"] + 1)]

    def work() -> Any:
        opinions = run(waiting.pop())
        return opinions[:: max(1, int(case["n"]) // 2000)].tolist() if told is None else told

    return work


if __name__ == "__main__":
    serve(prepare, packages=("pyseldonlib", "numpy"))

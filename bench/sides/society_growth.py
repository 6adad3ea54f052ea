"""How time and memory of doxa's populations grow: up to ten million agents of mean degree 10, on all cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STEPS = 50
MODELS = ("degroot", "bounded-confidence", "voter", "sis")
MOST_GIB = 24.0
"""Memory that ten million agents must fit into."""


def growth_rows(*, small: bool) -> Iterator[dict[str, object]]:
    """Yield a row for each size, measured in a process of its own, then the slopes over edges."""
    sizes = (10_000, 100_000) if small else (10_000, 100_000, 1_000_000, 10_000_000)
    found: list[dict[str, Any]] = []
    for n in sizes:
        print(f"growth, {n:,} agents", file=sys.stderr)
        command = [sys.executable, str(Path(__file__).resolve()), str(n)]
        path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        found.append(json.loads(done.stdout))
        row = found[-1]
        passed = row["peak_gib"] < MOST_GIB
        yield {"case": f"growth, {n:,} agents, {STEPS} steps", **row, "target_gib": MOST_GIB, "pass": passed}
    yield {"case": "growth, slope of log time over log edges", **slopes(found)}


def slopes(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return the least-squares slopes of log seconds over log edges; 1 is linear, more tells of lost caches."""
    import numpy as np

    edges = np.log([row["edges"] for row in found])
    parts = ("build_s", *(f"{model}_step_s" for model in MODELS))
    return {
        part: round(float(np.polyfit(edges, np.log([row[part] for row in found]), 1)[0]), 3) for part in parts
    }


def measure(n: int) -> dict[str, float]:
    """Return what building and stepping a population of ``n`` took, after one of the same code that warms up."""
    _run(1_000)
    return _run(n)


def _run(n: int) -> dict[str, float]:
    from sides.society import config_of
    from sides.society_load import ties

    from doxa.dynamics import dynamics
    from doxa.society import Graph
    from doxa.society.dynamics import Turn
    from doxa.streams import stream

    before = _resident_mb()
    ends = ties({"n": n})
    begin = time.perf_counter()
    graph = Graph.from_edges(n, *ends)
    row: dict[str, float] = {"edges": graph.n_edges, "build_s": time.perf_counter() - begin}
    del ends
    settings = {"confidence": 0.2, "infection": 0.05, "recovery": 0.2, "begin": 0.1}
    for name in MODELS:
        _, config = config_of({"n": n, "model": name, **settings}, graph)
        model = dynamics.get(name)()
        state = model.init(stream(0, "init"), config)
        begin = time.perf_counter()
        for step in range(STEPS):
            state, _ = model.step(stream(0, step), state, Turn())
        row[f"{name}_step_s"] = (time.perf_counter() - begin) / STEPS
    row["bytes_per_agent"] = round((_resident_mb() - before) * 2**20 / n, 1)
    row["peak_gib"] = round(_peak_mb() / 1024, 2)
    return row


def _resident_mb() -> float:
    return _status("VmRSS")


def _peak_mb() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    with Path("/proc/self/status").open(encoding="utf-8") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))

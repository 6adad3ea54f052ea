"""How time and memory of doxa's populations grow: up to ten million agents of mean degree 10, on all cores."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from kit.compare import Case, Process, Side, round_to
from kit.side import Work, serve

OURS = Side("doxa", "sides/society_growth.py")
STEPS = 50
CLOCKS = ("s", "cpu_s")
MODELS = ("degroot", "voter", "sis")
SETTINGS = {"infection": 0.05, "recovery": 0.2, "begin": 0.1}
MOST_GIB = 24.0
"""Memory that ten million agents must fit into."""


def growth_rows(*, small: bool) -> Iterator[dict[str, object]]:
    """Yield a row for each model and size, measured in a process of its own, then the model's slopes over edges."""
    sizes = (10_000, 100_000) if small else (100_000, 1_000_000, 10_000_000)
    for model in MODELS:
        found: list[dict[str, Any]] = []
        for n in sizes:
            found.append(_measured(model, n))
            passed = found[-1]["peak_gib"] < MOST_GIB
            named = f"growth, {model}, {n:,} agents, {STEPS} steps"
            yield {"case": named, **found[-1], "target_gib": MOST_GIB, "pass": passed}
        slopes = {part: _slope(found, f"{part}_cpu_s") for part in ("build", "steps")}
        yield {
            "case": f"growth, {model}, slopes of log CPU-seconds over log edges",
            **slopes,
            "steps, last two sizes": _slope(found[-2:], "steps_cpu_s"),
        }


def _measured(model: str, n: int) -> dict[str, Any]:
    threads = os.cpu_count() or 1
    print(f"growth, {model}, {n:,} agents", file=sys.stderr)
    case = Case("growth", {"model": model, "n": n, **SETTINGS}, float(n), "agents", lambda _a, _b: True)
    with Process(OURS, threads) as process:
        process.prepare(case)
        found = process.run()
    cost = {"threads": threads, "wall_s": round_to(found["wall_s"]), "cpu_s": round_to(found["cpu_s"])}
    return {**found["answer"], "peak_gib": round(found["rss_mb"] / 1024, 3), **cost}


def _slope(found: list[dict[str, Any]], part: str) -> float:
    """Return the least-squares slope of log seconds over log edges."""
    edges, seconds = (np.log([row[name] for row in found]) for name in ("edges", part))
    return round(float(np.polyfit(edges, seconds, 1)[0]), 3)


def _run(case: dict[str, Any], n: int) -> dict[str, float]:
    """Return what building and stepping a population of ``n`` took."""
    from sides.society import config_of
    from sides.society_load import ties

    from doxa.dynamics import dynamics
    from doxa.society import Graph
    from doxa.society.dynamics import Turn
    from doxa.streams import stream

    before = _resident_bytes()
    ends = ties({"n": n})
    begin = _clocks()
    graph = Graph.from_edges(n, *ends)
    built = _clocks() - begin
    del ends
    _, config = config_of({**case, "n": n}, graph)
    model = dynamics.get(case["model"])()
    state = model.init(stream(0, "init"), config)
    begin = _clocks()
    for step in range(STEPS):
        state, _ = model.step(stream(0, step), state, Turn())
    stepped = _clocks() - begin
    return {
        "edges": graph.n_edges,
        **{f"build_{name}": round_to(taken) for name, taken in zip(CLOCKS, built, strict=True)},
        **{f"steps_{name}": round_to(taken) for name, taken in zip(CLOCKS, stepped, strict=True)},
        "updates_per_s": round_to(n * STEPS / stepped[0]),
        "bytes_per_agent": round((_resident_bytes() - before) / n, 1),
    }


def _clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def _resident_bytes() -> int:
    with Path("/proc/self/status").open(encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def prepare(case: dict[str, Any]) -> Work:
    _run(case, 1_000)  # the kernels are compiled, or read from disk
    return lambda: _run(case, case["n"])


if __name__ == "__main__":
    serve(prepare, packages=("numpy", "numba"))

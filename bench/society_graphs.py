"""Graphs made by NetworkX, Mesa, Seldon and doxa: edges per CPU-second, growth with size, bytes an edge."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main, round_to

OURS = Side("doxa", "sides/society_graphs.py")
NETWORKX = Side("networkx 3.6.1", "peers/networkx/society_graphs.py", "networkx")
MESA = Side("mesa 3.3.1", "peers/networkx/society_graphs_mesa.py", "networkx")
SELDON = Side("seldon 1.0.0", "peers/seldon/society_graphs.py", "seldon")

BARABASI_ALBERT = ("barabasi-albert", {"m": 5})
WATTS_STROGATZ = ("watts-strogatz", {"k": 10, "p": 0.1})
K_OUT = ("k-out", {"k": 10})
LATTICE = ("lattice", {})

TIMES_NETWORKX = 100.0
BYTES_PER_EDGE = 24.0
"""Most memory beyond what the process held before, at a million nodes."""
SLOPE = 1.25
"""Of log time over log nodes: 1 is linear; from caches into memory costs a fifth more per tenfold, quadratic is 2."""
FEW = 10_000
"""Graphs up to this size are made ten in each repeat: one alone takes a millisecond, much of it to wake up."""
ALIKE = 1e-3
"""Least probability with which two degree distributions may differ by chance as much as they do."""


def alike(ours: Any, theirs: Any) -> bool:
    """Return whether nodes and edges are equal, and the degrees drawn from one distribution, by chi-squared."""
    from scipy.stats import chi2_contingency

    if (ours["n"], ours["edges"]) != (theirs["n"], theirs["edges"]):
        return False
    size = max(len(ours["degrees"]), len(theirs["degrees"]))
    table = np.array([np.pad(side["degrees"], (0, size - len(side["degrees"]))) for side in (ours, theirs)])
    rare = np.cumsum(table.sum(axis=0)[::-1])[::-1] < 40  # the far tail counts as one
    common = np.flatnonzero(table.sum(axis=0) >= 20)
    common = common[~rare[common]]
    rest = table.sum(axis=1) - table[:, common].sum(axis=1)
    binned = np.column_stack((table[:, common], rest)) if rest.min() > 0 else table[:, common]
    return binned.shape[1] == 1 or bool(chi2_contingency(binned).pvalue > ALIKE)


def case_of(
    options: argparse.Namespace,
    graph: tuple[str, dict[str, Any]],
    n: int,
    *,
    target: float | None = None,
    repeats: int = REPEATS,
) -> Case:
    kind, values = graph
    graphs = 10 if n <= FEW else 1
    edges = n * {"barabasi-albert": 5, "watts-strogatz": 5, "k-out": 10, "lattice": 2}[kind]
    address = "?".join((kind, "&".join(f"{key}={value}" for key, value in values.items()))).rstrip("?")
    return Case(
        name=f"{f'{graphs} of ' if graphs > 1 else ''}{address}, {n:,} nodes",
        load={"kind": kind, "options": values, "address": address, "n": n, "graphs": graphs, "warm_n": 100},
        work=edges * graphs,
        unit="edges",
        agree=alike,
        target=None if options.small else target,
        repeats=3 if options.small else repeats,
    )


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the comparisons, then doxa's growth and memory."""
    small, threads = options.small, options.threads
    for graph in (BARABASI_ALBERT, WATTS_STROGATZ):
        seen: list[tuple[int, float, float]] = []
        for n in (5_000, 20_000) if small else (10_000, 100_000, 1_000_000):
            case = case_of(options, graph, n, target=TIMES_NETWORKX)
            for row in compare(case, OURS, [NETWORKX], threads=threads):
                if "ratio" in row:
                    seen.append((n, n / float(str(row["doxa"])), n / float(str(row["peer"]))))
                yield row
        yield _growth(graph[0], seen, small=small)
        yield _memory(case_of(options, graph, 100_000 if small else 1_000_000), threads, small=small)
    for n in (5_000,) if small else (10_000, 100_000):
        case = case_of(options, BARABASI_ALBERT, n, target=TIMES_NETWORKX)
        yield from compare(case, OURS, [MESA], threads=threads)
    for n in (2_000,) if small else (10_000, 100_000):
        # Seldon's time grows with the square: a single repeat of the larger one takes more than a minute
        case = case_of(options, K_OUT, n, target=1.0, repeats=REPEATS if n < 100_000 else 1)
        yield from compare(case, OURS, [SELDON], threads=threads)
    for n in (10_000,) if small else (10_000, 1_000_000):
        yield from compare(case_of(options, LATTICE, n), OURS, [SELDON], threads=threads)


def _growth(kind: str, seen: list[tuple[int, float, float]], *, small: bool) -> dict[str, object]:
    """Return the slopes of log time over log nodes, doxa's and the peer's."""
    if len(seen) < 2:
        return {"case": f"{kind}, growth", "missing": "the peer did not run"}
    logs = np.log(np.array(seen))
    ours, theirs = (float(np.polyfit(logs[:, 0], logs[:, side], 1)[0]) for side in (1, 2))
    return {
        "case": f"{kind}, growth: slope of log time over log nodes",
        "doxa": round(ours, 3),
        "peer": round(theirs, 3),
        "peer_name": NETWORKX.name,
        "target": None if small else SLOPE,
        "pass": small or ours <= SLOPE,
    }


def _memory(case: Case, threads: int, *, small: bool) -> dict[str, object]:
    with Process(OURS, threads) as process:
        process.prepare(replace(case, load={**case.load, "do": "memory"}))
        found = process.run()
    peak = found["answer"]["peak_bytes"] / found["answer"]["edges"]
    return {
        "case": f"{case.name}, memory",
        "bytes_per_edge": round(peak, 2),
        "bytes_per_edge_kept": round(found["answer"]["bytes_kept"] / found["answer"]["edges"], 2),
        "wall_s": round_to(found["wall_s"]),
        "target": None if small else BYTES_PER_EDGE,
        "pass": small or (math.isfinite(peak) and peak <= BYTES_PER_EDGE),
    }


if __name__ == "__main__":
    main("society-graphs", __doc__, rows, needs=("networkx", "seldon"))

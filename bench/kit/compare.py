"""The driver: proves that both sides did the same work, then times them in turn and prints the ratio."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit import peers
from kit.machine import limits

BENCH = Path(__file__).resolve().parents[1]
SOURCE = BENCH.parent / "src"
REPEATS = 7


@dataclass(frozen=True)
class Side:
    """Who does the work: a script that calls ``kit.side.serve``, in doxa's environment or in that of a peer.

    Attributes:
        name: how it is called in the report.
        script: the script, relative to ``bench/``.
        peer: folder under ``bench/peers/`` whose environment it needs; empty for doxa's own.
        options: further fields of the case, for this side only.
    """

    name: str
    script: str
    peer: str = ""
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def missing(self) -> bool:
        return bool(self.peer) and not peers.installed(self.peer)

    @property
    def python(self) -> str:
        return str(peers.python_of(self.peer)) if self.peer else sys.executable

    @property
    def path(self) -> str:
        """Where its process looks for modules first; doxa is that of the checkout, whichever is installed."""
        own = [SOURCE] if not self.peer and SOURCE.is_dir() else []
        return os.pathsep.join(map(str, [BENCH, *own]))


@dataclass(frozen=True)
class Case:
    """The same work for all sides.

    Attributes:
        name: how it is called in the report.
        load: what the sides are given, as JSON.
        work: how many units are done in one repeat; the rates are units per second.
        unit: of the rates.
        agree: whether ours and theirs, as answered, are the same result.
        target: least ratio, or None.
        repeats: alternating repeats after one warm-up.
        clock: ``cpu`` or ``wall`` seconds.
        limit: doxa's share of the physical limit, from its rate; None if not known.
        least: least rate of doxa, or None.
    """

    name: str
    load: dict[str, Any]
    work: float
    unit: str
    agree: Callable[[Any, Any], bool]
    target: float | None = None
    repeats: int = REPEATS
    clock: str = "cpu"
    limit: Callable[[float], float] | None = None
    least: float | None = None


class Process:
    """A side at work."""

    def __init__(self, side: Side, threads: int) -> None:
        self.side = side
        pools = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
        pools["POLARS_MAX_THREADS"] = str(threads)
        environment = {**os.environ, "PYTHONPATH": side.path, **pools}
        self._process = subprocess.Popen(
            [side.python, str(BENCH / side.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def prepare(self, case: Case) -> dict[str, Any]:
        return self._ask({"do": "prepare", "case": {**case.load, **self.side.options}})

    def run(self) -> dict[str, Any]:
        return self._ask({"do": "run"})

    def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.side.name} ended with status {self._process.wait()}")
        said = json.loads(line)
        if "error" in said:
            raise RuntimeError(f"{self.side.name}: {said['error']}")
        return said


def compare(case: Case, ours: Side, others: Sequence[Side], *, threads: int) -> list[dict[str, object]]:
    """Return a row for each peer; one that is not installed, or fails, is said so in its row."""
    rows: list[dict[str, object]] = []
    for side in others:
        print(f"{case.name}: doxa beside {side.name}", file=sys.stderr)
        if side.missing:
            why = f"{side.name} is not installed here; run the benchmark with --install"
            rows.append({"case": case.name, "peer_name": side.name, "missing": why})
            continue
        try:
            rows.append(_row(case, ours, side, threads))
        except RuntimeError as error:
            rows.append({"case": case.name, "peer_name": side.name, "failed": str(error)[-2000:]})
    return rows


def _row(case: Case, ours: Side, other: Side, threads: int) -> dict[str, object]:
    with Process(ours, threads) as own, Process(other, threads) as peer:
        own.prepare(case)
        versions = peer.prepare(case)["versions"]
        agrees = case.agree(own.run()["answer"], peer.run()["answer"])
        pairs = [(own.run(), peer.run()) for _ in range(case.repeats)]
    clock = f"{case.clock}_s"
    ratios = sorted(theirs[clock] / mine[clock] for mine, theirs in pairs)
    low, high = median_interval(ratios)
    rate = case.work / statistics.median(mine[clock] for mine, _ in pairs)
    ratio = statistics.median(ratios)
    passed = agrees and ratio >= (case.target or 0.0) and rate >= (case.least or 0.0)
    return {
        "case": case.name,
        "doxa": round_to(rate),
        "peer": round_to(case.work / statistics.median(theirs[clock] for _, theirs in pairs)),
        "peer_name": other.name,
        "unit": f"{case.unit}/{'CPU-s' if case.clock == 'cpu' else 's'}",
        "ratio": round_to(ratio),
        "interval": [round_to(low), round_to(high)],
        "wall_ratio": round_to(statistics.median(b["wall_s"] / a["wall_s"] for a, b in pairs)),
        "rss_mb": [round(max(side["rss_mb"] for side in sides)) for sides in zip(*pairs, strict=True)],
        "limit_share": None if case.limit is None else round(case.limit(rate), 3),
        "agrees": agrees,
        "target": case.target,
        "least": case.least,
        "pass": passed,
        "versions": versions,
    }


def median_interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a median from order statistics; it assumes no distribution.

    Of n repeats the k-th from either end is taken, k the largest with at most 2.5 % of a fair coin's n throws
    below k; with seven repeats these are the least and the greatest.

    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    (1.0, 7.0)
    """
    n, below, k = len(ordered), 0.0, 0
    while k < n // 2:
        below += math.comb(n, k) / 2.0**n
        if below > 0.025:
            break
        k += 1
    return ordered[max(k, 1) - 1], ordered[n - max(k, 1)]


def round_to(value: float) -> float:
    """Round to four significant digits."""
    return float(f"{value:.4g}")


Rows = Callable[[argparse.Namespace], Iterable[dict[str, object]]]
"""What a benchmark does: from the options to its rows."""


def main(name: str, doc: str | None, rows: Rows, *, needs: Sequence[str] = (), threads: int = 1) -> None:
    """The command line of a benchmark; ends the process with status 1 where a row falls short of its target."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--small", action="store_true", help="less work and three repeats")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--install", action="store_true", help="first make the peers' environments")
    parser.add_argument("--threads", type=int, default=threads, help="threads of every side")
    options = parser.parse_args()
    if options.install:
        for peer in needs:
            peers.install(peer)
    machine = limits(options.threads, small=options.small)
    if not options.json:
        print("machine", json.dumps(machine))
    done: list[dict[str, object]] = []
    for row in rows(options):
        done.append(row)
        if not options.json:
            print(json.dumps(row), flush=True)
    if options.json:
        print(json.dumps({"bench": name, "machine": machine, "rows": done}))
    sys.exit(any(row.get("pass") is False or "failed" in row for row in done))

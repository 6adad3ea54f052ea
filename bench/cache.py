"""Reply cache beside Inspect's pickles, SqliteDict and JSON bins: put, get, reopen after SIGKILL, size on disk."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main, round_to

OURS = Side("doxa", "sides/cache.py")
INSPECT = Side("inspect_ai 0.3.285 pickles", "peers/inspect/cache.py", "inspect")
DICTIONARY = Side("SqliteDict, autocommit", "peers/sqlitedict/cache.py", "sqlitedict")
GROUPED = Side(
    "SqliteDict, a commit every 1,000", "peers/sqlitedict/cache.py", "sqlitedict", {"autocommit": False}
)
BINS = Side("JSON bins", "sides/cache_bins.py")
DOES = {
    "put": ("put", 25_000.0),
    "get": ("get in the order of the puts", 80_000.0),
    "shuffled": ("get in another order", None),
}
"""Name of each piece of work, and the entries per CPU-second that doxa must reach at full size."""

REOPEN_MS = 50.0


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    count, repeats = (4_000, 3) if options.small else (100_000, REPEATS)
    for do, (_, least) in DOES.items():
        case = _case(do, count, repeats, None if options.small else least)
        yield from compare(case, OURS, [INSPECT, DICTIONARY, GROUPED], threads=options.threads)
    few = count // (8 if options.small else 50)  # a put rewrites a bin: 100,000 would take half an hour
    for do in ("put", "get"):
        yield from compare(_case(do, few, repeats, None), OURS, [BINS], threads=options.threads)
    for side in (OURS, INSPECT, DICTIONARY, BINS):
        yield _killed(side, few if side is BINS else count, repeats, options.threads)


def _case(do: str, count: int, repeats: int, least: float | None) -> Case:
    return Case(
        name=f"{DOES[do][0] if do in DOES else do}, {count:,} entries of 1 KB",
        load={"do": do, "entries": count, "batch": 1_000},
        work=count,
        unit="entries",
        agree=lambda own, other: own == other,
        repeats=repeats,
        least=least,
    )


def _killed(side: Side, count: int, repeats: int, threads: int) -> dict[str, object]:
    """Kill a writer several times; what it acknowledged must be there, and nothing else may be served."""
    print(f"reopen after SIGKILL: {side.name}", file=sys.stderr)
    row: dict[str, object] = {"case": f"reopen after SIGKILL, {count:,} entries of 1 KB", "side": side.name}
    if side.missing:
        return {**row, "missing": f"{side.name} is not installed here; run the benchmark with --install"}
    case = _case("killed", count, repeats, None)
    with Process(side, threads) as process:
        process.prepare(case)
        found: list[dict[str, Any]] = [process.run()["answer"] for _ in range(repeats)]
    reopen_ms = statistics.median(one["reopen_ms"] for one in found)
    lost, wrong = (sum(int(one[name]) for one in found) for name in ("lost", "wrong"))
    row |= {
        "reopen_ms": round_to(reopen_ms),
        "lost": lost,
        "wrong": wrong,
        "bytes_per_entry": round(statistics.median(one["bytes"] for one in found)),
        "repeats": repeats,
    }
    if side is OURS:
        row |= {"target_ms": REOPEN_MS, "pass": reopen_ms < REOPEN_MS and lost == 0 and wrong == 0}
    return row


if __name__ == "__main__":
    main("cache", __doc__, rows, needs=("inspect", "sqlitedict"))

"""Beliefs at a time and one proposition's trajectory beside timely-beliefs, DuckDB and Polars; bytes per row."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main

OURS = Side("doxa", "sides/store.py")
TIMELY = Side("timely-beliefs 4.4.1", "peers/timely-beliefs/store.py", "timely-beliefs")
DUCKDB = Side("DuckDB 2.0.1", "peers/duckdb/store.py", "duckdb")
POLARS = Side("Polars 2.1.0", "peers/duckdb/store_polars.py", "duckdb")
TIMES_TIMELY = 50.0
TIMES_DUCKDB = 1.0
BYTES = 8.0
"""Most bytes a row may take on disk."""


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    few, many = (20_000, 200_000) if options.small else (100_000, 10_000_000)
    full = not options.small
    for case, others in (
        (_case("as of", few, options, holders=20), [TIMELY]),
        (_case("as of", few, options, holders=20, asks=10, target=TIMES_TIMELY if full else None), [TIMELY]),
        (_case("trajectory", few, options, holders=20), [TIMELY]),
        (
            _case("as of", many, options, holders=1_000, target=TIMES_DUCKDB if full else None),
            [DUCKDB, POLARS],
        ),
        (_case("trajectory", many, options, holders=1_000), [DUCKDB, POLARS]),
        (_case("as of", many, options, holders=1_000, shuffled=True), [DUCKDB, POLARS]),
    ):
        yield from compare(case, OURS, others, threads=options.threads)
    size = _case("size", many // 10, options, holders=1_000)
    with Process(OURS, options.threads) as process:
        process.prepare(size)
        found: dict[str, float] = process.run()["answer"]
    for name, bytes_per_row in found.items():
        yield {
            "case": f"{size.name}, credences {name}",
            "bytes_per_row": round(bytes_per_row, 2),
            "target": BYTES,
            "pass": bytes_per_row <= BYTES,
        }


def _case(
    do: str,
    count: int,
    options: argparse.Namespace,
    *,
    holders: int,
    target: float | None = None,
    shuffled: bool = False,
    asks: int = 1,
) -> Case:
    load = {
        "do": do,
        "rows": count,
        "holders": holders,
        "propositions": 50,
        "shuffled": shuffled,
        "asks": asks,
    }
    return Case(
        name=f"{do}, {count:,} rows{' in any order' if shuffled else ''}{f', {asks} times' if asks > 1 else ''}",
        load={**load, "threads": options.threads},
        work=count * asks,
        unit="rows",
        agree=lambda own, other: own == other,
        target=target,
        repeats=3 if options.small else REPEATS,
    )


if __name__ == "__main__":
    main("store", __doc__, rows, needs=("timely-beliefs", "duckdb"))

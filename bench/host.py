"""One-question samples with a durable record each, beside Inspect, with and without a live display."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main

TARGET = 20.0
"""Least ratio of samples per CPU-second at full size."""


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    samples, repeats = (300, 3) if options.small else (5_000, REPEATS)
    for ours, theirs in (("none", "none"), ("bar", "full"), ("bar", "rich")):
        own = Side("doxa", "sides/host.py", options={"display": ours})
        peer = Side(
            f"inspect_ai 0.3.285, display={theirs}", "peers/inspect/host.py", "inspect", {"display": theirs}
        )
        shown = "no display" if ours == "none" else "live display"
        case = Case(
            name=f"{samples:,} samples, {shown}",
            load={"samples": samples},
            work=samples,
            unit="samples",
            agree=_agree,
            target=None if options.small else TARGET,
            repeats=repeats,
        )
        yield from compare(case, own, [peer], threads=options.threads)
        if ours == "none":
            yield from (
                _size(side, case, samples, options.threads) for side in (own, peer) if not side.missing
            )


def _agree(own: dict[str, Any], other: dict[str, Any]) -> bool:
    return own["answers"] == other["answers"] and own["right"] == other["right"] == 1.0


def _size(side: Side, case: Case, samples: int, threads: int) -> dict[str, object]:
    with Process(side, threads) as process:
        process.prepare(case)
        bytes_per_sample = process.run()["answer"]["bytes"] / samples
    return {
        "case": f"size on disk, {samples:,} samples",
        "side": side.name,
        "bytes_per_sample": round(bytes_per_sample),
    }


if __name__ == "__main__":
    main("host", __doc__, rows, needs=("inspect",))

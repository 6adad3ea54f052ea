"""The reliability bars: one JSON line each, at the small size or the stated one."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parents[1]))  # some bars use the tests' small models

BARS: dict[int, str] = {
    1: "kills",
    2: "disks",
    3: "writers",
    4: "cache_keys",
    5: "cache_poison",
    6: "endpoint_faults",
    7: "rates",
    8: "answer_reading",
    9: "same_bytes",
    10: "workers",
    11: "batching",
    12: "global_generators",
    13: "traces",
    17: "canaries",
    18: "viewer",
    19: "size",
    20: "offline",
}
"""Number of each bar and the file in ``bars/`` that holds it."""


def main(bar: int, full: bool) -> dict[str, object]:
    """Run one bar and return its line; failures are told on stderr."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doxa-bar-") as folder:
        outcome = importlib.import_module(f"bars.{BARS[bar]}").run(full, Path(folder))
    for failure in outcome.failures[:20]:
        print(f"bar {bar}: {failure}", file=sys.stderr)
    return {
        "bar": bar,
        "size": outcome.size,
        "tried": outcome.tried,
        "failed": len(outcome.failures),
        "seconds": round(time.monotonic() - started, 1),
        "pass": not outcome.failures and outcome.tried > 0,
    }


def command_line() -> int:
    """Run the bars asked for, all by default; exit status 1 if one does not pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bar", type=int, choices=sorted(BARS), help="number of the bar; all by default")
    parser.add_argument("--small", action="store_true", help="the size that runs with every change")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry; lines are JSON anyway")
    chosen = parser.parse_args()
    passed = True
    for bar in [chosen.bar] if chosen.bar else sorted(BARS):
        line = main(bar, not chosen.small)
        passed &= bool(line["pass"])
        print(json.dumps(line), flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(command_line())

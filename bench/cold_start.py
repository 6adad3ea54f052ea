"""How long the first sight of doxa takes: import, --help and list, in fresh processes, beside peers."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

CASES = {
    "import doxa": ([sys.executable, "-c", "import doxa"], 0.3),
    "doxa --help": ([sys.executable, "-m", "doxa", "--help"], 0.6),
    "doxa list": ([sys.executable, "-m", "doxa", "list"], 0.6),
}
PEERS = {
    "bare interpreter": [sys.executable, "-c", "pass"],
    "import lm_eval": [sys.executable, "-c", "import lm_eval"],
    "import inspect_ai": [sys.executable, "-c", "import inspect_ai"],
    "import transformers": [sys.executable, "-c", "import transformers"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    """Return the wall time of one fresh process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def row(case: str, command: list[str], repeats: int, bar: float | None) -> dict[str, object]:
    """Return median and range over alternating repeats after one warm-up."""
    seconds(command)
    times = sorted(seconds(command) for _ in range(repeats))
    median = statistics.median(times)
    return {
        "case": case,
        "unit": "s",
        "median": round(median, 3),
        "range": [round(times[0], 3), round(times[-1], 3)],
        "bar": bar,
        "pass": None if bar is None else median < bar,
    }


def main() -> None:
    """Print one line per case, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="three repeats instead of nine")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    repeats = 3 if options.small else 9
    rows = [row(case, command, repeats, bar) for case, (command, bar) in CASES.items()]
    for case, command in PEERS.items():
        name = case.removeprefix("import ")
        if case.startswith("import ") and find_spec(name) is None:
            rows.append({"case": case, "missing": f"{name} is not installed here"})
        else:
            rows.append(row(case, command, repeats, None))
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    if options.json:
        print(json.dumps({"bench": "cold-start", "machine": machine, "rows": rows}))
    else:
        for one in rows:
            print(one)
    sys.exit(any(one.get("pass") is False for one in rows))


if __name__ == "__main__":
    main()

"""One side of a comparison: a process that prepares a case, runs it when told, and says what it cost.

Only the standard library is imported, because this file also runs in the environments of the peers. Lines of JSON
come on stdin and go to what stdout was when the process started; whatever else is printed lands on stderr.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Work = Callable[[], Any]
"""The work that is timed; it returns the answer that both sides are compared by, as plain JSON, or a function that
makes the answer once the clock has stopped."""


def serve(prepare: Callable[[dict[str, Any]], Work], *, packages: tuple[str, ...] = ()) -> None:
    """Prepare and run cases until stdin ends.

    Args:
        prepare: gets a case as the driver describes it and returns its work; not timed.
        packages: names whose versions are reported.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work: Work | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "prepare":
                work = prepare(asked["case"])
                said: dict[str, Any] = {"versions": {name: _version(name) for name in packages}}
            else:
                assert work is not None, "nothing is prepared"
                said = _timed(work)
        except Exception:  # noqa: BLE001 - a side may raise anything; the driver reports it
            said = {"error": traceback.format_exc()}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


LEAST_S = 0.1
"""Shorter work is done again until it has taken so long, for clocks and interruptions are too coarse for less."""


def _timed(work: Work) -> dict[str, Any]:
    """Return what one turn of the work costs, as the mean of as many turns as are long enough to be timed."""
    gc.collect()
    turns, cpu, wall = 0, _cpu_s(), time.perf_counter()
    answer: Any = None
    while not turns or time.perf_counter() - wall < LEAST_S:
        answer = work()
        turns += 1
    cost = {"cpu_s": (_cpu_s() - cpu) / turns, "wall_s": (time.perf_counter() - wall) / turns}
    return {**cost, "rss_mb": _peak_mb(), "answer": answer() if callable(answer) else answer}


def _cpu_s() -> float:
    """Return the processor seconds of this process and of the children it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_mb() -> float:
    # not ru_maxrss, which a process inherits from the one that started it
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"

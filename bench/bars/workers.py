"""Bar 10, workers and order: any executor, number of workers, order of cells, and a dead worker give the same files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import doxa.lab.run
from bars.outcome import COINS, Outcome, coins, undisturbed
from doxa.lab.executors import Outcome as CellOutcome
from doxa.lab.executors import Task, run_tasks
from doxa.streams import stream
from doxa.testing.crash import differences, run_files
from doxa.testing.processes import run_command


def run(full: bool, folder: Path) -> Outcome:
    """Run the study of coins in every way and compare."""
    pool = ("--executor", "processes", "--workers")
    ways: dict[str, tuple[str, ...]] = {"2 processes": (*pool, "2"), "2 processes, one dies": (*pool, "2")}
    if full:
        ways |= {
            "1 process": (*pool, "1"),
            "4 processes": (*pool, "4"),
            "4 processes, one dies": (*pool, "4"),
        }
        ray = ("--executor", "ray", "--workers", "2")
        ways |= {"ray": ray, "ray, one dies": ray}
    orders = 10 if full else 2
    outcome = Outcome(f"{len(ways)} ways, {orders} orders")
    reference = undisturbed(folder / "reference")
    for name, more in ways.items():
        out, fatal = folder / name.replace(" ", "-"), folder / f"fatal-{name}"
        environment = {"COINS_FATAL": str(fatal)} if "dies" in name else {}
        ended = run_command(coins(out, *more), environment=environment)
        outcome.check(ended.status == 0, f"{name}: status {ended.status}: {ended.stderr[-300:]}")
        outcome.check(fatal.exists() == bool(environment), f"{name}: the worker did not die")
        other = differences(reference, run_files(out))
        outcome.check(not other, f"{name}: {len(other)} files differ, first {other[:2]}")
    for order in range(orders):
        other = differences(reference, _shuffled(folder / f"order-{order}", order))
        outcome.check(not other, f"order {order}: {len(other)} files differ, first {other[:2]}")
    return outcome


def _shuffled(out: Path, order: int) -> dict[str, str]:
    """Run the cells in another order."""

    def shuffled(tasks: Sequence[Task], *arguments: Any, **options: Any) -> Iterator[CellOutcome]:
        places = stream(order, "bars", "order").permutation(len(tasks))
        return run_tasks([tasks[int(place)] for place in places], *arguments, **options)

    kept = doxa.lab.run.run_tasks
    doxa.lab.run.run_tasks = shuffled
    try:
        doxa.lab.run.run_study(COINS, overrides={"seeds": 4}, out=out)
    finally:
        doxa.lab.run.run_tasks = kept
    return run_files(out)

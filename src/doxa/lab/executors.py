"""Where cells run: in this process, in a pool of processes, or on Ray; the same cell code on all three."""

from __future__ import annotations

import functools
import importlib.util
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from doxa.canonical import Json
from doxa.errors import BudgetError, DoxaError, InputError, MissingDataError, MissingExtraError, did_you_mean
from doxa.lab.context import Context, Progress, threads
from doxa.lab.declaration import Cell, find_study
from doxa.lab.live import cell_at_work
from doxa.lab.processes import TRIES, in_processes
from doxa.lab.store import RunFolder
from doxa.secret import scrub

if TYPE_CHECKING:
    from doxa.subjects.budget import Budget, Ledger
    from doxa.subjects.counting import Spending

EXECUTORS = ("inline", "processes", "ray")

Status = Literal["done", "kept", "failed", "stopped"]
"""Computed now; there already; ended by an error; ended because the budget was spent."""


@dataclass(frozen=True)
class Task:
    """One cell to be computed, with all a fresh process needs; ``config`` is the config's fields by name.

    ``ledger`` is the file in which all cells of the invocation count what they spend of ``budget``.
    """

    run: Path
    study: str
    config: Mapping[str, Any]
    cell: Cell
    key: str
    meta: dict[str, Any]
    budget: Budget | None = None
    ledger: Path = Path()


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        key: the cell's key.
        status: how it ended.
        seconds: wall time.
        processor: processor seconds of this process, its threads and the processes that it waited for.
        error: why it did not end well.
        trace: the traceback of that.
        missing: the command that gets the data without which it cannot be computed.
        spending: what asking each hosted subject took.
    """

    key: str
    status: Status
    seconds: float = 0.0
    processor: float = 0.0
    error: str = ""
    trace: str = ""
    missing: str = ""
    spending: Mapping[str, Spending] = field(default_factory=dict[str, "Spending"])


def execute(task: Task, progress: Progress | None = None) -> Outcome:
    """Compute one cell and keep it; an exception becomes an outcome, so that the other cells go on."""
    started, worked = time.monotonic(), processor_seconds()
    context: Context | None = None
    status: Status = "failed"
    error = trace = missing = ""
    try:
        folder = RunFolder(task.run)
        parts = folder.parts(task.key)
        with folder.claim(task.key):
            if folder.has(task.key):
                parts.clear()
                return Outcome(task.key, "kept")
            about: dict[str, Json] = {"condition": task.cell.condition, "seed": task.cell.seed}
            with cell_at_work(task.run, task.key, about, progress) as told:
                study = find_study(task.study)
                context = Context(
                    study.slug,
                    study.config(**task.config),
                    task.cell,
                    run=task.run,
                    progress=told,
                    ledger=_ledger(task),
                    parts=parts,
                )
                with threads(task.cell.threads):
                    tables = study.code.run(task.cell, context)
            folder.write(task.key, task.meta, tables)
            parts.clear()
        status = "done"
    except BudgetError as stop:
        status, error = "stopped", str(stop)
    except Exception as failure:  # noqa: BLE001 - a cell may raise anything; it is reported, not lost
        error = scrub(
            f"{failure}" if isinstance(failure, DoxaError) else f"{type(failure).__name__}: {failure}"
        )
        trace = scrub(traceback.format_exc())
        missing = failure.command if isinstance(failure, MissingDataError) else ""
    return Outcome(
        task.key,
        status,
        seconds=time.monotonic() - started,
        processor=processor_seconds() - worked,
        error=error,
        trace=trace,
        missing=missing,
        spending=context.spending() if context is not None else {},
    )


def processor_seconds() -> float:
    """Return the processor seconds that this process and those it waited for have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _ledger(task: Task) -> Ledger | None:
    if task.budget is None:
        return None
    from doxa.subjects.budget import Ledger

    return Ledger(task.ledger, task.budget)


def run_tasks(
    tasks: Sequence[Task],
    executor: str = "inline",
    *,
    workers: int | None = None,
    progress: Callable[[str, float, str], None] | None = None,
    begun: Callable[[Task], None] | None = None,
) -> Iterator[Outcome]:
    """Yield the outcome of each task as it ends.

    Args:
        tasks: the cells to compute, in the order in which they are begun.
        executor: ``inline``, ``processes``, ``ray``, or ``ray:ADDRESS`` for a cluster that is there.
        workers: how many cells at once, a cell of several threads counted so often; by default as many as cores.
        progress: called with a cell's key, its share done and a note.
        begun: called with a task when it is begun, where that is known.

    Raises:
        InputError: unknown executor, or a number of workers below 1.
        MissingExtraError: ``ray`` is asked for and not installed.
    """
    kind, address = check_executor(executor)
    check_workers(workers)
    if kind == "inline" or not tasks:
        yield from _inline(tasks, progress, begun)
    elif kind == "processes":
        yield from _processes(tasks, workers or available_cores(), begun)
    else:
        yield from _ray(tasks, workers, address, begun)


def check_executor(executor: str) -> tuple[str, str]:
    """Return the kind of an executor and, of ``ray:ADDRESS``, the address of the cluster.

    Raises:
        InputError: there is no such executor.

    >>> check_executor("ray:ray://head:10001")
    ('ray', 'ray://head:10001')
    """
    kind, colon, address = executor.partition(":")
    if kind not in EXECUTORS:
        raise InputError(f"executor={executor!r}: {did_you_mean(kind, EXECUTORS)}")
    if colon and (kind != "ray" or not address):
        raise InputError(f"executor={executor!r}: only Ray takes an address, as in ray:auto or ray:HOST:PORT")
    return kind, address


def check_cluster(executor: str, cells: Sequence[Cell]) -> None:
    """Look, before anything is written, whether an executor can compute some cells; connect to the cluster it names.

    Raises:
        InputError: there is no such executor; or the cluster does not answer, holds another Python or doxa, or has
            too few cores.
        MissingExtraError: Ray is not installed.
    """
    kind, address = check_executor(executor)
    if kind != "ray" or not cells:
        return
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("the executor 'ray'", "ray")
    if address:
        from doxa.lab.cluster.connection import connect

        connect(address, cores=max(cell.threads for cell in cells), at_once=0)


def check_workers(workers: int | None) -> None:
    """Raise InputError if a number of cells at once is given that is none."""
    if workers is not None and workers < 1:
        raise InputError(f"workers={workers}: must be >= 1")


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _inline(
    tasks: Sequence[Task],
    progress: Callable[[str, float, str], None] | None,
    begun: Callable[[Task], None] | None,
) -> Iterator[Outcome]:
    for task in tasks:
        if begun is not None:
            begun(task)
        yield execute(task, None if progress is None else functools.partial(progress, task.key))


def _processes(
    tasks: Sequence[Task], workers: int, begun: Callable[[Task], None] | None
) -> Iterator[Outcome]:
    """Run tasks in a pool of fresh processes; a task of several threads takes as many places."""
    done = in_processes(tasks, execute, places=workers, width=lambda task: task.cell.threads, begun=begun)
    why = f"its worker process died {TRIES} times, the last times with no other at work (killed, or out of memory?)"
    for task, outcome in done:
        yield outcome or Outcome(task.key, "failed", error=why)


def _ray(
    tasks: Sequence[Task], workers: int | None, address: str, begun: Callable[[Task], None] | None
) -> Iterator[Outcome]:
    """Run tasks on a cluster, but here those that ask hosted subjects: answers and budget belong to this machine."""
    from doxa.lab.cluster.cells import run_on_ray

    asking = [task for task in tasks if _asks(task)]
    others = [task for task in tasks if not _asks(task)]
    if others:
        yield from run_on_ray(others, workers=workers, address=address, cores=available_cores(), begun=begun)
    if asking:
        yield from _processes(asking, workers or available_cores(), begun)


def _asks(task: Task) -> bool:
    if not task.cell.subjects:
        return False
    from doxa.subjects.addresses import hosted, metered

    return any(
        hosted(address) or (task.budget is not None and metered(address)) for address in task.cell.subjects
    )

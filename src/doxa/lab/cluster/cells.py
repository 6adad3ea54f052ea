"""Cells on Ray: the machine where the run was started plans, holds the cells and writes; the others compute.

A cell's tables come back as bytes and are written here, whether or not the machines share a disk: so one process
writes a run, and a machine that is lost in the middle has left nothing behind. Where the disk is shared, the finished
parts of a cell lie in the run's folder and the next machine goes on behind them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from doxa.canonical import digest
from doxa.errors import StoreError
from doxa.lab.cluster.connection import PATIENCE_S, connect, cores_of, difference, held_here, ray_library
from doxa.lab.cluster.parcel import DATA, STUDY, WORK, Parcel, parcel_for, scratch, unpacked
from doxa.lab.executors import Outcome, Task, execute
from doxa.lab.store import RunFolder

if TYPE_CHECKING:
    from doxa.lab.cluster.connection import Holds

LOSSES = 8
"""How often the machine or process of a cell may be lost before the cell counts as failed."""


class Order(NamedTuple):
    """A cell to be computed on any machine.

    Attributes:
        task: with its run's folder as an absolute path.
        home: working directory where the run was started.
        data: value of ``DOXA_DATA`` there.
        token: a file in the run's folder; who finds it shares the disk.
        parcel: digest of what the cell needs.
        held: what must be equal on all machines.
    """

    task: Task
    home: str
    data: str
    token: str
    parcel: str
    held: Holds


class Result(NamedTuple):
    """What became of a cell elsewhere, and the files of its tables by name."""

    outcome: Outcome
    files: Mapping[str, bytes] = {}


def compute(order: Order, fetch: Callable[[], Parcel]) -> Result:
    """Compute a cell on this machine, in a folder of its own, and return its files.

    Args:
        order: the cell.
        fetch: brings its parcel.
    """
    task = order.task
    wrong = difference(order.held, held_here())
    if wrong:
        return Result(Outcome(task.key, "failed", error=f"the machine it was sent to {wrong}"))
    shared = (task.run / order.token).is_file()
    away = scratch() / "runs" / digest(str(task.run), length=12) / task.run.name
    if shared:
        place, study, data = Path(order.home), task.study, order.data
        away.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (task.run / "parts").mkdir(exist_ok=True)
            (away / "parts").symlink_to(task.run / "parts")
    else:
        folder = unpacked(order.parcel, fetch)
        place, data = folder / WORK, str(folder / DATA)
        place.mkdir(exist_ok=True)
        study = str(folder / STUDY / Path(task.study).name) if task.study.endswith(".py") else task.study
    here = RunFolder(away)
    with _standing_in(place, data, beside=Path(study).parent if study.endswith(".py") else None):
        outcome = execute(dataclasses.replace(task, run=away, study=study))
    if outcome.status not in ("done", "kept"):
        return Result(outcome)
    try:
        files = {path.name: path.read_bytes() for path in sorted((here.cells / task.key).iterdir())}
    except OSError as error:
        return Result(Outcome(task.key, "failed", error=f"{away}: cannot be read ({error.strerror})"))
    shutil.rmtree(here.cells / task.key, ignore_errors=True)
    return Result(dataclasses.replace(outcome, status="done"), files)


@contextlib.contextmanager
def _standing_in(place: Path, data: str, *, beside: Path | None) -> Generator[None]:
    """Work in a folder, with the data sets of another one, and with the modules beside a study at hand."""
    before, told = Path.cwd(), os.environ.get("DOXA_DATA")
    if data:
        os.environ["DOXA_DATA"] = data
    if place.is_dir():
        os.chdir(place)
    if beside is not None and str(beside) not in sys.path:
        sys.path.append(str(beside))
    try:
        yield
    finally:
        os.chdir(before)
        if told is None:
            os.environ.pop("DOXA_DATA", None)
        else:
            os.environ["DOXA_DATA"] = told


def _compute_there(order: Order, box: list[Any]) -> Result:
    """Compute a cell in a process of Ray; the box keeps Ray from bringing a parcel that the machine has already."""
    return compute(order, lambda: ray_library().get(box[0]))


class _Flight(NamedTuple):
    task: Task
    held: ExitStack


def run_on_ray(
    tasks: Sequence[Task],
    *,
    workers: int | None,
    address: str,
    cores: int,
    begun: Callable[[Task], None] | None = None,
) -> Iterator[Outcome]:
    """Yield the outcome of each task as it ends.

    A cell whose machine or process is lost is computed again; how often that happened stands in the run's manifest
    under ``lost``, beside the cells' own errors, which are not tried again.

    Args:
        tasks: the cells.
        workers: how many at once; by default what the cluster's cores allow.
        address: of the cluster, empty for one on this machine.
        cores: of this machine, for such a one.
        begun: called with a task when it is sent, again where it was lost.

    Raises:
        InputError: the cluster cannot be used.
        MissingExtraError: Ray is not installed.
    """
    widest = max(task.cell.threads for task in tasks)
    at_once = workers * widest if workers else max(widest, cores)
    ray = connect(address, cores=widest, at_once=at_once)
    with ExitStack() as tokens:
        yield from _Dispatch(ray, tasks, workers, tokens, begun, elsewhere=bool(address)).outcomes()


class _Dispatch:
    """The cells of one call: those that wait, those under way, and how often machines were lost."""

    def __init__(
        self,
        ray: Any,
        tasks: Sequence[Task],
        workers: int | None,
        tokens: ExitStack,
        begun: Callable[[Task], None] | None,
        *,
        elsewhere: bool,
    ) -> None:
        self._ray = ray
        self._waiting = deque(dataclasses.replace(task, run=task.run.absolute()) for task in tasks)
        self._workers = workers
        self._flights: dict[Any, _Flight] = {}
        self._lost: Counter[str] = Counter()
        self._parcels: dict[tuple[str, str], tuple[str, Any]] = {}
        self._begun = begun
        self._elsewhere = elsewhere
        self._told_stuck = False
        self._tokens = {
            run: tokens.enter_context(_token(run)) for run in {task.run: None for task in self._waiting}
        }
        self._remote = ray.remote(max_retries=0)(_compute_there)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes until no cell is left."""
        try:
            while self._waiting or self._flights:
                yield from self._fill()
                if not self._flights:
                    time.sleep(0.2)  # another process is at work on all that is left
                    continue
                ready, _ = self._ray.wait(
                    list(self._flights), num_returns=1, timeout=1.0 if self._waiting else PATIENCE_S
                )
                if not ready:
                    self._say_where_stuck()
                for reference in ready:
                    yield from self._ended(reference)
        finally:
            for reference, flight in self._flights.items():
                with contextlib.suppress(Exception):
                    self._ray.cancel(reference, force=True)
                flight.held.close()

    def _fill(self) -> Iterator[Outcome]:
        """Send as many cells as there is room for; those that another process holds wait."""
        for _ in range(len(self._waiting)):
            if len(self._flights) >= self._room():
                return
            task = self._waiting.popleft()
            folder, held = RunFolder(task.run), ExitStack()
            if not held.enter_context(folder.claim(task.key, wait=False)):
                held.close()
                self._waiting.append(task)
            elif folder.has(task.key):
                folder.parts(task.key).clear()
                held.close()
                yield Outcome(task.key, "kept")
            else:
                self._send(task, held)

    def _room(self) -> int:
        """Return how many cells may be under way: a few more than run, so that no core waits for the next."""
        if self._workers is not None:
            return self._workers
        return int(sum(cores_of(self._ray))) + 2

    def _send(self, task: Task, held: ExitStack) -> None:
        name, box = self._parcel(task)
        study = str(Path(task.study).resolve()) if task.study.endswith(".py") else task.study
        order = Order(
            task=dataclasses.replace(task, study=study),
            home=str(Path.cwd()),
            data=os.environ.get("DOXA_DATA", ""),
            token=self._tokens[task.run],
            parcel=name,
            held=held_here(),
        )
        remote = self._remote.options(num_cpus=task.cell.threads, scheduling_strategy="SPREAD")
        self._flights[remote.remote(order, [box])] = _Flight(task, held)
        if self._begun is not None:
            self._begun(task)

    def _parcel(self, task: Task) -> tuple[str, Any]:
        """Return digest and reference of what a task needs; it is put into the cluster once for each run."""
        if not self._elsewhere:
            return "", None
        key = (task.study, str(task.run))
        if key not in self._parcels:
            parcel = parcel_for(task.study, task.config)
            self._parcels[key] = (parcel.digest, self._ray.put(parcel))
        return self._parcels[key]

    def _say_where_stuck(self) -> None:
        """Say once that no machine is left which could compute what is under way; Ray waits for a new one."""
        widest = max(cores_of(self._ray), default=0.0)
        needed = min(flight.task.cell.threads for flight in self._flights.values())
        if widest < needed and not self._told_stuck:
            self._told_stuck = True
            sys.stderr.write(f"no machine of the cluster has {needed} cores now; waiting for one\n")

    def _ended(self, reference: Any) -> Iterator[Outcome]:
        task, held = self._flights.pop(reference)
        errors = self._ray.exceptions
        try:
            outcome, files = self._ray.get(reference)
            yield self._kept(task, outcome, files)
        except errors.RayTaskError as error:  # raised there by the machinery, not by the cell
            yield Outcome(task.key, "failed", error=f"Ray could not begin it: {str(error).strip()[-400:]}")
        except errors.RayError as error:
            self._lost[task.key] += 1
            _count_loss(task, type(error).__name__)
            if self._lost[task.key] >= LOSSES:
                why = f"its machine or process was lost {LOSSES} times, the last time with {type(error).__name__}"
                yield Outcome(task.key, "failed", error=f"{why} (out of memory?)")
            else:
                self._waiting.appendleft(task)
        finally:
            held.close()

    def _kept(self, task: Task, outcome: Outcome, files: Mapping[str, bytes]) -> Outcome:
        """Write the tables of a cell that came back, and say how often it was lost before."""
        if files:
            folder = RunFolder(task.run)
            try:
                folder.keep(task.key, files)
            except StoreError as error:
                return dataclasses.replace(outcome, status="failed", error=str(error))
            folder.parts(task.key).clear()
        lost = self._lost[task.key]
        if lost and outcome.status == "done":
            return dataclasses.replace(outcome, error=f"after its machine or process was lost {lost} times")
        return outcome


def _count_loss(task: Task, kind: str) -> None:
    """Count in the run's manifest a machine or process that was lost."""
    with RunFolder(task.run).manifest() as manifest:
        lost: dict[str, int] = manifest.setdefault("lost", {})
        lost[kind] = lost.get(kind, 0) + 1


@contextlib.contextmanager
def _token(run: Path) -> Generator[str]:
    """Yield the name of a file in the run's folder, which is there meanwhile."""
    name = f"locks/ray-{uuid.uuid4().hex}"
    (run / "locks").mkdir(parents=True, exist_ok=True)
    (run / name).touch()
    try:
        yield name
    finally:
        (run / name).unlink(missing_ok=True)

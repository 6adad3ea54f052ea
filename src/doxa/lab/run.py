"""Running a study: plan the cells, compute what is missing, judge, write the report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from doxa.canonical import Json, digest
from doxa.errors import BudgetError, DoxaError, InputError, StoreError
from doxa.lab.asking import add_spending, expect, expectation_text, ledger_file, spent_on
from doxa.lab.declaration import Cell, Study, code_files, find_study
from doxa.lab.executors import Outcome, Task, check_cluster, check_workers, run_tasks
from doxa.lab.figures import Figure
from doxa.lab.files import sha256, write_atomic
from doxa.lab.live import LiveRun
from doxa.lab.loaded import compare, load  # noqa: F401 - whoever runs also reads  # pyright: ignore[reportUnusedImport]
from doxa.lab.progress import Meter, SilentMeter
from doxa.lab.provenance import machine, shell_command, versions
from doxa.lab.record import Finding, Tables
from doxa.lab.store import RunFolder
from doxa.secret import scrub

if TYPE_CHECKING:
    from doxa.subjects.budget import Budget
    from doxa.subjects.counting import Spending


class CellsFailedError(DoxaError):
    """Some cells failed; what was finished is kept (exit status 1)."""


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        run: name of the run's folder.
        study: slug.
        seconds: wall time of this call.
        findings: what the study found, in the study's order.
        figures: its figures.
        folder: where it is kept.
        computed: how many cells this call computed; the others were kept from before.
        cells: how many cells there are.
        tables: the tables of all cells.
        config: the study's config.
        spending: what asking each hosted subject took since the run began.
    """

    run: str
    study: str
    seconds: float
    findings: list[Finding]
    figures: list[Figure]
    folder: Path
    computed: int
    cells: int
    tables: Tables
    config: Any
    spending: Mapping[str, Spending] = field(default_factory=dict[str, "Spending"])

    @property
    def report(self) -> Path:
        """The report's file."""
        return self.folder / "report.html"

    def as_json(self) -> dict[str, Json]:
        """Return what ``--json`` prints."""
        asking: dict[str, Json] = {address: spent.as_json() for address, spent in self.spending.items()}
        return {
            "run": self.run,
            "study": self.study,
            "seconds": round(self.seconds, 3),
            "findings": [finding.as_json() for finding in self.findings],
            **({"asking": asking} if asking else {}),
            "report": str(self.report),
        }


class Running(TypedDict, total=False):
    """How a study is run, whatever it is; see ``run_study``."""

    preset: str
    out: Path | str
    executor: str
    workers: int | None
    fresh: bool
    meter: Meter | None
    budget: Budget | None


@dataclass(frozen=True)
class Plan:
    """What a run will compute: its cells with their keys, in order, and the name of its folder."""

    study: Study
    reference: str
    preset: str
    config: Any
    code: str
    cells: dict[str, Cell]

    @property
    def name(self) -> str:
        """Name of the run's folder: slug and the digest of study, config and code."""
        return f"{self.study.slug}-{digest([self.study.slug, _plain(self.config), self.code], length=10)}"


def plan(reference: str, *, preset: str = "embedded", overrides: Mapping[str, Any] | None = None) -> Plan:
    """Return what a run of a study would compute, without computing anything.

    Raises:
        InputError: unknown study or setting, a bad value, or two cells that cannot be told apart.
    """
    study = find_study(reference)
    config = study.configure(preset, overrides)
    code = code_digest(study)
    cells: dict[str, Cell] = {}
    for cell in study.code.cells(config):
        key = cell_key(study, config, cell, code)
        if key in cells:
            raise InputError(
                f"{study.slug}: two cells '{cell.condition}' seed {cell.seed} are the same; tell them apart by params"
            )
        cells[key] = cell
    if not cells:
        raise InputError(f"{study.slug}: this config selects no cells; loosen its filters")
    return Plan(study, reference, preset, config, code, cells)


def run_study(
    reference: str,
    *,
    preset: str = "embedded",
    overrides: Mapping[str, Any] | None = None,
    out: Path | str = "runs",
    executor: str = "inline",
    workers: int | None = None,
    fresh: bool = False,
    meter: Meter | None = None,
    budget: Budget | None = None,
) -> RunResult:
    """Run a study, or finish one that was interrupted: only missing cells are computed.

    Args:
        reference: slug, or path of a Python file that registers a study.
        preset: ``quick``, ``embedded`` or ``paper``.
        overrides: config values by name.
        out: folder that holds the runs.
        executor: ``inline``, ``processes``, ``ray``, or ``ray:ADDRESS`` for a cluster that is there.
        workers: how many cells at once.
        fresh: put an earlier run of the same name aside and begin anew.
        meter: shows progress; silent by default.
        budget: the most that may be asked of subjects now.

    Raises:
        InputError: the input was wrong; nothing was started or written.
        BudgetError: the budget was spent; the finished cells and all answers of hosted subjects are kept.
        CellsFailedError: some cells failed; the finished ones are kept.
        StoreError: the run's folder cannot be written.
    """
    started = time.monotonic()
    todo = plan(reference, preset=preset, overrides=overrides)
    check_workers(workers)
    check_cluster(executor, unfinished(todo, Path(out), fresh=fresh))
    folder = run_folder(todo, Path(out), fresh=fresh)
    with folder.at_work():
        return _finish(folder, todo, started, executor, workers, fresh, meter or SilentMeter(), budget)


def unfinished(todo: Plan, out: Path, *, fresh: bool) -> list[Cell]:
    """Return the cells of a plan that its run's folder does not hold."""
    folder = RunFolder(out / todo.name)
    return [cell for key, cell in todo.cells.items() if fresh or not folder.has(key)]


def run_folder(todo: Plan, out: Path, *, fresh: bool) -> RunFolder:
    """Return the folder of a run; an earlier one of the same name is put aside where a fresh one is wanted."""
    folder = RunFolder(out / todo.name)
    if fresh and folder.path.exists():
        folder.path.rename(_free_name(folder.path))
    return folder


def begin(folder: RunFolder, todo: Plan, *, fresh: bool = False) -> Work:
    """Make the run's folder, or check the one that is there, and find out which cells are missing.

    Raises:
        StoreError: the folder cannot be written.
    """
    _open(folder, todo)
    missing = _missing(folder, todo, adopt=not fresh)
    kept = len(todo.cells) - len(missing)
    return Work(folder, todo, missing, LiveRun(folder.path, total=len(todo.cells), kept=kept))


@dataclass
class Work:
    """A run under way: its folder, its plan, the keys of the cells to compute, and what became of them so far.

    ``live`` says the same to who looks at the folder, from when it is entered until the work is finished.
    """

    folder: RunFolder
    todo: Plan
    missing: list[str]
    live: LiveRun
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    def tasks(self, budget: Budget | None, ledger: Path) -> list[Task]:
        """Return the cells to compute as tasks for an executor."""
        return [_task(self.folder, self.todo, key, budget, ledger) for key in self.missing]

    def label(self, key: str) -> str:
        """Return a cell's name for people."""
        cell = self.todo.cells[key]
        return f"{cell.condition} seed {cell.seed}"

    def take(self, outcome: Outcome) -> None:
        """Note what became of a cell."""
        self.outcomes.append(outcome)
        add_spending(self.folder, outcome.spending)
        if outcome.status == "failed":
            _keep_trace(self.folder, outcome, self.label(outcome.key))
        self.live.took(outcome.status)

    def finish(self, seconds: float) -> RunResult:
        """Judge what was computed.

        Args:
            seconds: wall time of the work so far.

        Raises:
            CellsFailedError: cells failed.
            BudgetError: the budget was spent.
        """
        with self.live:
            return self._judged(seconds)

    def _judged(self, seconds: float) -> RunResult:
        todo = self.todo
        failed = [outcome for outcome in self.outcomes if outcome.status == "failed"]
        if failed:
            raise _failure(self.folder, todo, failed)
        stopped = [outcome for outcome in self.outcomes if outcome.status == "stopped"]
        if stopped:
            raise BudgetError(
                f"{stopped[0].error}; {len(todo.cells) - len(stopped)} of {len(todo.cells)} cells are finished and "
                f"every answer of a hosted subject is kept; to go on: {shell_command()}"
            )
        self.live.judging()
        started, worked = time.monotonic(), time.thread_time()
        result = conclude(self.folder, todo, seconds=seconds, computed=len(self.outcomes))
        result = dataclasses.replace(result, seconds=seconds + time.monotonic() - started)
        _record_times(self.folder, todo, self.outcomes, result, time.thread_time() - worked)
        return result


def _finish(
    folder: RunFolder,
    todo: Plan,
    started: float,
    executor: str,
    workers: int | None,
    fresh: bool,
    meter: Meter,
    budget: Budget | None,
) -> RunResult:
    """Compute the cells that are missing, then judge."""
    work = begin(folder, todo, fresh=fresh)
    for address, expected in expect(todo, work.missing, folder.path.parent, hosted_only=True).items():
        meter.note(expectation_text(address, expected))
    for text in remarks_on(todo.cells[key] for key in work.missing):
        meter.note(text)
    with work.live:
        with (
            ledger_file(folder.path) as ledger,
            meter.cells(todo.study.slug, total=len(todo.cells), done=len(todo.cells) - len(work.missing)),
        ):
            tasks = work.tasks(budget, ledger)
            for outcome in run_tasks(tasks, executor, workers=workers, progress=meter.inside):
                work.take(outcome)
                meter.finished(work.label(outcome.key), outcome.status, outcome.error)
        return work.finish(time.monotonic() - started)


def conclude(folder: RunFolder, todo: Plan, *, seconds: float, computed: int) -> RunResult:
    """Judge the tables of a run whose cells are all finished, and write findings, figures and report."""
    from doxa.lab.report import render
    from doxa.lab.study_page import study_page

    tables = folder.load(todo.cells)
    findings = todo.study.code.findings(tables, todo.config)
    figures = todo.study.code.figures(tables, todo.config)
    folder.write_json(
        "findings.json",
        {
            "findings": [finding.as_json() for finding in findings],
            "figures": [figure.id for figure in figures],
        },
    )
    for figure in figures:
        folder.write_json(
            f"figures/{figure.id}.json",
            {"title": figure.title, "caption": figure.caption, "spec": figure.spec},
        )
    manifest = folder.read_json("manifest.json")
    page = study_page(todo, tables, findings, figures, manifest=manifest)
    write_atomic(folder.path / "report.html", scrub(render(page)).encode("utf-8", "backslashreplace"))
    return RunResult(
        run=folder.path.name,
        study=todo.study.slug,
        seconds=seconds,
        findings=findings,
        figures=figures,
        folder=folder.path,
        computed=computed,
        cells=len(todo.cells),
        tables=tables,
        config=todo.config,
        spending=spent_on(manifest),
    )


def cell_key(study: Study, config: Any, cell: Cell, code: str) -> str:
    """Return the digest of all that a cell's tables hang on: code, the config fields it uses, seed, subjects."""
    from doxa.subjects.addresses import identity

    known = study.settings
    for name in cell.uses:
        if name not in known:
            raise InputError(f"cell '{cell.condition}' uses config.{name}, which {study.slug} does not have")
    return digest(
        {
            "study": study.slug,
            "code": code,
            "condition": cell.condition,
            "seed": cell.seed,
            "params": dict(cell.params),
            "uses": {name: _plain(getattr(config, name)) for name in cell.uses},
            "threads": cell.threads,
            "subjects": {address: identity(address) for address in cell.subjects},
        },
        length=24,
    )


def code_digest(study: Study) -> str:
    """Return the digest of the study's file and of every doxa module it imports."""
    return digest(
        [[name, sha256(path.read_bytes())] for name, path in sorted(code_files(study).items())], length=16
    )


def _open(folder: RunFolder, todo: Plan) -> None:
    """Make the run's folder with its manifest, or check that the one there is this run's."""
    if (folder.path / "manifest.json").exists():
        try:
            if set(folder.read_json("manifest.json")["cells"]) == set(todo.cells):
                return
        except StoreError:
            pass
    folder.write_json(
        "manifest.json",
        {
            "study": todo.study.slug,
            "reference": todo.reference,
            "paper": todo.study.paper,
            "preset": todo.preset,
            "config": _plain(todo.config),
            "code": todo.code,
            "cells": list(todo.cells),
            "command": shell_command(),
            "versions": versions(),
            "machine": machine(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
    )


def _missing(folder: RunFolder, todo: Plan, *, adopt: bool) -> list[str]:
    """Return the cells to compute: damaged ones are set aside, finished ones of sister runs taken over."""
    missing: list[str] = []
    sisters = [
        RunFolder(path)
        for path in sorted(folder.path.parent.glob(f"{todo.study.slug}-*"))
        if path != folder.path
    ]
    for key in todo.cells:
        if _whole(folder, key):
            continue
        with folder.claim(key, wait=False) as held:
            if held and (folder.cells / key).exists() and not _whole(folder, key):
                folder.set_aside(key)
        if _whole(folder, key):
            continue
        if not (adopt and any(sister.has(key) and folder.adopt(key, sister) for sister in sisters)):
            missing.append(key)
    return missing


def remarks_on(cells: Iterable[Cell]) -> list[str]:
    """Return what the user should be told of the subjects that some cells will ask."""
    addresses = dict.fromkeys(address for cell in cells for address in cell.subjects)
    if not addresses:
        return []
    from doxa.subjects.addresses import remarks

    return [text for address in addresses for text in remarks(address)]


def _whole(folder: RunFolder, key: str) -> bool:
    """Return whether a cell is finished and undamaged."""
    try:
        folder.read(key)
    except StoreError:
        return False
    return True


def _task(folder: RunFolder, todo: Plan, key: str, budget: Budget | None, ledger: Path) -> Task:
    cell = todo.cells[key]
    meta: dict[str, Any] = {
        "study": todo.study.slug,
        "condition": cell.condition,
        "seed": cell.seed,
        "params": dict(cell.params),
    }
    config = {item.name: getattr(todo.config, item.name) for item in dataclasses.fields(todo.config)}
    return Task(folder.path, todo.reference, config, cell, key, meta, budget, ledger)


def _keep_trace(folder: RunFolder, outcome: Outcome, label: str) -> None:
    """Keep why a cell failed: a line that names it, then the traceback, or the error where there is none."""
    text = f"{label}\n{outcome.trace or outcome.error}"
    write_atomic(folder.path / "errors" / f"{outcome.key}.txt", text.encode("utf-8", "replace"))


def _failure(folder: RunFolder, todo: Plan, failed: Sequence[Outcome]) -> CellsFailedError:
    first = todo.cells[failed[0].key]
    return CellsFailedError(
        f"{len(failed)} of {len(todo.cells)} cells failed, first '{first.condition}' seed {first.seed}: "
        f"{failed[0].error}\n  tracebacks: {folder.path / 'errors'}\n"
        f"  the finished cells are kept; to go on: {shell_command()}"
    )


def _record_times(
    folder: RunFolder, todo: Plan, outcomes: Sequence[Outcome], result: RunResult, judging: float
) -> None:
    """Keep in the manifest how long the cells took, by cell and on the mean of each condition, and the judging.

    ``seconds`` is the wall time of the calls that computed cells and came to the end.
    """
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    with folder.manifest() as manifest:
        for name, spent in (
            ("cell_seconds", {outcome.key: round(outcome.seconds, 3) for outcome in done}),
            ("cell_processor_seconds", {outcome.key: round(outcome.processor, 3) for outcome in done}),
        ):
            manifest[name] = cast(dict[str, float], manifest.get(name, {})) | spent
        by_condition: dict[str, list[float]] = {}
        for key, seconds in cast(dict[str, float], manifest["cell_processor_seconds"]).items():
            if key in todo.cells:
                by_condition.setdefault(todo.cells[key].condition, []).append(seconds)
        manifest["condition_processor_seconds"] = {
            condition: round(sum(spent) / len(spent), 3) for condition, spent in by_condition.items()
        }
        manifest["judging_processor_seconds"] = round(judging, 3)
        manifest["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if outcomes or "seconds" not in manifest:  # a call that only judges says nothing of the work
            manifest["seconds"] = round(cast(float, manifest.get("seconds", 0.0)) + result.seconds, 3)


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    return aside


def _plain(value: Any) -> Json:
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast(Sequence[Any], value)]
    return value

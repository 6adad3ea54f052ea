"""Running several studies: all cells in one pool, and each study judged as soon as its last cell is there."""

from __future__ import annotations

import contextlib
import functools
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from doxa.canonical import Json
from doxa.errors import BudgetError, DoxaError, MissingDataError
from doxa.lab.asking import expect, expectation_text, ledger_file
from doxa.lab.executors import Outcome, Task, available_cores, check_cluster, check_workers, run_tasks
from doxa.lab.files import write_atomic
from doxa.lab.provenance import shell_command
from doxa.lab.run import Plan, RunResult, Work, begin, plan, remarks_on, run_folder, unfinished
from doxa.lab.several.costs import expected_seconds, long_first
from doxa.lab.several.standing import Display, SilentDisplay, Standing, duration
from doxa.secret import scrub

if TYPE_CHECKING:
    from doxa.subjects.budget import Budget

State = Literal["finished", "failed", "stopped", "not run"]
"""Judged; ended by an error; the budget was spent; its data are not here."""


class StudiesFailedError(DoxaError):
    """Some of several studies did not finish; what was finished is kept (exit status 1)."""


@dataclass(frozen=True)
class Ended:
    """What became of one of several studies.

    Attributes:
        slug: the study.
        state: how it ended.
        why: what went wrong, or the command that gets its data.
        result: what it found, if it finished.
        computed: how many cells were computed now.
        seconds: wall time from its first cell's beginning to its end.
        processor: processor seconds of the cells computed now.
    """

    slug: str
    state: State
    why: str = ""
    result: RunResult | None = None
    computed: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    @property
    def told(self) -> str:
        """The state, and in a line why."""
        return f"{self.state}: {self.why.splitlines()[0]}" if self.why else self.state

    def as_json(self) -> dict[str, Json]:
        """Return it for ``--json``."""
        return {
            "study": self.slug,
            "state": self.state,
            "why": self.why,
            "run": self.result and self.result.run,
            "report": self.result and str(self.result.report),
            "computed": self.computed,
            "seconds": round(self.seconds, 3),
            "processor_seconds": round(self.processor, 3),
        }

    def text(self) -> str:
        """Return it in a line."""
        if self.result is None:
            return f"{self.slug}: {self.state}: {self.why}"
        kept = self.result.cells - self.computed
        verdicts = [finding.verdict for finding in self.result.findings]
        counts = " ".join(
            f"{sign} {verdicts.count(verdict)}"
            for sign, verdict in (("✓", "holds"), ("✗", "fails"), ("?", "unresolved"))
            if verdict in verdicts
        )
        return (
            f"{self.slug}: {self.result.cells} cells ({kept} kept), {duration(self.processor)} of processor time, "
            f"{duration(self.seconds)} by the clock: {counts or 'no findings'}"
        )


class Planned(NamedTuple):
    """Studies that can run, and those whose data are not here."""

    plans: list[Plan]
    not_run: list[Ended]


def plan_studies(
    references: Sequence[str], *, preset: str = "embedded", overrides: Mapping[str, Any] | None = None
) -> Planned:
    """Plan several studies, each once.

    Raises:
        InputError: a study or a setting is wrong; nothing is started.
    """
    plans: dict[str, Plan] = {}
    not_run: list[Ended] = []
    for reference in dict.fromkeys(references):
        try:
            todo = plan(reference, preset=preset, overrides=overrides)
        except MissingDataError as error:
            not_run.append(Ended(reference, "not run", f"its data are not here; {error.command}"))
        else:
            plans.setdefault(todo.name, todo)
    return Planned(list(plans.values()), not_run)


def run_studies(
    plans: Sequence[Plan],
    *,
    out: Path | str = "runs",
    executor: str = "processes",
    workers: int | None = None,
    fresh: bool = False,
    display: Display | None = None,
    budget: Budget | None = None,
) -> list[Ended]:
    """Run several studies, or finish them: only missing cells are computed, and one that fails stops no other.

    Args:
        plans: what to run.
        out: folder that holds the runs.
        executor: ``inline``, ``processes``, ``ray``, or ``ray:ADDRESS`` for a cluster that is there.
        workers: how many cells at once; by default as many as cores.
        fresh: put earlier runs of the same names aside and begin anew.
        display: shows how far they are; silent by default.
        budget: the most that may be asked of subjects now, by all of them together.

    Returns:
        What became of each study, in the order given.

    Raises:
        InputError: an unknown executor, or a wrong number of workers.
        StoreError: a run's folder cannot be written.
    """
    display = display or SilentDisplay()
    out = Path(out)
    check_workers(workers)
    check_cluster(executor, [cell for todo in plans for cell in unfinished(todo, out, fresh=fresh)])
    with contextlib.ExitStack() as open_runs:
        works: list[Work] = []
        for todo in plans:
            folder = run_folder(todo, out, fresh=fresh)
            open_runs.enter_context(folder.at_work())
            work = begin(folder, todo, fresh=fresh)
            open_runs.enter_context(work.live)
            works.append(work)
        for work in works:
            for address, expected in expect(work.todo, work.missing, out, hosted_only=True).items():
                display.note(f"{work.todo.study.slug}: {expectation_text(address, expected)}")
        for text in remarks_on(work.todo.cells[key] for work in works for key in work.missing):
            display.note(text)
        seconds: dict[str, float] = {}
        for work in works:
            seconds |= expected_seconds(work.todo, work.missing, out)
        standing = Standing(
            studies=len(works),
            cells=sum(len(work.todo.cells) for work in works),
            seconds=seconds,
            places=1 if executor == "inline" else workers or available_cores(),
            kept=sum(len(work.todo.cells) - len(work.missing) for work in works),
        )
        place = works[0].folder.path if works else out
        ledger = open_runs.enter_context(ledger_file(place))
        tasks = {task.key: task for work in works for task in work.tasks(budget, ledger)}
        order = [tasks[key] for key in long_first([work.todo for work in works], seconds)]
        # Judging beside the pool keeps its workers busy; beside cells in this process it would change their threads.
        judges = None if executor == "inline" else open_runs.enter_context(ThreadPoolExecutor(1))
        return _Pool(works, standing, display, judges).run(
            functools.partial(run_tasks, order, executor, workers=workers)
        )


@dataclass
class _Pool:
    """Sorts what comes out of the pool by study, and ends a study with its last cell."""

    works: list[Work]
    standing: Standing
    display: Display
    judges: Executor | None
    began: dict[str, float] = field(default_factory=dict[str, float])

    def run(self, compute: Callable[..., Any]) -> list[Ended]:
        owner = {key: work for work in self.works for key in work.missing}
        ending: dict[str, Future[Ended]] = {}

        def end(work: Work) -> None:
            ending[work.todo.name] = self._judged(work)

        def begun(task: Task) -> None:
            work = owner[task.key]
            self.began.setdefault(work.todo.name, time.monotonic())
            self.standing.begun(task.key, f"{work.todo.study.slug} {work.label(task.key)}")
            self.display.moved()

        def inside(_: str, share: float, __: str) -> None:
            self.standing.share = share
            self.display.moved()

        with self.display.showing(self.standing):
            for work in self.works:
                if not work.missing:
                    end(work)
            for outcome in compute(progress=inside, begun=begun):
                work = owner[outcome.key]
                work.take(outcome)
                self._tell(work, outcome)
                if len(work.outcomes) == len(work.missing):
                    end(work)
            return [ending[work.todo.name].result() for work in self.works]

    def _tell(self, work: Work, outcome: Outcome) -> None:
        self.standing.finished(outcome.key, outcome.seconds)
        if outcome.status in ("failed", "stopped"):
            self.display.note(
                f"  {work.todo.study.slug} {work.label(outcome.key)} {outcome.status}: {outcome.error}"
            )
        self.display.moved()

    def _judged(self, work: Work) -> Future[Ended]:
        if self.judges is not None:
            return self.judges.submit(self._end, work)
        now: Future[Ended] = Future()
        now.set_result(self._end(work))
        return now

    def _end(self, work: Work) -> Ended:
        """Judge a study whose cells have all ended, and say what became of it."""
        slug = work.todo.study.slug
        seconds = time.monotonic() - self.began.get(work.todo.name, time.monotonic())
        lacking = {outcome.missing for outcome in work.outcomes if outcome.status == "failed"}
        result: RunResult | None = None
        state: State = "failed"
        try:
            result = work.finish(seconds)
            state, why = "finished", ""
        except BudgetError as error:
            state, why = "stopped", str(error)
        except DoxaError as error:
            why = str(error)
            if lacking and "" not in lacking:
                state, why = "not run", f"its data are not here; {', '.join(sorted(lacking))}"
        except Exception as error:  # noqa: BLE001 - a study may raise anything when it judges; the others go on
            trace = work.folder.path / "errors" / "judging.txt"
            write_atomic(trace, scrub(traceback.format_exc()).encode("utf-8", "replace"))
            why = scrub(f"judging failed: {type(error).__name__}: {error}\n  traceback: {trace}")
        ended = Ended(
            slug,
            state,
            why,
            result,
            computed=len(work.outcomes),
            seconds=result.seconds if result is not None else seconds,
            processor=sum(outcome.processor for outcome in work.outcomes),
        )
        self.standing.ended += 1
        self.display.note(ended.text())
        self.display.moved()
        return ended


def failure(all_ended: Sequence[Ended]) -> StudiesFailedError | None:
    """Return the error that says which studies did not finish and how to go on; None if all did that could."""
    bad = [ended for ended in all_ended if ended.state in ("failed", "stopped")]
    if not bad:
        return None
    listed = "\n".join(f"  {ended.slug}: {ended.why.splitlines()[0]}" for ended in bad)
    return StudiesFailedError(
        f"{len(bad)} of {len(all_ended)} studies did not finish:\n{listed}\n"
        f"  what was finished is kept; to go on: {shell_command()}"
    )

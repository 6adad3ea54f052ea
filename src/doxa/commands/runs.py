"""Runs that are there: show one, import and export them for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doxa.commands import completion
from doxa.commands.options import (
    AsJson,
    Out,
)
from doxa.commands.printing import print_json, say
from doxa.errors import InputError


def show(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A run's folder, name, or the start of its name; a folder of runs for its board.",
            autocompletion=completion.runs,
        ),
    ] = None,
    *,
    call: Annotated[
        str | None,
        typer.Option("--call", help="Number of a call: why it was or was not a cache hit; all lists them."),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            "--verdict", help="Of a board: holds, fails, unresolved or all; by default what does not hold."
        ),
    ] = None,
    out: Out = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show a run's findings and state, the board of all runs of a folder, or explain one call of a run."""
    from doxa.lab.several.board import gather, holds_runs
    from doxa.lab.several.shown import show_board
    from doxa.lab.show import explain_call, show_run
    from doxa.lab.terminal import print_text

    if run is None or holds_runs(Path(run)):
        if call is not None:
            raise InputError(f"--call {call}: name the run whose call it is")
        shown = show_board(gather(out if run is None else Path(run)), verdict=verdict)
    elif verdict is not None:
        raise InputError(f"--verdict {verdict}: goes with the board of a folder of runs")
    else:
        shown = show_run(run, out) if call is None else explain_call(run, call, out)
    if as_json:
        print_json(shown.as_json())
    else:
        print_text(shown.as_text())


def import_log(
    log: Annotated[
        Path, typer.Argument(help="An Inspect log (.eval, .json), or lm-eval results (file or folder).")
    ],
    *,
    out: Out = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Make a run of another tool's log, which show and doxa.load read like any other."""
    from doxa.interop import import_log as imported

    made = imported(log, out)
    if as_json:
        print_json(made.as_json())
    else:
        say(f"{made.run}: {made.tables.beliefs.height:,} beliefs of {made.study}, in {made.folder}")


def export_inspect(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's folder, name, or the start of its name.",
            autocompletion=completion.runs,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="Log to write, .eval or .json.")],
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Write a run as an Inspect log, for its viewer and its tools."""
    from doxa.interop import to_inspect

    say(f"{to_inspect(run, out, out=runs)}")


def export_lm_eval(
    study: Annotated[str, typer.Argument(help="The questions to write: kable.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder the task files are written to.")],
    tasks: Annotated[str | None, typer.Option("--tasks", help="Tasks, with commas; all by default.")] = None,
    subjects: Annotated[
        str | None, typer.Option("--subjects", help="Fields of knowledge, with commas.")
    ] = None,
    types: Annotated[str | None, typer.Option("--types", help="factual, false, or both.")] = None,
    key: Annotated[str, typer.Option("--key", help="Accepted letters of the file or of the paper.")] = "file",
    limit: Annotated[
        int | None, typer.Option("--limit", help="Questions of each task, type and subject.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw.")] = 0,
    report: Annotated[str, typer.Option("--report", help="accuracy, or shares of the answers.")] = "accuracy",
) -> None:
    """Write task files for lm-evaluation-harness from your copy of the questions."""
    from doxa.interop import export_kable

    if study != "kable":
        raise InputError(f"{study!r}: only kable has task files for lm-evaluation-harness")
    made = export_kable(
        out, tasks=tasks, subjects=subjects, types=types, key=key, limit=limit, seed=seed, report=report
    )
    for group in made.groups:
        say(f"lm-eval run --tasks {group} --include_path {made.folder} --model hf --model_args pretrained=…")

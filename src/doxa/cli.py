"""The command line: text for people on stderr, data on stdout; heavy modules load when a command needs them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import typer

from doxa.commands import audit, benchmarks, data, organisms, runs, studies, view
from doxa.errors import DoxaError, InputError, MissingExtraError
from doxa.lab.terminal import tell, tell_traceback, tell_warning
from doxa.secret import guard_output

app = typer.Typer(
    name="doxa",
    help="A laboratory for belief dynamics: measure, simulate and steer how beliefs move.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a disk, a quota or a file that takes no more."""
GROUPS = {
    "": {
        "list": studies.list_studies,
        "run": studies.run,
        "simulate": studies.simulate,
        "audit": audit.audit,
        "show": runs.show,
        "view": view.view,
        "bench": benchmarks.bench,
        "import": runs.import_log,
    },
    "data": {"list": data.data_list, "get": data.data_get, "check": data.data_check},
    "organism": {"list": organisms.organism_list, "train": organisms.organism_train},
    "export": {"inspect": runs.export_inspect, "lm-eval": runs.export_lm_eval},
}
HELP = {
    "data": "Data sets that studies read.",
    "organism": "The zoo of small language models with known defects.",
    "export": "Runs and questions for other tools.",
}
for group, commands in GROUPS.items():
    owner = typer.Typer(help=HELP[group], no_args_is_help=True) if group else app
    for name, command in commands.items():
        owner.command(name)(command)
    if group:
        app.add_typer(owner, name=group)


def main() -> None:
    """Run the command line; exit status 0 finished, 1 failed, 2 wrong input."""
    for name in ("stdout", "stderr"):
        output = getattr(sys, name)
        if output is None:  # closed by whoever started this
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - kept to the end
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="replace")  # a terminal without Unicode must not end a run
    guard_output()
    warnings.simplefilter("default", category=UserWarning)
    warnings.showwarning, sys.excepthook = tell_warning, tell_traceback
    try:
        status = _run()
        sys.stdout.flush()  # here and not at the interpreter's end, so that it can be told what went wrong
        sys.exit(status)
    except (InputError, MissingExtraError) as error:
        _end(error, 2)
    except DoxaError as error:
        _end(error, 1)
    except KeyboardInterrupt:
        _end("stopped; what was finished is kept, the same command goes on", 1)
    except BrokenPipeError:
        _give_up_output()
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            _full(error)
        if not hasattr(error, "exit_code"):
            raise
        wrong: Any = error
        wrong.show(file=(told := io.StringIO()))
        tell(told.getvalue().rstrip("\n"))
        sys.exit(wrong.exit_code)


def _run() -> int:
    """Run the command that was given; return its exit status."""
    try:
        app(standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def _give_up_output() -> None:
    """Let go what stdout still holds."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _full(error: OSError) -> NoReturn:
    """End because a disk is full; what stdout still holds is given up where that is the one."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _give_up_output()
    place = f"{error.filename}: " if error.filename else ""
    todo = "free space, then run the same command again: finished cells are kept"
    _end(f"{place}cannot be written ({error.strerror}); {todo}", 1)


def _end(error: object, status: int) -> NoReturn:
    from doxa.secret import scrub

    tell(scrub(f"doxa: {error}"))
    sys.exit(status)

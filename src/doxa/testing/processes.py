"""Commands as processes: run to their end, under faults of the machine, killed in mid-run, or many at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from doxa.testing import faults


class Fault(NamedTuple):
    """A fault of the machine; see ``doxa.testing.faults`` for the actions.

    Attributes:
        call: the operation of ``os`` it strikes at.
        nth: at which of its calls, counted from 1 over all processes of the command.
        action: ``kill``, ``kill-after``, ``torn``, or an error such as ``ENOSPC``.
        clock_s: seconds that the wall clock jumps at every look, negative for back.
        within: only calls on paths that hold this text are counted.
    """

    call: str = ""
    nth: int = 1
    action: str = "kill"
    clock_s: float = 0.0
    within: str = ""


class Ended(NamedTuple):
    """How a command ended: exit status (negative for a signal), seconds, what it printed, whether it left children."""

    status: int
    seconds: float
    stdout: str
    stderr: str
    orphans: bool = False

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL


def doxa_command(*arguments: str) -> list[str]:
    """Return the command line that runs doxa with this Python."""
    return [sys.executable, "-m", "doxa", *arguments]


def run_command(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    fault: Fault | None = None,
    cwd: Path | None = None,
    timeout_s: float = 300.0,
) -> Ended:
    """Run a command to its end, under a fault if one is given; its children are ended with it."""
    started = time.monotonic()
    with _environment(environment, fault) as variables, _sink() as out, _sink() as err:
        process = subprocess.Popen(
            list(command), env=variables, cwd=cwd, stdout=out, stderr=err, start_new_session=True
        )
        status = _wait(process, timeout_s)
        orphans = _orphans(process.pid)
        texts = [_text(file) for file in (out, err)]
    return Ended(status, time.monotonic() - started, texts[0], texts[1], orphans)


def kill_after(
    command: Sequence[str],
    begun: Path,
    delay_s: float,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 300.0,
    patience_s: float = 5.0,
) -> Ended:
    """Start a command, wait until ``begun`` exists, then ``delay_s`` more, and send SIGKILL to it alone.

    Children that are still there ``patience_s`` later are counted as orphans and ended.
    """
    started = time.monotonic()
    with _environment(environment, None) as variables, _sink() as sink:
        process = subprocess.Popen(
            list(command), env=variables, stdout=sink, stderr=sink, start_new_session=True
        )
        end = time.monotonic() + timeout_s
        while process.poll() is None and not begun.exists() and time.monotonic() < end:
            time.sleep(0.001)
        if process.poll() is None:
            try:
                process.wait(delay_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        status = _wait(process, timeout_s)
        return Ended(status, time.monotonic() - started, "", _text(sink), _orphans(process.pid, patience_s))


def run_together(
    commands: Sequence[Sequence[str]],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
) -> list[int]:
    """Start all commands at once and return their exit statuses."""
    with _environment(environment, None) as variables, _sink() as sink:
        started = [
            subprocess.Popen(list(command), env=variables, stdout=sink, stderr=sink) for command in commands
        ]
        return [process.wait(timeout_s) for process in started]


@contextmanager
def _environment(added: Mapping[str, str] | None, fault: Fault | None) -> Generator[dict[str, str]]:
    variables = {**os.environ, **(added or {})}
    variables.pop(faults.VARIABLE, None)
    if fault is None:
        yield variables
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(faults.__file__, Path(folder) / "sitecustomize.py")
        specification: dict[str, str | int | float] = {"counter": str(Path(folder) / "count")}
        if fault.call:
            specification |= {
                "call": fault.call,
                "nth": fault.nth,
                "action": fault.action,
                "within": fault.within,
            }
        if fault.clock_s:
            specification["clock"] = fault.clock_s
        variables[faults.VARIABLE] = json.dumps(specification)
        variables["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, [variables.get("PYTHONPATH")])])
        yield variables


def _sink() -> IO[bytes]:
    """Return a file for what a command prints: unlike a pipe, children that live on cannot block its reader."""
    return tempfile.TemporaryFile()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> int:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _orphans(group: int, patience_s: float = 5.0) -> bool:
    """Return whether a command's children are still there after a while, and end them."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.01)
    os.killpg(group, signal.SIGKILL)
    return True

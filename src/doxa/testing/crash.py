"""The crash harness: start a command, kill it at a random moment, start it again, compare with an undisturbed run."""

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

import numpy as np

from doxa.lab.files import sha256
from doxa.testing import faults


class Fault(NamedTuple):
    """A fault of the machine; see ``doxa.testing.faults`` for the actions.

    Attributes:
        call: the operation of ``os`` it strikes at.
        nth: at which of its calls, counted from 1 over all processes of the command.
        action: ``kill``, ``kill-after``, ``torn``, or an error such as ``ENOSPC``.
        clock_s: seconds that the wall clock jumps at every look, negative for back.
    """

    call: str = ""
    nth: int = 1
    action: str = "kill"
    clock_s: float = 0.0


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


class CrashReport(NamedTuple):
    """What became of a run that was killed and resumed.

    Attributes:
        kills: how many processes were killed; a run that ended before its moment is not one.
        differences: files that are missing, extra or other than in the undisturbed run.
        leftovers: temporary files that were still there at the end.
        damaged: cells that had to be set aside as unreadable.
        orphans: how often a killed command left children at work.
        final: how the last, undisturbed command ended.
    """

    kills: int
    differences: tuple[str, ...]
    leftovers: tuple[str, ...]
    damaged: tuple[str, ...]
    orphans: int
    final: Ended

    @property
    def problems(self) -> list[str]:
        """What went wrong, in words; empty if the run came out as if it had never been killed."""
        found = [f"differs: {name}" for name in self.differences[:3]]
        found += [f"left behind: {name}" for name in self.leftovers[:3]]
        found += [f"unreadable: {name}" for name in self.damaged[:3]]
        found += ["children outlived a killed run"] * (self.orphans > 0)
        found += [f"exit status {self.final.status}: {self.final.stderr[-300:]}"] * (self.final.status != 0)
        return found


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


def crash_and_resume(
    command: Sequence[str],
    out: Path,
    reference: Mapping[str, str],
    *,
    kills: int,
    rng: np.random.Generator,
    span_s: float = 0.5,
    environment: Mapping[str, str] | None = None,
) -> CrashReport:
    """Kill a command ``kills`` times, each time in the recovery of the last, then let it end and compare.

    Half of the kills come at a random time after the run's folder appeared, half at a random file operation:
    before it, after it, or with the file cut in half.

    Args:
        command: a command that writes runs into ``out``.
        out: folder of the runs, empty at first.
        reference: ``run_files`` of an undisturbed run.
        kills: how many times to kill.
        rng: chooses the moments.
        span_s: longest time after the folder appeared.
        environment: variables added to the command's.
    """
    ends: list[Ended] = []
    for _ in range(kills):
        if rng.random() < 0.5:
            ends.append(kill_after(command, out, float(rng.uniform(0.0, span_s)), environment=environment))
        else:
            ends.append(run_command(command, environment=environment, fault=random_fault(rng)))
    final = run_command(command, environment=environment)
    return CrashReport(
        kills=sum(end.killed for end in ends),
        differences=differences(reference, run_files(out)),
        leftovers=leftovers(out),
        damaged=damaged_cells(out),
        orphans=sum(end.orphans for end in ends),
        final=final,
    )


_MOMENTS = {"fsync": 60, "rename": 10, "replace": 4, "mkdir": 12}
"""How many calls of each operation even a small run makes."""


def random_fault(rng: np.random.Generator) -> Fault:
    """Return a kill at one of the first file operations of a command."""
    call = str(rng.choice(["fsync", "fsync", "fsync", "rename", "replace", "mkdir"]))
    action = str(rng.choice(["kill", "kill-after", "torn"] if call == "fsync" else ["kill", "kill-after"]))
    return Fault(call, int(rng.integers(1, _MOMENTS[call] + 1)), action)


def run_files(out: Path) -> dict[str, str]:
    """Return the digest of every file that must be equal between two runs: cells, findings and figures."""
    return {
        str(path.relative_to(out)): sha256(path.read_bytes())
        for path in sorted(out.rglob("*"))
        if path.is_file() and _counts(path.relative_to(out).parts)
    }


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that only one side has or that differ."""
    return tuple(sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)))


def leftovers(out: Path) -> tuple[str, ...]:
    """Return temporary files and folders that writers left."""
    return tuple(sorted(str(path.relative_to(out)) for path in out.rglob(".*.tmp")))


def damaged_cells(out: Path) -> tuple[str, ...]:
    """Return cells that were set aside as unreadable."""
    return tuple(sorted(str(path.relative_to(out)) for path in out.glob("*/damaged/*")))


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


def _counts(parts: Sequence[str]) -> bool:
    inside = parts[1:]
    if not inside or any(part.startswith(".") for part in parts):
        return False
    return inside[0] in ("cells", "figures", "findings.json")


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
            specification |= {"call": fault.call, "nth": fault.nth, "action": fault.action}
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

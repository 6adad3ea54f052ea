"""The crash harness: start a command, kill it at a random moment, start it again, compare with an undisturbed run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from doxa.lab.files import sha256
from doxa.testing.processes import Ended, Fault, kill_after, run_command


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


def _counts(parts: Sequence[str]) -> bool:
    inside = parts[1:]
    if not inside or any(part.startswith(".") for part in parts):
        return False
    return inside[0] in ("cells", "figures", "findings.json")

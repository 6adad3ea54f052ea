"""What a bar returns, and the small study it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from doxa.testing.crash import run_files
from doxa.testing.processes import Ended, doxa_command, run_command

COINS = str(Path(__file__).resolve().parents[2] / "tests" / "studies_for_tests" / "coins.py")
"""The smallest study that has everything a study has."""


@dataclass
class Outcome:
    """How a bar went.

    Attributes:
        size: what the load was, in words.
        tried: how many things were tried.
        failures: what went wrong, one line each.
    """

    size: str
    tried: int = 0
    failures: list[str] = field(default_factory=list[str])

    def check(self, holds: object, failure: str) -> None:
        """Count one trial, and its failure if it did not hold."""
        self.tried += 1
        if not holds:
            self.failures.append(failure)


def coins(out: Path, *more: str, seeds: int = 4) -> list[str]:
    """Return the command that runs the study of coins into a folder."""
    return doxa_command("run", COINS, "--out", str(out), "--set", f"seeds={seeds}", *more)


def undisturbed(out: Path, *more: str, seeds: int = 4) -> dict[str, str]:
    """Run the study of coins without any fault and return its files."""
    ended = run_command(coins(out, *more, seeds=seeds))
    if ended.status != 0:
        raise RuntimeError(f"the undisturbed run failed: {ended.stderr[-1000:]}")
    return run_files(out)


def traceback_in(ended: Ended) -> bool:
    """Return whether a command ended in a traceback instead of a named error."""
    return "Traceback (most recent call last)" in ended.stderr

"""Bar 3, two writers: many processes write one run at once; every cell is computed once and none is lost."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from bars.kills import WRITER
from bars.outcome import Outcome, coins, undisturbed
from doxa.subjects.cache import Journal
from doxa.testing.crash import differences, leftovers, run_files
from doxa.testing.processes import run_together

FULL_SECONDS = 60.0


def run(full: bool, folder: Path) -> Outcome:
    """Start the same command many times at once, again and again for a minute."""
    writers, seeds = (8, 40) if full else (4, 8)
    outcome = Outcome(f"{writers} processes, {FULL_SECONDS if full else 0:.0f} s")
    reference = undisturbed(folder / "reference", seeds=seeds)
    end = time.monotonic() + (FULL_SECONDS if full else 0.0)
    turn = 0
    while turn == 0 or time.monotonic() < end:
        turn += 1
        out, log = folder / f"shared-{turn}", folder / f"log-{turn}"
        statuses = run_together([coins(out, seeds=seeds)] * writers, environment={"COINS_LOG": str(log)})
        outcome.check(statuses == [0] * writers, f"turn {turn}: exit statuses {statuses}")
        counts = Counter(log.read_text().splitlines())
        for cell, count in counts.items():
            outcome.check(count == 1, f"turn {turn}: {cell} computed {count} times")
        outcome.check(len(counts) == 3 * seeds, f"turn {turn}: {3 * seeds - len(counts)} cells lost")
        lost = differences(reference, run_files(out)) + leftovers(out)
        outcome.check(not lost, f"turn {turn}: {len(lost)} files differ, first {lost[:1]}")
    _journal(outcome, folder, writers, 400 if full else 30)
    return outcome


def _journal(outcome: Outcome, folder: Path, writers: int, batches: int) -> None:
    """Let all write the same answers into one journal: one answer per key, and all writers hold the same one."""
    path, log = folder / "replies.sqlite", folder / "written"
    commands = [
        [sys.executable, str(WRITER), str(path), str(log), f"{writer}", str(batches)]
        for writer in range(writers)
    ]
    statuses = run_together(commands)
    outcome.check(statuses == [0] * writers, f"journal: exit statuses {statuses}")
    held: dict[str, set[str]] = {}
    for line in log.read_text().splitlines():
        key, _, value = line.partition(" ")
        held.setdefault(key, set()).add(value)
    with Journal(path) as journal:
        for (key, values), found in zip(held.items(), journal.look_up(list(held)), strict=True):
            outcome.check(
                values == {found.value}, f"journal: {key} was {values}, is {found.value!r} ({found.problem})"
            )
        calls = journal.calls()
    outcome.check(len(held) == 8 * batches, f"journal: {8 * batches - len(held)} answers lost")
    outcome.check(
        len(calls) == 8 * batches * writers, f"journal: {len(calls)} calls of {8 * batches * writers}"
    )

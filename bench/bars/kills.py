"""Bar 1, kill and resume: SIGKILL at random moments, then the same command; the run must not show it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bars.outcome import Outcome, coins, undisturbed
from doxa.streams import stream
from doxa.subjects.cache import Journal
from doxa.testing.crash import crash_and_resume, run_files
from doxa.testing.processes import doxa_command, kill_after, run_command

FULL_KILLS = 200
WRITER = Path(__file__).with_name("journal_writer.py")
TRAINER = Path(__file__).with_name("policy_trainer.py")
_SEEDS = 4
_CELLS = 3 * _SEEDS
_OTHERS = {
    "context": (
        "audit",
        "planted:drifting?rate=0.3",
        "--preset",
        "quick",
        "--set",
        "protocols=context-drift",
    ),
    "training": (
        *("run", "kable", "--preset", "quick", "--set", "steps=20", "--set", "n_entities=8"),
        *("--set", "seeds=1", "--set", "sweep_seeds=1"),
    ),
    "population": (
        *("simulate", "epidemic", "--agents", "100000", "--days", "200", "--seeds", "1"),
        *("--graph", "ba?m=5", "--set", "vaccinate=5,10"),
    ),
}
"""Runs over a context, training steps and days, beside the study of coins: what is asked or trained in each cell."""


def run(full: bool, folder: Path) -> Outcome:
    """Kill and resume chains of two or three kills, inline and in a pool, until enough kills have struck."""
    wanted = FULL_KILLS if full else 5
    reference = undisturbed(folder / "reference", seeds=_SEEDS)
    more = f", 20 each of {', '.join(_OTHERS)} and policy runs, 50 of a journal"
    outcome = Outcome(f"{wanted} kills" + (more if full else ""))
    rng = stream(0, "bars", "kills")
    chain = 0
    while outcome.tried < wanted:
        chain += 1
        pool = chain % 4 == 0
        strikes = 2 + chain % 2
        out, log = folder / f"chain-{chain}", folder / f"log-{chain}"
        more = ("--executor", "processes", "--workers", "2") if pool else ()
        report = crash_and_resume(
            coins(out, *more, seeds=_SEEDS),
            out,
            reference,
            kills=strikes,
            rng=rng,
            environment={"COINS_LOG": str(log)},
        )
        outcome.tried += report.kills
        computed = len(log.read_text().splitlines()) if log.exists() else 0
        allowed = _CELLS + strikes * (
            2 if pool else 1
        )  # in a pool a strike may kill a worker instead of the run
        problems = report.problems + [f"{computed} cells computed, {allowed} allowed"] * (computed > allowed)
        outcome.failures += [f"chain {chain}: {problem}" for problem in problems]
    for name, arguments in _OTHERS.items() if full else ():
        command = doxa_command(*arguments, "--out")
        _other(outcome, folder / name, command, 20, rng)
    _other(outcome, folder / "policy", [sys.executable, str(TRAINER)], 20 if full else 2, rng)
    _journal(outcome, folder, 50 if full else 2, rng)
    return outcome


def _other(
    outcome: Outcome, folder: Path, begin: Sequence[str], kills: int, rng: np.random.Generator
) -> None:
    """Kill and resume chains of two kills of a run that is longer than that of coins; its folder ends the command."""
    ended = run_command([*begin, str(folder / "reference")], timeout_s=900.0)
    outcome.check(ended.status == 0, f"{folder.name}: the undisturbed run failed: {ended.stderr[-300:]}")
    reference = run_files(folder / "reference")
    for chain in range(kills // 2):
        out = folder / f"chain-{chain}"
        report = crash_and_resume([*begin, str(out)], out, reference, kills=2, rng=rng, span_s=5.0)
        outcome.tried += report.kills
        outcome.failures += [f"{folder.name} chain {chain}: {problem}" for problem in report.problems]


def _journal(outcome: Outcome, folder: Path, kills: int, rng: np.random.Generator) -> None:
    """Kill a process that writes answers into one journal; what it said it had written must be there."""
    path, log = folder / "replies.sqlite", folder / "written"
    for number in range(kills):
        begun = log if number == 0 else path
        command = [sys.executable, str(WRITER), str(path), str(log), f"{number}", "1000000"]
        ended = kill_after(command, begun, float(rng.uniform(0.3, 1.0)))
        outcome.check(ended.killed, f"journal: {ended.stderr[-300:]}")
    said = [line.split(" ", 1) for line in log.read_text().splitlines() if line.endswith(".")]
    with Journal(path) as journal:
        for (key, value), found in zip(said, journal.look_up([key for key, _ in said]), strict=True):
            if found.value != value:
                outcome.failures.append(
                    f"journal: {key} holds {found.value!r} ({found.problem}), {value!r} was written"
                )

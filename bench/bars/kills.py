"""Bar 1, kill and resume: SIGKILL at random moments, then the same command; the run must not show it."""

from __future__ import annotations

from pathlib import Path

from bars.outcome import Outcome, coins, undisturbed
from doxa.streams import stream
from doxa.testing.crash import crash_and_resume

FULL_KILLS = 200
_SEEDS = 4
_CELLS = 3 * _SEEDS


def run(full: bool, folder: Path) -> Outcome:
    """Kill and resume chains of two or three kills, inline and in a pool, until enough kills have struck."""
    wanted = FULL_KILLS if full else 5
    reference = undisturbed(folder / "reference", seeds=_SEEDS)
    outcome = Outcome(f"{wanted} kills")
    rng = stream(0, "bars", "kills")
    chain = 0
    while outcome.tried < wanted:
        chain += 1
        pool = chain % 4 == 0
        out, log = folder / f"chain-{chain}", folder / f"log-{chain}"
        more = ("--executor", "processes", "--workers", "2") if pool else ()
        report = crash_and_resume(
            coins(out, *more, seeds=_SEEDS),
            out,
            reference,
            kills=2 + chain % 2,
            rng=rng,
            environment={"COINS_LOG": str(log)},
        )
        outcome.tried += report.kills
        computed = len(log.read_text().splitlines()) if log.exists() else 0
        allowed = _CELLS + report.kills * (2 if pool else 1)
        problems = report.problems + [f"{computed} cells computed, {allowed} allowed"] * (computed > allowed)
        outcome.failures += [f"chain {chain}: {problem}" for problem in problems]
    return outcome

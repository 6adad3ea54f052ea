"""Bar 9, same seed same bytes: a run twice, in fresh processes, with other hash seeds, gives the same files."""

from __future__ import annotations

from pathlib import Path

from bars.outcome import COINS, Outcome
from doxa.lab.declaration import studies
from doxa.testing.crash import differences, run_files
from doxa.testing.processes import doxa_command, run_command


def run(full: bool, folder: Path) -> Outcome:
    """Run every study at its quick size (the study of coins and a planted audit where small) twice."""
    runs: dict[str, list[str]] = {"coins": ["run", COINS]}
    if full:
        runs |= {slug: ["run", slug] for slug in studies.names() if slug != "audit"}
    runs["audit"] = ["audit", "planted:drifting?rate=0.3"] + (
        [] if full else ["--set", "protocols=context-drift"]
    )
    outcome = Outcome(f"{len(runs)} runs, twice")
    for name, arguments in runs.items():
        files: list[dict[str, str]] = []
        for hash_seed in ("1", "77"):
            out = folder / f"{name}-{hash_seed}"
            command = doxa_command(*arguments, "--preset", "quick", "--out", str(out))
            ended = run_command(command, environment={"PYTHONHASHSEED": hash_seed}, timeout_s=900.0)
            outcome.check(ended.status == 0, f"{name}: status {ended.status}: {ended.stderr[-300:]}")
            files.append(run_files(out))
        other = differences(*files)
        outcome.check(
            files[0] and not other, f"{name}: {len(other)} of {len(files[0])} files differ, first {other[:2]}"
        )
    return outcome

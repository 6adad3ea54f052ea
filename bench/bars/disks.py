"""Bar 2, bad disks: full, broken and read-only disks, a clock that goes back, files cut short and bits turned over."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import numpy as np

from bars.outcome import COINS, Outcome, coins, traceback_in, undisturbed
from doxa.errors import StoreError
from doxa.lab.record import Tables
from doxa.lab.run import run_study
from doxa.lab.store import RunFolder
from doxa.streams import stream
from doxa.testing.crash import differences, leftovers, run_files
from doxa.testing.damage import bit_flips, truncations
from doxa.testing.processes import Ended, Fault, run_command

FULL_DAMAGES = 1000
"""Truncations, and as many bit flips."""

_ERRORS = ("ENOSPC", "EIO", "EROFS")


def run(full: bool, folder: Path) -> Outcome:
    """Run the study of coins on bad disks, and read damaged files."""
    damages, faults = (FULL_DAMAGES, 45) if full else (60, 3)
    outcome = Outcome(f"{damages} truncations, {damages} bit flips, {faults} failing disks")
    rng = stream(0, "bars", "disks")
    reference = undisturbed(folder / "reference")
    _failing_calls(outcome, folder, reference, faults, rng)
    _real_disks(outcome, folder, reference)
    _clock(outcome, folder, reference, (-3600.0, 86400.0) if full else (-3600.0,))
    _damaged_files(outcome, folder, damages, rng)
    return outcome


def _failing_calls(
    outcome: Outcome, folder: Path, reference: dict[str, str], count: int, rng: np.random.Generator
) -> None:
    """Let a call of the system fail from some moment on: the run fails by name, and goes on when the disk is well."""
    for trial in range(count):
        out = folder / f"failing-{trial}"
        call, limit = [("fsync", 70), ("open", 50), ("rename", 11), ("replace", 4), ("mkdir", 14)][trial % 5]
        fault = Fault(call, int(rng.integers(1, limit + 1)), _ERRORS[trial % 3])
        ended = run_command(coins(out), fault=fault)
        _named(outcome, ended, f"{fault}")
        again = run_command(coins(out))
        outcome.check(
            again.status == 0 and not differences(reference, run_files(out)) and not leftovers(out),
            f"{fault}: the disk is well again, and the run is not: {again.stderr[-300:]}",
        )


def _real_disks(outcome: Outcome, folder: Path, reference: dict[str, str]) -> None:
    """A disk of 64 kB, and a disk that becomes read-only under a finished run; where mounting is allowed."""
    with _small_disk(folder / "disk", 64) as disk:
        if disk is None:
            outcome.size += ", none that could be mounted"
            return
        out = disk / "runs"
        _named(outcome, run_command(coins(out)), "a full disk")
        _mount("-o", "remount,size=64m", str(disk))
        again = run_command(coins(out))
        outcome.check(
            again.status == 0 and not differences(reference, run_files(out)),
            "a full disk: not the same run after it",
        )
        _mount("-o", "remount,ro", str(disk))
        (name,) = (path.name for path in out.iterdir() if path.is_dir())
        shown = run_command([*coins(out)[:3], "show", name, "--out", str(out), "--json"])
        outcome.check(
            shown.status == 0, f"a finished run cannot be shown from a read-only disk: {shown.stderr[-300:]}"
        )
        _named(outcome, run_command(coins(out, "--set", "shift=0.1")), "a read-only disk")


def _clock(outcome: Outcome, folder: Path, reference: dict[str, str], steps_s: tuple[float, ...]) -> None:
    for step_s in steps_s:
        out = folder / f"clock{step_s:+.0f}"
        ended = run_command(coins(out), fault=Fault(clock_s=step_s))
        outcome.check(
            ended.status == 0 and not differences(reference, run_files(out)),
            f"clock steps of {step_s} s: another run",
        )


def _damaged_files(outcome: Outcome, folder: Path, count: int, rng: np.random.Generator) -> None:
    """Damage every kind of file of a finished run: what is read back is exact, or a StoreError says it is not."""
    (place,) = (path for path in (folder / "reference").iterdir() if path.is_dir())
    copy = folder / "damaged" / place.name
    shutil.copytree(place, copy)
    run_folder = RunFolder(copy)
    keys = sorted(path.name for path in run_folder.cells.iterdir())
    exact = {key: run_folder.read(key) for key in keys}
    names = [f"{name}.parquet" for name in Tables._fields] + ["cell.json"]
    files = [run_folder.cells / keys[0] / name for name in names]
    files += [copy / "manifest.json", copy / "findings.json"]
    for path in files:
        data = path.read_bytes()
        share = -(-count // len(files))
        for damage in (*truncations(data, share, rng), *bit_flips(data, share, rng)):
            path.write_bytes(damage.data)
            fine = _exact_or_named(run_folder, path, exact[keys[0]])
            outcome.check(fine, f"{path.name} {damage.what}: a wrong answer")
        path.write_bytes(data[: len(data) // 2])
        others = all(_equal(run_folder.read(key), exact[key]) for key in keys[1:])
        outcome.check(others, f"{path.name} damaged: other cells cannot be read")
        run_study(COINS, overrides={"seeds": 4}, out=folder / "damaged")
        left = differences(run_files(folder / "reference"), run_files(folder / "damaged"))
        outcome.check(not left, f"{path.name} damaged: the same command does not mend it: {left[:2]}")


def _exact_or_named(run_folder: RunFolder, path: Path, exact: Tables) -> bool:
    try:
        if path.parent == run_folder.path:
            before = RunFolder(run_folder.path.parents[1] / "reference" / run_folder.path.name).read_json(
                path.name
            )
            return run_folder.read_json(path.name) == before
        return _equal(run_folder.read(path.parent.name), exact)
    except StoreError:
        return True


def _equal(a: Tables, b: Tables) -> bool:
    return all(x.equals(y, null_equal=True) for x, y in zip(a, b, strict=True))


def _named(outcome: Outcome, ended: Ended, what: str) -> None:
    fine = ended.status == 0 or (
        ended.status in (1, 2) and not traceback_in(ended) and "doxa:" in ended.stderr
    )
    outcome.check(fine, f"{what}: status {ended.status}, {ended.stderr[-300:]}")


@contextlib.contextmanager
def _small_disk(place: Path, kilobytes: int) -> Generator[Path | None]:
    place.mkdir()
    if not _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "doxa-bar", str(place)):
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=False, capture_output=True)


def _mount(*arguments: str) -> bool:
    mount = shutil.which("mount")
    return (
        mount is not None
        and subprocess.run([mount, *arguments], check=False, capture_output=True).returncode == 0
    )

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.testing import bit_flips, truncations
from doxa.testing.crash import differences, leftovers, run_files
from doxa.testing.processes import Fault, kill_after, run_command

WRITE = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
for name in ("a", "b", "c"):
    with open(folder / f".{name}.tmp", "wb") as file:
        file.write(b"0123456789")
        file.flush()
        os.fsync(file.fileno())
    os.replace(folder / f".{name}.tmp", folder / name)
"""


def write(folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    return [sys.executable, "-S", "-c", "import sitecustomize\n" + WRITE, str(folder)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("fault", "left", "size"),
    [
        (Fault("fsync", 2, "kill"), [".b.tmp", "a"], 10),
        (Fault("fsync", 2, "torn"), [".b.tmp", "a"], 5),
        (Fault("replace", 2, "kill"), [".b.tmp", "a"], 10),
        (Fault("replace", 2, "kill-after"), ["a", "b"], None),
    ],
)
def test_a_kill_strikes_where_it_should(
    fault: Fault, left: list[str], size: int | None, tmp_path: Path
) -> None:
    ended = run_command(write(tmp_path / "f"), fault=fault)
    assert ended.killed
    assert names(tmp_path / "f") == left
    assert leftovers(tmp_path) == (() if size is None else ("f/.b.tmp",))
    if size is not None:
        assert (tmp_path / "f" / ".b.tmp").stat().st_size == size


def test_a_disk_that_fails_stays_failed(tmp_path: Path) -> None:
    ended = run_command(write(tmp_path / "f"), fault=Fault("fsync", 2, "ENOSPC"))
    assert ended.status == 1
    assert "No space left on device" in ended.stderr
    assert names(tmp_path / "f") == [".b.tmp", "a"]


def test_the_clock_can_go_back() -> None:
    code = "import sitecustomize, time; a = time.time(); print(time.time() - a)"
    ended = run_command([sys.executable, "-S", "-c", code], fault=Fault(clock_s=-100.0))
    assert -101.0 < float(ended.stdout) < -99.0


def test_without_a_fault_nothing_is_changed(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    ended = run_command([sys.executable, "-c", WRITE, str(folder)])
    assert ended.status == 0
    assert names(folder) == ["a", "b", "c"]


def test_children_that_outlive_a_killed_command_are_seen(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').close()\n"
        "time.sleep(60)"
    )
    begun = tmp_path / "begun"
    ended = kill_after([sys.executable, "-c", code, str(begun)], begun, 0.01, patience_s=0.2)
    assert ended.killed
    assert ended.orphans


def test_what_must_be_equal_between_runs(tmp_path: Path) -> None:
    for out, seconds in (("one", "1"), ("two", "2")):
        cell = tmp_path / out / "run" / "cells" / "key"
        cell.mkdir(parents=True)
        (cell / "beliefs.parquet").write_bytes(b"rows")
        (tmp_path / out / "run" / "manifest.json").write_text(seconds)
        (cell.parent / ".key.tmp").write_text(seconds)
    files = run_files(tmp_path / "one")
    assert list(files) == ["run/cells/key/beliefs.parquet"]
    assert differences(files, run_files(tmp_path / "two")) == ()
    (tmp_path / "two" / "run" / "cells" / "key" / "beliefs.parquet").write_bytes(b"rowz")
    (tmp_path / "two" / "run" / "findings.json").write_text("{}")
    assert len(differences(files, run_files(tmp_path / "two"))) == 2


@given(st.binary(min_size=1, max_size=64), st.integers(1, 80), st.integers(0, 5))
def test_damage_changes_the_bytes_and_only_so(data: bytes, count: int, seed: int) -> None:
    cut = list(truncations(data, count, stream(seed, "cut")))
    assert len({damage.what for damage in cut}) == len(cut) == min(count, len(data))
    assert all(data.startswith(damage.data) and len(damage.data) < len(data) for damage in cut)
    for damage in bit_flips(data, count, stream(seed, "flip")):
        changed = np.unpackbits(np.frombuffer(data, np.uint8) ^ np.frombuffer(damage.data, np.uint8))
        assert changed.sum() == 1


def test_nothing_cannot_be_damaged() -> None:
    with pytest.raises(InputError, match="no bytes"):
        next(truncations(b"", 1, stream(0, "x")))
    with pytest.raises(InputError, match="no bytes"):
        next(bit_flips(b"", 1, stream(0, "x")))

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doxa.errors import StoreError
from doxa.lab.files import exclusive, sweep_temporary, together, write_atomic, write_folder
from doxa.lab.record import Tables
from doxa.lab.store import RunFolder


def test_an_atomic_write_replaces_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left.*--out"):
        write_atomic(path, b"new")
    with pytest.raises(StoreError):
        write_folder(tmp_path / "folder", {"a": b"1"})
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_appears_once(tmp_path: Path) -> None:
    assert write_folder(tmp_path / "cell", {"a": b"1"})
    assert not write_folder(tmp_path / "cell", {"a": b"2"})
    assert (tmp_path / "cell" / "a").read_bytes() == b"1"
    assert sweep_temporary(tmp_path) == 0


def test_a_lock_is_held_by_one_or_by_many_together(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "run"
    called: list[str] = []
    first, second = (
        together(path, lambda: called.append("first")),
        together(path, lambda: called.append("second")),
    )
    with first, second, exclusive(path, wait=False) as got:
        assert not got
    with exclusive(path, wait=False) as got:
        assert got
    assert called == ["first"]
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"), exclusive(tmp_path / "file" / "lock"):
        pass


def test_what_a_writer_at_work_has_begun_is_not_swept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    left = folder.cells / ".key.0.tmp"
    left.mkdir(parents=True)
    with folder.at_work():
        assert not left.exists()
        left.mkdir()
        with folder.at_work():
            assert left.exists()
    with folder.at_work():
        assert not left.exists()


def test_a_cell_that_another_writer_just_finished_is_not_set_aside(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.claim("key"), folder.claim("key", wait=False) as held:
        assert not held
    assert folder.write("key", {}, Tables.empty())
    assert folder.has("key")
    folder.set_aside("key")
    assert not folder.has("key")

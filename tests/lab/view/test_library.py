"""The script that draws figures: made once in another process, kept, made again where what is kept is damaged."""

from __future__ import annotations

import subprocess

import pytest

from doxa.errors import StoreError
from doxa.lab.view.library import Library, vega_script


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Count how often the script is made; making it gives a short one."""
    calls = []

    def run(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, b"window.vegaEmbed = 1;", b"")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_it_is_kept_and_carries_the_theme(made, tmp_path):
    library = Library()
    assert library.get() == library.get() == vega_script()
    assert len(made) == 1
    assert library.get().startswith(b"window.vegaEmbed = 1;\nwindow.doxaTheme = {")
    (kept,) = (tmp_path / "doxa" / "view").iterdir()
    kept.write_bytes(kept.read_bytes() + b" // changed")
    assert vega_script() == library.get()
    assert len(made) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert vega_script() == vega_script()
    assert len(made) == 2


def test_what_went_wrong_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, b"", b"Traceback\nImportError: no vl_convert")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    library = Library()
    library.start()  # a warning of this thread would fail the test
    with pytest.raises(StoreError, match="could not be made: ImportError: no vl_convert"):
        library.get()
    assert not list(tmp_path.rglob("*.js"))

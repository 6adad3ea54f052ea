"""Every reliability bar at its small size; ``doxa bench hard --bar N`` runs the stated one."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hard


@pytest.mark.slow
@pytest.mark.parametrize("bar", sorted(hard.BARS))
def test_bar(bar: int, tmp_path: Path) -> None:
    outcome = importlib.import_module(f"bars.{hard.BARS[bar]}").run(full=False, folder=tmp_path)
    assert outcome.tried > 0
    assert not outcome.failures, "\n".join(outcome.failures[:20])


def test_every_bar_is_found_from_any_folder(tmp_path: Path) -> None:
    """The command does not have the tests' paths."""
    load = "import importlib, hard; [importlib.import_module(f'bars.{bar}') for bar in hard.BARS.values()]"
    bench = str(Path(hard.__file__).parent)
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {bench!r}); {load}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]

"""Every reliability bar at its small size; ``doxa bench hard --bar N`` runs the stated one."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from hard import BARS


@pytest.mark.slow
@pytest.mark.parametrize("bar", sorted(BARS))
def test_bar(bar: int, tmp_path: Path) -> None:
    outcome = importlib.import_module(f"bars.{BARS[bar]}").run(full=False, folder=tmp_path)
    assert outcome.tried > 0
    assert not outcome.failures, "\n".join(outcome.failures[:20])

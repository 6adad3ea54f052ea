"""Every registered study keeps its contract, at its quick size."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxa.lab.declaration import studies
from doxa.testing import check_study

SMALLER = {
    "context-drift": {"steps": 30, "contexts": 16},
    "conversation-representations": {"steps": 30, "restarts": 2},
    "layer-of-truth": {"base_steps": 30, "steps": 10},
}
"""Settings of cells that are computed twice, where one takes twenty seconds."""


@pytest.mark.slow
@pytest.mark.parametrize("slug", [slug for slug in studies.names() if not studies.get(slug).required])
def test_registered(slug: str, quick_runs: Path) -> None:
    check_study(slug, smaller=SMALLER.get(slug), out=quick_runs)

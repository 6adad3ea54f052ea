"""Every registered study keeps its contract, at its quick size."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxa.lab.declaration import studies
from doxa.testing import check_study


@pytest.mark.slow
@pytest.mark.parametrize("slug", [slug for slug in studies.names() if not studies.get(slug).required])
def test_registered(slug: str, quick_runs: Path) -> None:
    check_study(slug, out=quick_runs)

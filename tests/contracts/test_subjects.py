"""Every planted subject keeps the subject contract; organisms and the others join in their own tests."""

from __future__ import annotations

import pytest

from doxa.subjects.addresses import open_subject
from doxa.subjects.planted import planted_names
from doxa.testing import check_subject


@pytest.mark.parametrize("name", planted_names())
def test_planted(name: str) -> None:
    check_subject(open_subject(f"planted:{name}"))

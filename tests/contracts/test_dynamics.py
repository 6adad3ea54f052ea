"""Every registered dynamics keeps its contract."""

from __future__ import annotations

import pytest

from doxa.subjects.planted import MINDS
from doxa.testing import check_dynamics
from doxa.worlds.micro import Attitude, Fact, Report, Stance

EVENTS = [
    Stance("tax", True),
    Report("atlas", False),
    Fact("peru", "red"),
    Attitude("i", Fact("peru", "blue")),
    Stance("opera", False),
]


@pytest.mark.parametrize("name", sorted(MINDS))
def test_minds_of_planted_subjects(name: str) -> None:
    check_dynamics(MINDS[name], MINDS[name].config(), EVENTS)

"""Every registered dynamics keeps its contract."""

from __future__ import annotations

import pytest

from doxa.dynamics import dynamics
from doxa.testing import check_dynamics


@pytest.mark.parametrize("name", dynamics.names())
def test_registered(name: str) -> None:
    check_dynamics(dynamics.get(name)())


def test_the_minds_of_planted_subjects_are_registered() -> None:
    assert {"planted-bayesian", "planted-drifting"} <= set(dynamics.names())

"""The model of ``bench/society_shards.py``: what it is fitted on, and that it promises no more than was measured."""

from __future__ import annotations

import numpy as np
import pytest
from society_shards import Point, fit, predicted


def test_costs_are_found_again_and_none_is_below_zero():
    costs = np.array([2e-9, 5e-9, 1e-4, 0.0])
    made_of = [
        np.array([work / parts, values * (parts > 1), 1.0, parts - 1])
        for work, values in ((1e4, 1e3), (1e6, 4e4), (1e7, 9e5))
        for parts in (1, 2, 4)
    ]
    assert fit([Point("g", 1, 1, one, float(one @ costs)) for one in made_of]) == pytest.approx(
        costs, abs=1e-10
    )


def test_no_part_of_many_does_more_than_one_of_two_and_errors_make_the_interval():
    found = predicted({4: 3.0, 8: 9.0}, [0.5, 0.8, 1.2], best=1.9)
    assert found == {"4": [2.4, 1.5, 3.6], "8": [7.2, 4.5, 7.6]}

"""What is kept at equal score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.training.frontier import kept_at_equal_score


def test_by_hand():
    # the last of three points is at 0.8; the reference has 0.8 (weight 1) and 0.75 (weight 1/3)
    found = kept_at_equal_score(
        np.array([0.2, 0.5, 0.8]),
        np.array([2.0, 1.5, 1.0]),
        np.array([0.8, 0.75, 0.2]),
        np.array([0.4, 0.8, 9.0]),
    )
    assert found == pytest.approx(1.0 - (0.4 + 0.8 / 3) / (4 / 3))


def test_slower_training_on_the_same_curve_keeps_nothing_more():
    # two runs on one line from score to entropy, one of them slower: at equal steps it keeps more, at equal score not
    fast, slow = np.linspace(0.2, 0.9, 60), np.linspace(0.2, 0.5, 60)
    assert (2 - 2 * slow)[-1] > (2 - 2 * fast)[-1] + 0.5
    assert abs(kept_at_equal_score(slow, 2 - 2 * slow, fast, 2 - 2 * fast)) < 0.01


@given(st.floats(-3, 3), st.integers(1, 12))
def test_a_shifted_curve_is_found(shift: float, points: int):
    score = np.linspace(0.2, 0.9, points)
    grid = np.linspace(0.0, 1.2, 400)
    found = kept_at_equal_score(score, 1 - score + shift, grid, 1 - grid)
    assert found == pytest.approx(shift, abs=0.01)


def test_without_a_reference_there_is_no_number():
    assert np.isnan(kept_at_equal_score(np.array([0.2]), np.array([1.0]), np.array([0.9]), np.array([1.0])))


@pytest.mark.parametrize("last", [0.0, 1.5])
def test_bad_input_is_named(last: float):
    one = np.array([0.5])
    with pytest.raises(InputError, match=r"last="):
        kept_at_equal_score(one, one, one, one, last=last)
    with pytest.raises(InputError, match=r"one number to each"):
        kept_at_equal_score(one, np.array([1.0, 2.0]), one, one)

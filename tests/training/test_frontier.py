"""What is kept at equal score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.training.frontier import kept_at_equal_score


def test_by_hand():
    # the last of three points is at 0.8; the reference has 0.8 (weight 3/4) and 0.75 (weight 1/4), 0.0125 below it in
    # the mean, with a slope that the noise of scores flattens
    found = kept_at_equal_score(
        np.array([0.2, 0.5, 0.8]),
        np.array([2.0, 1.5, 1.0]),
        np.array([0.8, 0.75, 0.2]),
        np.array([0.4, 0.8, 9.0]),
    )
    variance = 3 / 4 * 0.0125**2 + 1 / 4 * 0.0375**2
    slope = (3 / 4 * 0.0125 * 0.4 - 1 / 4 * 0.0375 * 0.8) / (variance + 1e-4)
    assert found == pytest.approx(1.0 - (3 / 4 * 0.4 + 1 / 4 * 0.8) - slope * 0.0125)


def levelling(last: float, speed: float) -> np.ndarray:
    """Return scores of a training that slows down, at 16 evaluations."""
    time = np.linspace(0.0, 1.0, 16)
    return 0.2 + (last - 0.2) * (1 - np.exp(-speed * time)) / (1 - np.exp(-speed))


def test_noise_of_scores_makes_no_slower_training_better():
    # the same curve for both, 3 nats to a score of 1; both level off, and scores are as noisy as those of 1,000 samples
    rng, curve = np.random.default_rng(0), lambda score: 1.8 - 3.0 * (score - 0.2)
    slow, fast = levelling(0.78, 2.0), levelling(0.82, 4.0)
    found = [
        kept_at_equal_score(
            slow + rng.normal(0, 0.015, 16), curve(slow), fast + rng.normal(0, 0.015, 16), curve(fast)
        )
        for _ in range(200)
    ]
    assert abs(np.mean(found)) < 0.015


def test_beyond_the_reference_nothing_is_compared():
    score = np.array([0.5, 0.6, 0.7])
    reference = np.linspace(0.2, 0.69, 50)
    assert np.isnan(kept_at_equal_score(score, score, reference, reference))


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
    none = np.zeros(0)
    for other in ((one, np.zeros(0), one, one), (one, one, none, none)):
        with pytest.raises(InputError, match=r"one number to each"):
            kept_at_equal_score(*other)
    with pytest.raises(InputError, match=r"one number to each"):
        kept_at_equal_score(one, np.array([1.0, 2.0]), one, one)

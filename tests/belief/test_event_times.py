from __future__ import annotations

import numpy as np
import pytest

from doxa.belief.calibration import band_coverage, expected_calibration_error, reliability_curve
from doxa.belief.event_times import event_f1, event_time_error, expected_event_time, survival
from doxa.belief.scoring_rules import categorical_brier, categorical_log_score, log_score
from doxa.errors import InputError


def test_a_constant_hazard_has_the_geometric_mean_time():
    for p, steps in ((0.2, 7), (0.01, 30), (1.0, 4)):
        found = expected_event_time(survival(np.full((1, steps), p)))
        assert found[0] == pytest.approx((1 - (1 - p) ** steps) / p)
    assert expected_event_time(survival(np.zeros((1, 7))))[0] == 7.0


def test_expected_time_is_the_mean_of_simulated_times():
    rng = np.random.default_rng(0)
    hazard = np.array([0.1, 0.4, 0.2, 0.05])
    happened = rng.random((200_000, 4)) < hazard
    # the step before which it happens is counted from 1; what never happens is censored at 4
    times = np.where(happened.any(axis=1), happened.argmax(axis=1) + 1, 4)
    assert expected_event_time(survival(hazard[None]))[0] == pytest.approx(times.mean(), abs=0.01)


def test_errors_with_and_without_an_event():
    staying = survival(np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]]))
    found = event_time_error(staying, np.array([2, 0, 0]))
    assert found.with_event == pytest.approx(0.5)
    assert found.without == pytest.approx((0.75 + 0.0) / 2)
    assert found.n == 1
    assert np.isnan(event_time_error(staying, np.zeros(3, dtype=int)).with_event)
    with pytest.raises(InputError, match=r"0 .. 2"):
        event_time_error(staying, np.array([3, 0, 0]))
    with pytest.raises(InputError, match="in"):
        survival(np.array([1.5]))


def test_f1_of_events_and_of_events_on_time():
    predicted = np.array([[True, False], [True, False], [False, False]])
    happened = np.array([[3, 0], [0, 0], [5, 0]])
    found = event_f1(predicted, happened)
    assert found.by_kind[0] == pytest.approx(2 * 1 / (2 + 2))
    assert np.isnan(found.by_kind[1])
    assert found.macro == pytest.approx(0.5)
    late = event_f1(predicted, happened, np.array([[5.0, 1], [1, 1], [1, 1]]))
    assert late.macro == 0.0
    assert event_f1(predicted, happened, np.array([[4.0, 1], [1, 1], [1, 1]])).macro == 0.5
    assert np.isnan(event_f1(predicted, np.zeros((3, 2), dtype=int)).macro)


def test_two_kinds_are_the_binary_scores():
    rng = np.random.default_rng(1)
    p = rng.random(50)
    y = (rng.random(50) < p).astype(int)
    both = np.stack([1 - p, p], axis=1)
    assert categorical_log_score(both, y) == pytest.approx(log_score(p, y))
    assert categorical_brier(both, y) == pytest.approx(2 * np.mean((p - y) ** 2))
    with pytest.raises(InputError, match="sum to 1"):
        categorical_brier(both * 0.5, y)
    with pytest.raises(InputError, match="outcome"):
        categorical_log_score(both, y + 2)


def test_bins_of_equally_many():
    rng = np.random.default_rng(2)
    p = rng.random(20_003) ** 4
    y = rng.random(20_003) < p
    bins = reliability_curve(p, y, edges="count")
    assert {one.n for one in bins} <= {2000, 2001}
    assert [one.credence for one in bins] == sorted(one.credence for one in bins)
    assert all(abs(one.credence - one.share_true) < 0.05 for one in bins)
    assert expected_calibration_error(p, y, edges="count") < 0.01
    assert expected_calibration_error(np.sqrt(p), y, edges="count") > 0.1


def test_coverage():
    low, high = np.zeros(4), np.ones(4)
    assert band_coverage(low, high, np.array([0.0, 1.0, 1.1, -0.1])) == 0.5
    with pytest.raises(InputError, match="upside down"):
        band_coverage(high, low, low)

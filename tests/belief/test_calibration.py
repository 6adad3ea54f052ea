from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.calibration import brier_score, expected_calibration_error, log_odds_fit, reliability_curve
from doxa.belief.information import logit
from doxa.errors import InputError
from doxa.streams import stream

BELIEFS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_scores_by_hand():
    p, o = np.array([0.9, 0.8, 0.2, 1.0]), np.array([True, False, False, True])
    assert brier_score(p, o) == pytest.approx((0.01 + 0.64 + 0.04 + 0.0) / 4)
    assert expected_calibration_error(p, o) == pytest.approx((2 * 0.05 + 0.8 + 0.2) / 4)
    assert [b.n for b in reliability_curve(p, o)] == [1, 1, 2]


@given(BELIEFS, st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_calibration_error_equals_a_slow_sum_over_bins(beliefs: list[tuple[float, bool]], n_bins: int):
    p, o = np.array([b for b, _ in beliefs]), np.array([t for _, t in beliefs])
    total = 0.0
    for k in range(n_bins):
        inside = [(c, t) for c, t in beliefs if min(int(c * n_bins), n_bins - 1) == k]
        if inside:
            total += abs(sum(t for _, t in inside) - sum(c for c, _ in inside))
    assert expected_calibration_error(p, o, n_bins=n_bins) == pytest.approx(total / len(beliefs), abs=1e-12)
    assert sum(b.n for b in reliability_curve(p, o, n_bins=n_bins)) == len(beliefs)
    assert 0.0 <= brier_score(p, o) <= 1.0


@given(st.floats(0.2, 3.0), st.floats(-1, 1), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_a_planted_line_is_recovered(slope: float, intercept: float, seed: int):
    x = stream(seed, "x").uniform(-1, 1, size=25)
    found = log_odds_fit(intercept + slope * x, x, rng=stream(seed, "boot"), n_resamples=200)
    assert found.slope.estimate == pytest.approx(slope, rel=1e-9)
    assert found.intercept.estimate == pytest.approx(intercept, abs=1e-9)
    assert (found.slope.low, found.slope.high) == pytest.approx((slope, slope), rel=1e-6)
    assert found.correlation == pytest.approx(1.0)
    assert found.clipped == 0


def test_a_noisy_line_agrees_with_scipy_and_its_interval():
    rng = stream(5, "x")
    x = rng.uniform(-3, 3, size=400)
    y = 0.2 + 1.4 * x + rng.normal(size=400) * 0.3
    found = log_odds_fit(y, x, rng=stream(5, "boot"), clip_credence=0.9999)
    line = scipy.stats.linregress(x, y)
    assert found.slope.estimate == pytest.approx(line.slope)
    assert found.intercept.estimate == pytest.approx(line.intercept)
    assert found.correlation == pytest.approx(line.rvalue)
    assert found.slope.high - found.slope.low == pytest.approx(2 * 1.96 * line.stderr, rel=0.15)


def test_certain_statements_are_clipped_and_counted():
    found = log_odds_fit(
        np.array([math.inf, -math.inf, 1.0]), np.array([9.0, -9.0, 1.0]), rng=stream(0, "boot")
    )
    assert found.clipped == 2
    assert found.slope.estimate == pytest.approx(1.0)
    assert found.intercept.estimate == pytest.approx(0.0, abs=1e-12)
    assert logit(0.99) == pytest.approx(4.595, abs=1e-3)


def test_a_constant_reference_or_statement_says_why():
    flat = log_odds_fit(np.array([0.0, 1.0]), np.array([1.0, 1.0]), rng=stream(0, "boot"))
    assert math.isnan(flat.slope.estimate)
    assert "reference" in flat.reason
    deaf = log_odds_fit(np.array([1.0, 1.0, 1.0]), np.array([0.0, 1.0, 2.0]), rng=stream(0, "boot"))
    assert deaf.slope.estimate == 0.0
    assert math.isnan(deaf.correlation)
    assert "stated" in deaf.reason


def test_duplicated_rows_in_clusters_do_not_narrow_the_slope():
    rng = stream(6, "x")
    x = rng.normal(size=20)
    y = x + rng.normal(size=20)
    once = log_odds_fit(y, x, np.arange(20), rng=stream(6, "boot"))
    twice = log_odds_fit(np.tile(y, 2), np.tile(x, 2), np.tile(np.arange(20), 2), rng=stream(6, "boot"))
    assert twice.slope == pytest.approx(once.slope)


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        brier_score(np.array([1.2]), np.array([1]))
    with pytest.raises(InputError, match="one outcome per credence"):
        brier_score(np.array([]), np.array([]))
    with pytest.raises(InputError, match="NaN"):
        log_odds_fit(np.array([math.nan]), np.array([0.0]), rng=stream(0, "boot"))
    with pytest.raises(InputError, match="n_bins=0"):
        expected_calibration_error(np.array([0.5]), np.array([1]), n_bins=0)

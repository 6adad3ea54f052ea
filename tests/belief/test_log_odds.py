from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.belief.log_odds import credence_of, log_odds_of


@given(st.floats(-745, 745))
def test_a_credence_is_the_logistic_of_the_log_odds_to_two_ulp(log_odds):
    found = float(credence_of(np.array([log_odds]))[0])
    with mpmath.workprec(1_300):  # exp(745) beside 1
        exact = 1 / (1 + mpmath.exp(-mpmath.mpf(log_odds)))
        assert abs(mpmath.mpf(found) - exact) <= 2 * mpmath.mpf(float(np.spacing(float(exact))))


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_log_odds_are_the_difference_of_two_logarithms(credence):
    found = float(log_odds_of(np.array([credence]))[0])
    with mpmath.workprec(1_300):
        exact = mpmath.log(mpmath.mpf(credence)) - mpmath.log(1 - mpmath.mpf(credence))
        assert abs(mpmath.mpf(found) - exact) <= 4e-16 * max(1, abs(exact))


def test_ends_and_what_is_no_number():
    assert credence_of(np.array([-np.inf, -800.0, 0.0, 800.0, np.inf])).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert log_odds_of(np.array([0.0, 0.5, 1.0])).tolist() == [-np.inf, 0.0, np.inf]
    assert np.isnan(credence_of(np.array([np.nan])))
    assert np.isnan(log_odds_of(np.array([np.nan])))


@pytest.mark.parametrize(
    ("function", "value", "bits"),
    [
        (credence_of, 1.0, "0x1.764d4f5d5a2bdp-1"),
        (credence_of, -3.7, "0x1.8b4c0ffc14fbfp-6"),
        (credence_of, 0.1, "0x1.0cca12729afb8p-1"),
        (log_odds_of, 0.1, "-0x1.193ea7aad030ap+1"),
        (log_odds_of, 0.8, "0x1.62e42fefa39f0p+0"),
        (log_odds_of, 1e-300, "-0x1.5963447f87fb5p+9"),
    ],
)
def test_every_machine_finds_these_bits(function, value, bits):
    assert float(function(np.array([value]))[0]).hex() == bits
    assert (function(np.full(1_003, value)) == float.fromhex(bits)).all(), "long rows go the vector way"

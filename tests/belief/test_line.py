"""The line through paired numbers: by hand, against numpy, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.belief.line import line_fit
from doxa.errors import InputError


def test_a_line_by_hand() -> None:
    fit = line_fit(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]), rng=np.random.default_rng(0))
    assert fit.slope[:3] == pytest.approx((2.0, 2.0, 2.0))
    assert fit.intercept.estimate == pytest.approx(1.0)
    assert fit.correlation == pytest.approx(1.0)


@given(st.integers(0, 1000))
def test_the_line_is_numpys_and_its_interval_holds_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(1e3, 1.0, 30), rng.normal(0.0, 1.0, 30)
    fit = line_fit(x, y, rng.integers(0, 6, 30).tolist(), rng=rng)
    slope, intercept = np.polynomial.Polynomial.fit(x, y, 1).convert().coef[::-1]
    assert fit.slope.estimate == pytest.approx(slope, abs=1e-8)
    assert fit.intercept.estimate == pytest.approx(intercept, abs=1e-5)


def test_no_line_says_why() -> None:
    rng = np.random.default_rng(0)
    flat = line_fit(np.ones(3), np.arange(3.0), rng=rng, names=("stances", "votes"))
    assert np.isnan(flat.slope.estimate)
    assert flat.reason == "the stances do not vary"
    assert line_fit(np.arange(3.0), np.ones(3), rng=rng).reason == "the y do not vary"
    alone = line_fit(np.arange(3.0), np.arange(3.0), ["a"] * 3, rng=rng)
    assert alone.reason == "one cluster has no interval"
    with pytest.raises(InputError, match="not finite"):
        line_fit(np.array([0.0, np.nan]), np.arange(2.0), rng=rng)

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.significance import one_sample_t, paired_t, sign_flip, two_sample_t
from doxa.errors import InputError
from doxa.streams import stream

ROWS = st.lists(st.integers(-1000, 1000).map(lambda x: x / 10), min_size=3, max_size=12)
SIDES = st.sampled_from(["two-sided", "greater", "less"])


@given(ROWS, SIDES)
@settings(max_examples=80, deadline=None)
def test_one_sample_t_is_scipys(rows, side):
    if np.ptp(rows) == 0.0:
        return
    found, other = (
        one_sample_t(rows, 1.5, alternative=side),
        scipy.stats.ttest_1samp(rows, 1.5, alternative=side),
    )
    assert (found.statistic, found.p) == pytest.approx((other.statistic, other.pvalue))
    assert found.interval == pytest.approx(tuple(scipy.stats.ttest_1samp(rows, 1.5).confidence_interval()))
    assert (found.n, found.estimate) == (len(rows), pytest.approx(np.mean(rows)))


@given(ROWS, SIDES, st.booleans())
@settings(max_examples=80, deadline=None)
def test_two_samples_and_pairs_are_scipys(rows, side, equal):
    a, b = (
        stream(len(rows), "a").normal(size=len(rows)) + np.array(rows),
        stream(len(rows), "b").normal(size=len(rows)),
    )
    pair, other = paired_t(a, b, alternative=side), scipy.stats.ttest_rel(a, b, alternative=side)
    assert (pair.statistic, pair.p) == pytest.approx((other.statistic, other.pvalue))
    two = two_sample_t(a, b[:-1], equal_variance=equal, alternative=side)
    other = scipy.stats.ttest_ind(a, b[:-1], equal_var=equal, alternative=side)
    assert (two.statistic, two.p) == pytest.approx((other.statistic, other.pvalue))
    plain = scipy.stats.ttest_ind(a, b[:-1], equal_var=equal).confidence_interval()
    assert two.interval == pytest.approx(tuple(plain), rel=1e-7)


def test_the_clustered_t_is_the_robust_regression_on_a_constant():
    rng = stream(0, "rows")
    labels = np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    rows = rng.normal(size=9)[labels] + rng.normal(size=labels.size)
    found = one_sample_t(rows, 0.0, labels)
    fit = sm.OLS(rows, np.ones(rows.size)).fit(cov_type="cluster", cov_kwds={"groups": labels}, use_t=True)
    assert found.statistic == pytest.approx(float(fit.tvalues[0]))
    assert found.p == pytest.approx(float(fit.pvalues[0]))
    assert found.interval == pytest.approx(tuple(fit.conf_int()[0]))
    assert found.n == 9


def test_no_difference_at_all_and_no_spread_are_said():
    zero = one_sample_t([50.0] * 12, 50.0)
    assert (zero.p, zero.statistic, zero.interval) == (1.0, 0.0, (50.0, 50.0))
    assert "no unit differs" in zero.reason
    constant = one_sample_t([55.0] * 12, 50.0)
    assert math.isnan(constant.p)
    assert "do not vary" in constant.reason
    assert paired_t([0.3, 0.3], [0.3, 0.3]).p == 1.0
    assert sign_flip([0.0, 0.0]).p == 1.0
    for nothing in (one_sample_t([]), one_sample_t([1.0]), two_sample_t([1.0], [2.0, 3.0]), sign_flip([])):
        assert nothing.interval is None
        assert nothing.reason
        assert nothing.as_interval.ends is None


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8), SIDES)
@settings(max_examples=60, deadline=None)
def test_flipped_signs_equal_a_slow_count(rows, side):
    if not any(rows):
        return
    sums = [
        sum(s * x for s, x in zip(signs, rows, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(rows))
    ]
    seen = sum(rows)
    far = {
        "greater": [s >= seen for s in sums],
        "less": [s <= seen for s in sums],
        "two-sided": [abs(s) >= abs(seen) for s in sums],
    }[side]
    assert sign_flip(rows, alternative=side).p == pytest.approx(sum(far) / len(far))


def test_drawn_flips_agree_with_counted_ones_and_are_nominal():
    rows = stream(1, "rows").normal(0.4, 1.0, size=16)
    exact = sign_flip(rows).p
    drawn = sign_flip(np.append(rows, 0.0), rng=stream(1, "flips"), n_flips=20_000).p
    assert drawn == pytest.approx(exact, abs=0.01)
    with pytest.raises(InputError, match="give rng"):
        sign_flip(np.append(rows, 1.0))
    ps = [sign_flip(stream(2, "null", k).normal(size=10)).p for k in range(400)]
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.01


def test_clusters_flip_as_one():
    assert sign_flip([1.0, 2.0, 3.0, 4.0], clusters=["a", "a", "b", "b"]).p == 0.5
    assert sign_flip([1.0, 2.0, 3.0, 4.0]).p == 0.125


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="NaN"):
        one_sample_t([1.0, math.nan])
    with pytest.raises(InputError, match="pair them first"):
        paired_t([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="level"):
        one_sample_t([1.0, 2.0], level=1.0)
    with pytest.raises(InputError, match="n_flips"):
        sign_flip(np.arange(20.0), rng=stream(0, "x"), n_flips=3)

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep

from doxa.belief.shares import auc, binomial_exact, homogeneity, share_difference, wald
from doxa.errors import InputError
from doxa.streams import stream

COUNTS = st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.floats(0.05, 0.95), st.sampled_from(["two-sided", "greater", "less"]))
@settings(max_examples=80, deadline=None)
def test_the_binomial_test_is_scipys(counts, share, side):
    found, other = (
        binomial_exact(*counts, share, alternative=side),
        scipy.stats.binomtest(*counts, share, side),
    )
    assert found.p == pytest.approx(other.pvalue, rel=1e-7)
    low, high = scipy.stats.binomtest(*counts, share).proportion_ci(0.95)
    assert found.interval == pytest.approx((low, high), abs=1e-9)


def test_wald_by_hand():
    found = wald(65, 100)
    half = 1.96 * math.sqrt(0.65 * 0.35 / 100)
    assert found[1:3] == pytest.approx((0.65 - half, 0.65 + half), abs=1e-5)
    assert found.normal_approx_ok
    assert not wald(3, 100).normal_approx_ok
    assert wald(0, 100)[:3] == (0.0, 0.0, 0.0)
    assert wald(3, 100).low == 0.0
    assert wald(0, 0).n == 0


@given(st.lists(COUNTS, min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_homogeneity_is_pearsons(groups):
    hits, n = np.array(groups).T
    found = homogeneity(hits, n)
    if hits.sum() in (0, n.sum()):
        assert found.p == 1.0
        return
    other = scipy.stats.chi2_contingency(np.stack([hits, n - hits]), correction=False)
    assert (found.statistic, found.p) == pytest.approx((other.statistic, other.pvalue))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=80, deadline=None)
def test_auc_is_scikit_learns(rows):
    score, truth = np.array([s for s, _ in rows], dtype=float), np.array([t for _, t in rows])
    if truth.all() or not truth.any():
        assert math.isnan(auc(score, truth).estimate)
        return
    assert auc(score, truth).estimate == pytest.approx(roc_auc_score(truth, score))


def test_the_interval_of_auc_covers():
    inside, truth = 0, scipy.stats.norm.cdf(1 / math.sqrt(2))
    for k in range(300):
        rng = stream(0, "auc", k)
        outcome = np.arange(80) < 30
        low, high = auc(rng.normal(size=80) + outcome, outcome)[1:3]
        inside += low <= truth <= high
    assert 0.91 <= inside / 300 <= 0.985


def test_bad_counts_are_named():
    with pytest.raises(InputError, match="successes=3"):
        binomial_exact(3, 2)
    with pytest.raises(InputError, match="share"):
        binomial_exact(1, 2, 1.5)
    with pytest.raises(InputError, match="successes=3"):
        wald(3, 2)
    with pytest.raises(InputError, match="two groups"):
        homogeneity([1], [2])
    with pytest.raises(InputError, match="trials >= 1"):
        homogeneity([0, 1], [0, 2])
    with pytest.raises(InputError, match="NaN"):
        auc(np.array([math.nan, 1.0]), np.array([0, 1]))
    assert binomial_exact(0, 0).reason == "no trials"


@given(COUNTS, COUNTS)
@settings(max_examples=60, deadline=None)
def test_the_difference_of_shares_is_newcombes(one, other):
    found = share_difference(*one, *other)
    low, high = confint_proportions_2indep(*one, *other, method="newcomb")
    assert found[:3] == pytest.approx((one[0] / one[1] - other[0] / other[1], low, high), abs=1e-9)
    assert found.low < found.high

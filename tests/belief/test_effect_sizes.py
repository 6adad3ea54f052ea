from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.formula.api import ols

from doxa.belief.effect_sizes import (
    cohen_d,
    eta_squared,
    eta_squared_from_summary,
    hedges_correction,
    hedges_g,
    kruskal_epsilon2,
    omega_squared,
)
from doxa.errors import InputError
from doxa.streams import stream


def sample(seed: int, sizes=(5, 7, 9), shift=0.7):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return stream(seed, "rows").normal(size=labels.size) + shift * labels, labels


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_the_analysis_of_variance(seed):
    rows, labels = sample(seed)
    table = sm.stats.anova_lm(ols("y ~ C(g)", pd.DataFrame({"y": rows, "g": labels})).fit())
    between, within = table["sum_sq"]
    found = eta_squared(rows, labels)
    assert found.estimate == pytest.approx(1 - within / (between + within))
    assert (found.statistic, found.p) == pytest.approx((table["F"].iloc[0], table["PR(>F)"].iloc[0]))
    noise = within / table["df"].iloc[1]
    assert omega_squared(rows, labels).estimate == pytest.approx(
        (between - 2 * noise) / (between + within + noise)
    )
    other = scipy.stats.kruskal(*(np.round(rows[labels == k], 0) for k in range(3)))
    ordinal = kruskal_epsilon2(np.round(rows, 0), labels)
    assert (ordinal.statistic, ordinal.p) == pytest.approx((other.statistic, other.pvalue))
    assert ordinal.estimate == pytest.approx(other.statistic / (rows.size - 1))


def test_the_interval_of_eta_squared_inverts_the_noncentral_f():
    rows, labels = sample(3, (20, 20, 20))
    found = eta_squared(rows, labels)
    for end, tail in zip(found.interval, (0.025, 0.975), strict=True):
        noncentral = found.n * end / (1 - end)
        assert scipy.stats.ncf.sf(found.statistic, 2, 57, noncentral) == pytest.approx(tail, abs=1e-5)
    assert eta_squared(*sample(1, shift=0.0)).interval[0] == 0.0


@given(st.floats(0.1, 50), st.floats(-100, 100), st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_eta_squared_does_not_depend_on_the_scale(scale, shift, seed):
    rows, labels = sample(seed)
    assert eta_squared(scale * rows + shift, labels).estimate == pytest.approx(
        eta_squared(rows, labels).estimate
    )


def test_two_groups_are_a_t_test():
    rows, labels = sample(2, (6, 9))
    t = scipy.stats.ttest_ind(rows[labels == 0], rows[labels == 1]).statistic
    assert eta_squared(rows, labels).estimate == pytest.approx(t**2 / (t**2 + 13))


def test_without_differences_the_expectation_is_known():
    labels = np.repeat(np.arange(4), 5)
    values = [eta_squared(stream(4, "null", k).normal(size=20), labels).estimate for k in range(600)]
    assert np.mean(values) == pytest.approx(3 / 19, abs=3 * np.std(values) / math.sqrt(600))
    unbiased = [omega_squared(stream(4, "null", k).normal(size=20), labels).estimate for k in range(600)]
    assert abs(np.mean(unbiased)) < 0.03


def test_the_summary_form_gives_the_published_value():
    found = eta_squared_from_summary([3.5, 6.5, 4.5, 5.5], [1.5, 2.5, 1.8, 2.2], 100)
    assert found.estimate == pytest.approx(0.2334899, abs=5e-8)
    rows, labels = sample(5)
    parts = [rows[labels == k] for k in range(3)]
    whole = eta_squared_from_summary(
        [part.mean() for part in parts], [part.std(ddof=1) for part in parts], [part.size for part in parts]
    )
    assert whole[:4] == pytest.approx(eta_squared(rows, labels)[:4])
    assert whole.interval == pytest.approx(eta_squared(rows, labels).interval)


def test_the_correction_is_that_of_the_gamma_functions():
    for m in (3.0, 10.0, 200.0):
        assert hedges_correction(m) == pytest.approx(
            math.gamma(m / 2) / (math.sqrt(m / 2) * math.gamma((m - 1) / 2))
        )
        assert hedges_correction(m) == pytest.approx(1 - 3 / (4 * m - 1), abs=0.012)


def test_g_is_unbiased_and_d_is_not():
    g, d = [], []
    for k in range(3000):
        rng = stream(6, "d", k)
        a, b = rng.normal(0.8, 1.0, size=4), rng.normal(size=4)
        g.append(hedges_correction(6.0) * d_of(a, b))
        d.append(d_of(a, b))
    assert np.mean(g) == pytest.approx(0.8, abs=0.06)
    assert np.mean(d) > 0.85
    assert hedges_g(a, b).estimate == pytest.approx(g[-1])


def d_of(a, b):
    return (a.mean() - b.mean()) / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)


def test_the_interval_of_d_inverts_the_noncentral_t():
    rng = stream(7, "d")
    a, b = rng.normal(1.0, 1.0, size=8), rng.normal(size=6)
    found = cohen_d(a, b)
    per_unit = math.sqrt(1 / 8 + 1 / 6)
    for end, tail in zip(found.interval, (0.975, 0.025), strict=True):
        assert scipy.stats.nct.cdf(found.statistic, 12, end / per_unit) == pytest.approx(tail, abs=1e-6)
    assert found.statistic == pytest.approx(scipy.stats.ttest_ind(a, b).statistic)
    assert found.p == pytest.approx(scipy.stats.ttest_ind(a, b).pvalue)
    far = cohen_d(60.0 + a[:5])
    for end, tail in zip(far.interval, (0.975, 0.025), strict=True):
        chi = np.sqrt(stream(8, "chi").chisquare(4, size=200_000) / 4)
        share = scipy.stats.norm.cdf(far.statistic * chi - end * math.sqrt(5)).mean()
        assert share == pytest.approx(tail, abs=2e-3)
    alone = cohen_d(a)
    assert alone.estimate == pytest.approx(a.mean() / a.std(ddof=1))
    assert alone.p == pytest.approx(scipy.stats.ttest_1samp(a, 0).pvalue)


def test_what_is_undefined_is_said():
    assert "0/0" in eta_squared([5.0] * 4, list("aabb")).reason
    assert math.isnan(eta_squared([5.0] * 4, list("aabb")).estimate)
    assert math.isnan(omega_squared([5.0] * 4, list("aabb")).estimate)
    assert math.isnan(kruskal_epsilon2([5.0] * 4, list("aabb")).estimate)
    assert "no spread within" in eta_squared([1.0, 1.0, 2.0, 2.0], list("aabb")).reason
    assert "one row" in eta_squared([1.0, 2.0], ["a", "b"]).reason
    assert "do not vary" in cohen_d([1.0, 1.0], [2.0, 2.0]).reason
    assert cohen_d([1.0], [2.0, 3.0]).interval is None
    with pytest.raises(InputError, match="at least two"):
        eta_squared([1.0, 2.0], ["a", "a"])
    with pytest.raises(InputError, match="one label per row"):
        eta_squared([1.0, 2.0], ["a"])
    with pytest.raises(InputError, match="sds must be"):
        eta_squared_from_summary([1.0, 2.0], [1.0, 1.0], 1)
    with pytest.raises(InputError, match="one of each per group"):
        eta_squared_from_summary([1.0, 2.0], [1.0, 1.0], [3, 3, 3])
    with pytest.raises(InputError, match="degrees"):
        hedges_correction(1.0)

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.rank_correlation import kendall, mean_pairwise_spearman, spearman
from doxa.errors import InputError
from doxa.streams import stream

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12)


@given(PAIRS)
@settings(max_examples=100, deadline=None)
def test_correlations_are_scipys_with_ties(pairs):
    a, b = np.array(pairs).T
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert "does not vary" in spearman(a, b).reason
        assert math.isnan(kendall(a, b).estimate)
        return
    assert spearman(a, b).estimate == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
    assert kendall(a, b).estimate == pytest.approx(scipy.stats.kendalltau(a, b).statistic)


@given(PAIRS.filter(lambda pairs: len(pairs) <= 5), st.sampled_from(["two-sided", "greater", "less"]))
@settings(max_examples=60, deadline=None)
def test_the_exact_p_equals_a_slow_count_over_orders(pairs, side):
    a, b = np.array(pairs).T
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return
    for ours, other in ((spearman, scipy.stats.spearmanr), (kendall, scipy.stats.kendalltau)):
        seen = other(a, b).statistic
        values = np.array([other(order, b).statistic for order in itertools.permutations(a)])
        far = {"greater": values >= seen - 1e-9, "less": values <= seen + 1e-9}.get(
            side, np.abs(values) >= abs(seen) - 1e-9
        )
        assert ours(a, b, alternative=side).p == pytest.approx(far.mean())


def test_few_levels_take_few_values():
    assert spearman([1, 2], [1, 2])[1:4] == (1.0, 1.0, 1.0)
    assert spearman([1, 2], [2, 1]).estimate == -1.0
    values = {round(spearman([1, 2, 3], order).estimate, 3) for order in itertools.permutations((1, 2, 3))}
    assert values == {1.0, 0.5, -0.5, -1.0}
    for levels in (3, 4, 5, 6):
        rhos = [spearman(range(levels), order).estimate for order in itertools.permutations(range(levels))]
        assert np.mean(rhos) == pytest.approx(0.0, abs=1e-12)
        if levels > 5:
            break
        assert np.var(rhos) == pytest.approx(1 / (levels - 1))


def test_drawn_orders_agree_with_the_exact_null():
    rng = stream(0, "rows")
    a, b = rng.normal(size=10), rng.normal(size=10)
    b = b + 0.8 * a
    found = spearman(a, b, rng=stream(0, "orders"), n_permutations=20_000)
    assert found.method == "drawn"
    other = scipy.stats.kendalltau(a, b, method="exact")
    assert kendall(a, b, rng=stream(0, "orders"), n_permutations=20_000).p == pytest.approx(
        other.pvalue, abs=0.01
    )
    reference = scipy.stats.permutation_test(
        (a,),
        lambda x: scipy.stats.spearmanr(x, b).statistic,
        permutation_type="pairings",
        n_resamples=2000,
        rng=np.random.Generator(np.random.Philox(3)),
    )
    assert found.p == pytest.approx(reference.pvalue, abs=0.02)
    assert spearman(a, b).method == "none"
    assert "give rng" in spearman(a, b).reason


def test_the_p_without_a_relation_is_uniform():
    ps = []
    for k in range(300):
        rng = stream(1, "null", k)
        ps.append(
            spearman(rng.normal(size=20), rng.normal(size=20), rng=rng, n_permutations=199, n_resamples=100).p
        )
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.01


def test_the_bootstrap_interval_holds_the_truth_about_as_often_as_promised():
    inside, truth = 0, 6 / math.pi * math.asin(0.6 / 2)
    for k in range(200):
        rng = stream(2, "cover", k)
        a = rng.normal(size=40)
        b = 0.6 * a + 0.8 * rng.normal(size=40)
        low, high = spearman(a, b, rng=rng, n_permutations=99, n_resamples=300).interval
        inside += low <= truth <= high
    assert 0.89 <= inside / 200 <= 0.99


def test_repeats_agree_with_themselves():
    assert mean_pairwise_spearman([[1, 2, 3], [1, 2, 3], [3, 2, 1]]).estimate == pytest.approx(-1 / 3)
    assert mean_pairwise_spearman([[1, 2, 3], [1, 1, 1]]).n == 0
    with pytest.raises(InputError, match="different lengths"):
        mean_pairwise_spearman([[1, 2], [1, 2, 3]])


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="pair them"):
        spearman([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="NaN"):
        spearman([1.0, math.nan], [1.0, 2.0])
    assert spearman([], []).reason == "fewer than two rows"

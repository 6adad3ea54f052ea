from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.ranks import average_ranks
from doxa.belief.signed_rank import signed_rank_counts, wilcoxon
from doxa.errors import InputError
from doxa.streams import stream

SIDES = st.sampled_from(["two-sided", "greater", "less"])


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9), SIDES, st.sampled_from(["drop", "pratt"]))
@settings(max_examples=100, deadline=None)
def test_ties_and_zeros_equal_a_slow_count_over_signs(rows, side, zeros):
    values = np.array(rows, dtype=float)
    kept = values[values != 0.0]
    found = wilcoxon(values, zeros=zeros, alternative=side)
    if kept.size == 0:
        assert (found.p, found.n, found.reason) == (1.0, 0, "every difference is 0")
        return
    ranked = scipy.stats.rankdata(np.abs(kept if zeros == "drop" else values))
    ranks = ranked if zeros == "drop" else ranked[values != 0.0]
    sums = np.array([np.dot(signs, ranks) for signs in itertools.product((0, 1), repeat=kept.size)])
    seen = ranks[kept > 0].sum()
    greater, less = np.mean(sums >= seen - 1e-9), np.mean(sums <= seen + 1e-9)
    assert found.statistic == pytest.approx(seen)
    expected = {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[side]
    assert found.p == pytest.approx(expected)


@pytest.mark.parametrize("n", [5, 20, 50])
@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_without_ties_it_is_scipys_exact_test(n, side):
    rows = stream(n, "rows").normal(0.2, 1.0, size=n)
    other = scipy.stats.wilcoxon(rows, alternative=side, method="exact")
    assert wilcoxon(rows, alternative=side).p == pytest.approx(other.pvalue, rel=1e-9)


def test_many_rows_take_the_normal_approximation():
    rows = np.round(stream(0, "rows").normal(0.1, 1.0, size=400), 1)
    other = scipy.stats.wilcoxon(rows, method="asymptotic", correction=True)
    assert wilcoxon(rows).p == pytest.approx(other.pvalue, rel=1e-6)


def test_a_constant_bettor_is_no_crash():
    found = wilcoxon([50.0] * 12, [50.0] * 12, alternative="greater")
    assert (found.p, found.statistic, found.interval) == (1.0, 0.0, (0.0, 0.0))
    assert wilcoxon([]).reason == "no rows"


def test_the_interval_covers_as_promised():
    inside = 0
    for trial in range(400):
        low, high = wilcoxon(stream(3, "cover", trial).normal(size=12)).interval
        inside += low <= 0.0 <= high
    assert 0.93 <= inside / 400 <= 0.99
    assert wilcoxon([1.0, 2.0, 3.0]).interval is None, "three rows cannot reach 95 %"


def test_the_interval_and_the_test_agree():
    for trial in range(50):
        rows = stream(4, "agree", trial).normal(0.6, 1.0, size=10)
        low, high = wilcoxon(rows).interval
        inside, outside = (1 - 1e-9, 1 + 1e-9)
        for end in (low, high):
            near = end - np.median(rows)
            assert wilcoxon(rows - np.median(rows) - inside * near).p >= 0.05
            assert wilcoxon(rows - np.median(rows) - outside * near).p < 0.05


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_ranks_are_scipys(values):
    row = np.array(values, dtype=float)
    assert average_ranks(row).tolist() == scipy.stats.rankdata(row).tolist()
    table = np.stack([row, row[::-1]])
    assert average_ranks(table).tolist() == scipy.stats.rankdata(table, axis=1).tolist()


def test_counts_sum_to_one():
    assert signed_rank_counts(np.array([2, 4])).tolist() == [0.25, 0.0, 0.25, 0.0, 0.25, 0.0, 0.25]
    assert math.isclose(signed_rank_counts(np.arange(1, 60) * 2).sum(), 1.0)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="pair them"):
        wilcoxon([1.0], [1.0, 2.0])

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from doxa.belief.inference import (
    bootstrap,
    mcnemar_exact,
    mean_t_interval,
    paired_bootstrap,
    percentile_interval,
    phi_coefficient,
    wilson,
)
from doxa.errors import InputError
from doxa.streams import stream

FLOATS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20)


def test_bootstrap_of_many_rows_is_the_normal_interval():
    rows = stream(0, "rows").normal(3.0, 2.0, size=2000)
    found = bootstrap(rows, rng=stream(0, "boot"), n_resamples=4000)
    half = 1.96 * rows.std() / math.sqrt(rows.size)
    assert found.estimate == pytest.approx(rows.mean())
    assert found.low == pytest.approx(rows.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(rows.mean() + half, abs=0.1 * half)
    assert found.n == 2000


def test_the_vectorised_mean_equals_resampling_row_by_row():
    rows = stream(1, "rows").exponential(size=30)
    fast = bootstrap(rows, rng=stream(1, "boot"))
    slow = bootstrap(rows, lambda sample, axis: np.average(sample, axis=axis), rng=stream(1, "boot"))
    assert fast == pytest.approx(slow)


def test_unequal_clusters_equal_resampling_one_by_one():
    rows, labels = stream(2, "rows").normal(size=12), list("aaabbcccccdd")
    found = bootstrap(rows, clusters=labels, rng=stream(2, "boot"))
    slow = bootstrap(
        rows, lambda sample, axis: sample.sum(axis=axis) / sample.shape[axis], labels, rng=stream(2, "boot")
    )
    groups = [rows[[x == name for x in labels]] for name in "abcd"]
    picks = stream(2, "boot").integers(4, size=(2000, 4))
    draws = np.array([np.concatenate([groups[i] for i in pick]).mean() for pick in picks])
    assert found == pytest.approx(slow)
    assert found == pytest.approx(percentile_interval(rows.mean(), draws, 4))


@given(FLOATS, st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_duplicating_every_row_within_its_cluster_does_not_shrink_the_interval(rows: list[float], times: int):
    labels = list(range(len(rows)))
    once = bootstrap(rows, clusters=labels, rng=stream(0, "boot"), n_resamples=200)
    often = bootstrap(rows * times, clusters=labels * times, rng=stream(0, "boot"), n_resamples=200)
    assert often == pytest.approx(once, rel=1e-9, abs=1e-6)


@given(FLOATS, st.floats(-10, 10), st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_the_interval_moves_and_scales_with_the_values(rows: list[float], shift: float, scale: float):
    base = bootstrap(rows, rng=stream(0, "boot"), n_resamples=200)
    moved = bootstrap(np.array(rows) * scale + shift, rng=stream(0, "boot"), n_resamples=200)
    assert base.low <= base.high
    assert moved[:3] == pytest.approx([end * scale + shift for end in base[:3]], rel=1e-9, abs=1e-4)


@pytest.mark.parametrize("clusters", [5, 12])
def test_few_clusters_are_covered_as_promised(clusters: int):
    """The plain percentile interval of 5 clusters covers about 0.83 of the time."""
    rng, covered, tries = stream(3, "coverage"), 0, 500
    for trial in range(tries):
        centres = rng.normal(size=clusters)
        rows = np.repeat(centres, 3) + 0.3 * rng.normal(size=3 * clusters)
        found = bootstrap(
            rows, clusters=np.repeat(np.arange(clusters), 3), rng=stream(3, "boot", trial), n_resamples=400
        )
        covered += found.low <= 0.0 <= found.high
    assert 0.91 <= covered / tries <= 0.985


def test_a_paired_difference_is_tighter_than_an_unpaired_one_and_zero_for_equal_answers():
    rng = stream(4, "rows")
    person = rng.normal(size=50)
    a, b = person + 0.1 * rng.normal(size=50), person
    found = paired_bootstrap(a, b, rng=stream(4, "boot"))
    assert found.high - found.low < 0.1
    assert paired_bootstrap(b, b, rng=stream(4, "boot"))[:3] == (0.0, 0.0, 0.0)
    swapped = paired_bootstrap(b, a, rng=stream(4, "boot"))
    assert (-swapped.high, -swapped.low) == pytest.approx((found.low, found.high))


def test_nothing_to_say_is_no_interval():
    assert math.isnan(bootstrap([], rng=stream(0, "x")).low)
    assert bootstrap([0.4], rng=stream(0, "x")).ends is None
    assert bootstrap([0.0, 1.0], clusters=["a", "a"], rng=stream(0, "x")).ends is None
    assert mean_t_interval([1.0]).ends is None
    assert mean_t_interval([]).n == 0
    assert wilson(0, 0)[1:] == (0.0, 1.0, 0)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_mcnemar_agrees_with_statsmodels(b: int, c: int):
    expected = mcnemar([[7, b], [c, 3]], exact=True).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(min(1.0, expected), rel=1e-9)
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b)


@given(
    st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.8, 0.95]),
)
@settings(max_examples=100, deadline=None)
def test_wilson_agrees_with_statsmodels(trial: tuple[int, int], level: float):
    successes, n = trial
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert wilson(successes, n, level)[1:3] == pytest.approx((low, high), abs=1e-9)
    mirrored = wilson(n - successes, n, level)
    assert wilson(successes, n, level)[1:3] == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_interval_over_seeds_agrees_with_scipy(values: list[float]):
    spread = np.std(values, ddof=1) / math.sqrt(len(values))
    if spread == 0.0:
        assert mean_t_interval(values)[1:3] == pytest.approx((values[0], values[0]))
        return
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), spread)
    assert mean_t_interval(values)[1:3] == pytest.approx((low, high), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_phi_is_the_correlation_of_the_two_indicators(pairs: list[tuple[bool, bool]]):
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    table = [
        [int(np.sum(first & second)), int(np.sum(first & ~second))],
        [int(np.sum(~first & second)), int(np.sum(~first & ~second))],
    ]
    found = phi_coefficient(table)
    if first.all() or second.all() or not first.any() or not second.any():
        assert math.isnan(found.value)
        assert found.reason
    else:
        assert found.value == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-12)


def test_phi_of_identical_and_of_opposite_indicators():
    assert phi_coefficient([[3, 0], [0, 4]]).value == 1.0
    assert phi_coefficient(np.array([[0, 3], [4, 0]])).value == -1.0


def test_bad_input_is_named():
    with pytest.raises(InputError, match="NaN"):
        bootstrap([math.nan, 1.0], rng=stream(0, "x"))
    with pytest.raises(InputError, match="pair them"):
        paired_bootstrap([1.0], [1.0, 2.0], rng=stream(0, "x"))
    with pytest.raises(InputError, match="one label per row"):
        bootstrap([1.0, 2.0], clusters=["a"], rng=stream(0, "x"))
    with pytest.raises(InputError, match="n_resamples=5"):
        bootstrap([1.0, 2.0], rng=stream(0, "x"), n_resamples=5)
    with pytest.raises(InputError, match="level=95"):
        wilson(1, 2, 95.0)
    with pytest.raises(InputError, match="successes=3"):
        wilson(3, 2)
    with pytest.raises(InputError, match=">= 0"):
        mcnemar_exact(-1, 0)
    with pytest.raises(InputError, match="2x2"):
        phi_coefficient([[1, -1], [0, 0]])

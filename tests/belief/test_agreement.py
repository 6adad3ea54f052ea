from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from doxa.belief.agreement import cohen_kappa, fleiss_kappa, fleiss_kappa_binary
from doxa.errors import InputError
from doxa.streams import stream

TABLES = st.lists(st.integers(0, 10), min_size=2, max_size=12).filter(lambda k: 0 < sum(k) < 10 * len(k))


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_with_equal_raters_it_is_fleiss_kappa(firsts):
    counts = np.array([[k, 10 - k] for k in firsts])
    assert fleiss_kappa(counts).estimate == pytest.approx(statsmodels_fleiss(counts))
    assert fleiss_kappa_binary(counts, "given").estimate == pytest.approx(statsmodels_fleiss(counts))


@given(TABLES, st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_symmetric_does_not_hang_on_the_order(firsts, flips):
    counts = np.array([[k, 10 - k] for k in firsts])
    turned = np.where(np.array(flips[: len(counts)])[:, None], counts[:, ::-1], counts)
    assert fleiss_kappa_binary(turned, "symmetric") == fleiss_kappa_binary(counts, "symmetric")
    names = [("a", "b")] * len(counts)
    other = [("b", "a") if flip else ("a", "b") for flip in flips[: len(counts)]]
    assert fleiss_kappa_binary(turned, "sorted", other) == fleiss_kappa_binary(counts, "sorted", names)


def test_the_specs_cases():
    whole = np.array([[10, 0], [0, 10], [10, 0]])
    for orientation in ("given", "symmetric"):
        assert fleiss_kappa_binary(whole, orientation).estimate == 1.0
    even = np.full((8, 2), 5)
    assert fleiss_kappa_binary(even, "symmetric").estimate == pytest.approx(-1 / 9)
    counts = np.array([[9, 1], [8, 2], [10, 0], [7, 3]])
    half = counts.copy()
    half[:2] = half[:2, ::-1]
    assert fleiss_kappa_binary(half, "given").estimate != pytest.approx(
        fleiss_kappa_binary(counts, "given").estimate
    )
    one_sided = fleiss_kappa_binary([[4, 0], [6, 0]], "given")
    assert one_sided.estimate == 1.0
    assert "chance" in one_sided.reason


def test_unequal_raters_by_hand():
    counts = [[3, 1], [2, 4], [5, 5]]
    p = [0.75, 1 / 3, 0.5]
    top = sum(n * x * (1 - x) for n, x in zip((4, 6, 10), p, strict=True))
    mean, share = 20 / 3, 0.5
    found = fleiss_kappa_binary(counts, "given")
    assert found.estimate == pytest.approx(1 - top / (3 * (mean - 1) * share * (1 - share)))
    assert (found.observed - found.expected) / (1 - found.expected) == pytest.approx(found.estimate)


LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30)


@given(LABELS, st.sampled_from(["none", "linear", "quadratic"]))
@settings(max_examples=80, deadline=None)
def test_cohen_is_scikit_learns(labels, weights):
    one, other = (list(side) for side in zip(*labels, strict=True))
    found = cohen_kappa(one, other, categories=range(4), weights=weights)
    if len({*one, *other}) == 1:
        assert math.isnan(found.estimate)
        assert "one category" in found.reason
        return
    expected = cohen_kappa_score(
        one, other, labels=[0, 1, 2, 3], weights=None if weights == "none" else weights
    )
    assert found.estimate == pytest.approx(expected, abs=1e-12)


def test_intervals_hold_the_truth():
    inside = 0
    for k in range(150):
        rng = stream(0, "raters", k)
        truth = rng.integers(2, size=60)
        one, other = (np.where(rng.random(60) < 0.85, truth, 1 - truth) for _ in range(2))
        low, high = cohen_kappa(one.tolist(), other.tolist(), rng=rng).interval
        inside += low <= (2 * 0.85 - 1) ** 2 <= high
    assert 0.89 <= inside / 150 <= 0.99
    counts = stream(1, "counts").multinomial(6, [0.5, 0.3, 0.2], size=40)
    low, high = fleiss_kappa(counts, rng=stream(1, "boot")).interval
    assert low < fleiss_kappa(counts).estimate < high
    low, high = fleiss_kappa_binary(counts[:, :2] + 1, rng=stream(1, "boot")).interval
    assert low < fleiss_kappa_binary(counts[:, :2] + 1).estimate < high


def test_bad_input_is_named():
    with pytest.raises(InputError, match="with itself"):
        fleiss_kappa_binary([[1, 2]], "sorted", [("fun", "fun")])
    with pytest.raises(InputError, match="needs the names"):
        fleiss_kappa_binary([[1, 2]], "sorted")
    with pytest.raises(InputError, match="one to each"):
        fleiss_kappa_binary([[1, 2]], "sorted", [])
    with pytest.raises(InputError, match="whole numbers"):
        fleiss_kappa_binary([[1.5, 2]])
    with pytest.raises(InputError, match="no rating"):
        fleiss_kappa_binary([[0, 0]])
    with pytest.raises(InputError, match="two raters"):
        fleiss_kappa_binary([[1, 0], [0, 1]])
    with pytest.raises(InputError, match="two items"):
        fleiss_kappa_binary([[1, 0, 2]])
    with pytest.raises(InputError, match="same number"):
        fleiss_kappa([[1, 2], [3, 3]])
    with pytest.raises(InputError, match="same items"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(InputError, match="not among"):
        cohen_kappa(["a"], ["c"], categories=["a", "b"])

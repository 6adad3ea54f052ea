from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.belief.action_entropy import action_entropy, counted_entropy, plug_in_bias_nats, validity
from doxa.errors import InputError
from doxa.streams import stream

samples = st.lists(st.integers(-1, 5), min_size=1, max_size=40)


def slow(labels, correction=False):
    counted = Counter(label for label in labels if label >= 0)
    total = sum(counted.values())
    if not total:
        return math.nan
    nats = -sum(n / total * math.log(n / total) for n in counted.values())
    return nats + (len(counted) - 1) / (2 * total) * correction


def test_by_hand():
    assert action_entropy(np.array([1, 1, 1, 1])) == 0.0
    assert action_entropy(np.array([0, 1])) == pytest.approx(math.log(2))
    assert action_entropy(np.array([0, 1]), base=2) == pytest.approx(1.0)
    assert action_entropy(np.array([3, 0, -1, -1])) == pytest.approx(math.log(2)), "invalid ones are left out"
    assert math.isnan(action_entropy(np.array([-1, -1])))
    assert math.isnan(action_entropy(np.zeros(0, dtype=int)))


@pytest.mark.parametrize("arms", [2, 3, 7])
def test_uniform_is_log_k(arms):
    assert action_entropy(np.tile(np.arange(arms), 4)) == pytest.approx(math.log(arms))
    assert counted_entropy(np.full(arms, 9), base=arms) == pytest.approx(1.0)


@given(samples, st.permutations(range(6)))
def test_labels_and_their_order_do_not_matter(labels, names):
    renamed = [names[label] if label >= 0 else -1 for label in labels]
    value = action_entropy(np.array(labels))
    assert action_entropy(np.array(renamed[::-1])) == pytest.approx(value, nan_ok=True)


@given(st.lists(st.lists(st.integers(-1, 5), min_size=8, max_size=8), min_size=1, max_size=5), st.booleans())
def test_rows_equal_a_slow_version(rows, corrected):
    correction = "miller-madow" if corrected else None
    found = action_entropy(np.array(rows), correction=correction)
    assert found == pytest.approx([slow(row, corrected) for row in rows], nan_ok=True)
    assert validity(np.array(rows)) == pytest.approx([np.mean([one >= 0 for one in row]) for row in rows])


def test_the_bias_is_as_said_and_the_correction_removes_most_of_it():
    rng = stream(0, "test", "entropy")
    drawn = (rng.random((40_000, 25)) < 0.4).astype(int)
    truth = -(0.4 * math.log(0.4) + 0.6 * math.log(0.6))
    bias = action_entropy(drawn).mean() - truth
    corrected = action_entropy(drawn, correction="miller-madow").mean() - truth
    assert bias == pytest.approx(plug_in_bias_nats(2, 25), abs=0.003)
    assert abs(corrected) < abs(bias) / 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: action_entropy(np.array([0.0, 1.0])), "whole labels"),
        (lambda: counted_entropy(np.array([-1, 2])), "counts=.*numbers >= 0"),
        (lambda: counted_entropy(np.array([1, 2]), base=1.0), "base=1.0: must be > 1"),
        (lambda: plug_in_bias_nats(0, 3), "actions=0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()

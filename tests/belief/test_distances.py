from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from doxa.belief.distances import hellinger, jensen_shannon_nats, total_variation
from doxa.errors import InputError


def two(seed, options):
    return np.random.default_rng(seed).dirichlet(np.full(options, 0.5), size=2)


def test_by_hand():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    assert total_variation(p, q) == pytest.approx(0.3)
    assert hellinger(p, q) == pytest.approx(np.sqrt(0.5 * 2 * (np.sqrt(0.5) - np.sqrt(0.2)) ** 2))
    assert total_variation(np.stack([p, q]), p).tolist() == pytest.approx([0.0, 0.3])


@given(seed=st.integers(0, 999), options=st.integers(1, 6))
def test_they_are_distances_and_bound_one_another(seed, options):
    p, q = two(seed, options)
    tv, h, js = (float(f(p, q)) for f in (total_variation, hellinger, jensen_shannon_nats))
    assert h**2 - 1e-12 <= tv <= np.sqrt(2.0) * h + 1e-12
    assert js == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-9)
    for one in (total_variation, hellinger, jensen_shannon_nats):
        assert float(one(p, p)) == pytest.approx(0.0, abs=1e-9)
        assert float(one(q, p)) == pytest.approx(float(one(p, q)), abs=1e-12)


def test_total_variation_is_the_largest_difference_over_events():
    p, q = two(3, 4)
    events = [[i for i in range(4) if mask >> i & 1] for mask in range(16)]
    largest = max(abs(p[event].sum() - q[event].sum()) for event in events)
    assert total_variation(p, q) == pytest.approx(largest)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0.5, 0.4], [0.5, 0.5], "p sums to 0.9: must sum to 1"),
        ([0.5, 0.5], [[0.5, 0.5], [0.9, 0.3]], r"q at \(1,\) sums to 1.2"),
        ([1.5, -0.5], [0.5, 0.5], "must be finite and >= 0"),
        ([0.5, 0.5], [1.0], "p is over 2 options and q over 1"),
        (1.0, [1.0], "give one probability for each option"),
    ],
)
def test_bad_input(p, q, message):
    with pytest.raises(InputError, match=message):
        total_variation(np.array(p), np.array(q))

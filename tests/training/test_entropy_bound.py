from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.entropy_bound import entropy_lower_bound


def entropy(p):
    return float(-(p * np.log(np.where(p > 0, p, 1.0))).sum())


@given(seed=some.integers(0, 10_000), size=some.integers(2, 40), known=some.integers(1, 40))
def test_it_is_below_the_entropy_and_above_what_is_known(seed, size, known):
    p = np.sort(stream(seed, "p").dirichlet(np.full(size, 0.5)))[::-1]
    top = p[:known]
    bound = entropy_lower_bound(np.log(np.maximum(top, 1e-300)))
    assert entropy(top) - 1e-9 <= bound.lower <= entropy(p) + 1e-7
    assert bound.unseen == pytest.approx(1 - top.sum(), abs=1e-9)
    if known >= size:
        assert bound.lower == pytest.approx(entropy(p), abs=1e-7)


def test_it_is_tight():
    p = np.array([0.4, 0.2, 0.2, 0.15, 0.05])  # after two known, one more of 0.2 and the rest together
    assert entropy_lower_bound(np.log(p[:2])).lower == pytest.approx(entropy(np.array([0.4, 0.2, 0.2, 0.2])))


def test_many_positions_at_once():
    bound = entropy_lower_bound(np.log(np.full((3, 4, 5), 0.1)))
    assert bound.lower == pytest.approx(np.full((3, 4), np.log(10)))


@pytest.mark.parametrize(("p", "message"), [([1.5], "at most 0"), ([0.9, 0.9], "1.8"), ([], "is empty")])
def test_bad_log_probs(p, message):
    with pytest.raises(InputError, match=message):
        entropy_lower_bound(np.log(np.array(p)))

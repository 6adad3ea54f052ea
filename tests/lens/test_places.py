from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lens.places import spans


def test_places_by_hand():
    assert spans(-1, [3, 5]).tolist() == [[[2, 3]], [[4, 5]]]
    assert spans(slice(-2, None), [3, 5]).tolist() == [[[1, 3]], [[3, 5]]]
    assert spans([0, -1], [3, 5]).tolist() == [[[0, 1]], [[4, 5]]]
    assert spans([[0, 1], [slice(0, 2), -1]], [3, 5]).tolist() == [[[0, 1], [1, 2]], [[0, 2], [4, 5]]]
    assert spans(np.array([1, 2]), [3, 5]).tolist() == [[[1, 2]], [[2, 3]]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.data())
def test_a_position_and_its_count_from_the_end_are_the_same_place(lengths: list[int], data: st.DataObject):
    places = [data.draw(st.integers(0, length - 1)) for length in lengths]
    back = [place - length for place, length in zip(places, lengths, strict=True)]
    assert np.array_equal(spans(places, lengths), spans(back, lengths))


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (3, "position 3 is outside row 0, which has 3 tokens"),
        ([0, -6], "position -6 is outside row 1"),
        (slice(3, None), "holds no token of row 0"),
        (slice(0, 3, 2), "has a step"),
        ([0], "1 entries for 2 rows"),
        ([[0, 1], [0]], r"rows have \[1, 2\] of them"),
        ([[], []], "at least one"),
    ],
)
def test_places_that_are_not_there_are_refused(places, said: str):
    with pytest.raises(InputError, match=said):
        spans(places, [3, 5])

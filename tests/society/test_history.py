"""What a large population's history counts, beside numpy's histogram."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.society.history import BINS
from doxa.society.history_kernels import count_bars


@settings(deadline=None)  # the first call compiles
@given(
    st.floats(-3.0, 0.0),
    st.floats(1.0, 5.0),
    st.lists(st.one_of(st.floats(-9, 9, width=32), st.just(float("nan")), st.integers(0, BINS)), max_size=50),
)
def test_bars_hold_what_numpy_counts_also_on_and_beside_edges(low, high, drawn):
    edges = np.linspace(low, high, BINS + 1)
    values = np.array([edges[x] if isinstance(x, int) else x for x in drawn], dtype=np.float32)
    beside = np.concatenate(
        [values, np.nextafter(values, np.float32(-99)), np.nextafter(values, np.float32(99))]
    )
    known = beside[~np.isnan(beside)]
    expected, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    assert np.array_equal(count_bars(beside, edges), expected)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lens.similarity import linear_cka
from doxa.streams import stream


def _kernels(x: np.ndarray, y: np.ndarray) -> float:
    """CKA by its definition: the cosine of doubly centred kernels."""
    n = len(x)
    centre = np.eye(n) - 1.0 / n
    k, g = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    return float(np.trace(k @ g) / np.sqrt(np.trace(k @ k) * np.trace(g @ g)))


@given(st.integers(2, 30), st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_it_equals_the_kernel_form_and_is_symmetric(n: int, first: int, second: int, seed: int):
    rng = stream(seed, "cka")
    x, y = rng.standard_normal((n, first)), rng.standard_normal((n, second))
    assert linear_cka(x, y) == pytest.approx(_kernels(x, y), abs=1e-9)
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x), abs=1e-12)
    assert -1e-12 <= linear_cka(x, y) <= 1.0 + 1e-12


def test_rotation_scale_and_shift_change_nothing():
    rng = stream(0, "cka")
    x = rng.standard_normal((50, 8))
    turn, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    assert linear_cka(x, x) == pytest.approx(1.0)
    assert linear_cka(x, 3.0 * x @ turn + 7.0) == pytest.approx(1.0)


def test_independent_noise_has_next_to_none():
    rng = stream(0, "cka", "noise")
    assert linear_cka(rng.standard_normal((5000, 8)), rng.standard_normal((5000, 8))) < 0.01


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="2 and 3 examples"):
        linear_cka(np.zeros((2, 1)), np.zeros((3, 1)))
    with pytest.raises(InputError, match="the same for every example"):
        linear_cka(np.ones((3, 2)), np.eye(3))
    with pytest.raises(InputError, match="not finite"):
        linear_cka(np.array([[1.0], [np.nan]]), np.eye(2))

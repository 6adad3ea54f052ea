from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.training.forward_only import SKANetwork, entropy_by_class
from tests.training.forward_only.test_network import inputs


def test_classes_sum_to_the_run_and_each_is_its_own_samples():
    x, classes = inputs(), np.arange(20) % 3 + 5
    apart = entropy_by_class(SKANetwork((4, 3), 6, 0.3), x, classes, 0.1, 8)
    whole = SKANetwork((4, 3), 6, 0.3).run(x, 0.1, 8)
    assert apart.shape == (3, 2, 8)
    np.testing.assert_allclose(apart.sum(axis=0), whole.entropy, rtol=1e-4, atol=1e-5)
    merged = entropy_by_class(SKANetwork((4, 3), 6, 0.3), x, np.minimum(classes, 6), 0.1, 8)
    np.testing.assert_allclose(merged[0], apart[0], rtol=1e-6)
    np.testing.assert_allclose(merged[1], apart[1] + apart[2], rtol=1e-5, atol=1e-7)


def test_a_class_for_each_sample():
    with pytest.raises(InputError, match="give one class each"):
        entropy_by_class(SKANetwork((4,), 6), inputs(), np.zeros(3, dtype=int), 0.1, 4)
    with pytest.raises(InputError, match=r"must be \[samples, 5\]"):
        entropy_by_class(SKANetwork((4,), 5), inputs(), np.zeros(20, dtype=int), 0.1, 4)
    with pytest.raises(InputError, match="steps=1"):
        entropy_by_class(SKANetwork((4,), 6), inputs(), np.zeros(20, dtype=int), 0.1, 1)

from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.training.forward_only import PUBLISHED_PAIRS, time_invariance
from doxa.training.forward_only.invariance import error_order, overlay
from tests.training.forward_only.test_network import inputs

PAIRS = ((0.2, 40), (0.1, 80), (0.05, 160), (0.01, 800))


@pytest.fixture(scope="module")
def result():
    x = inputs(dtype=torch.float64)
    return time_invariance(x, PAIRS, seed=1, layer_sizes=(5, 3), init_std=0.3, dtype=torch.float64)


def test_the_published_pairs_have_one_budget():
    assert all(eta * steps == pytest.approx(0.5, abs=0.006) for eta, steps in PUBLISHED_PAIRS)
    assert len(PUBLISHED_PAIRS) == 6


def test_equal_budgets_trace_one_curve_up_to_the_step(result):
    assert result.finest == 3
    for measure in ("entropy", "flow_norm"):
        errors = result.overlap_error[measure]
        assert (errors[-1] == 0.0).all()
        assert (np.diff(errors[:-1], axis=0) < 0.0).all()
        np.testing.assert_allclose(result.order(measure), 1.0, atol=0.35)
    assert result.curves["entropy"].shape == (4, 2, len(result.at))


def test_equal_steps_do_not():
    fixed = time_invariance(
        inputs(), [(0.4, 20), (0.2, 20), (0.1, 20)], layer_sizes=(5,), init_std=0.3, axis="progress"
    )
    assert fixed.overlap_error["entropy"][0, 0] > 0.5


def test_noise_of_one_size_at_each_step_breaks_it():
    noisy = time_invariance(inputs(), PAIRS, seed=1, layer_sizes=(5, 3), init_std=0.3, weight_noise=0.1)
    assert (np.abs(noisy.order("entropy")) < 0.6).all()


def test_the_order_by_hand():
    assert error_order([0.5, 0.3, 0.1], np.array([[0.8], [0.2], [0.0]]))[0] == pytest.approx(2.0)


def test_bad_input_is_named(result):
    with pytest.raises(InputError, match="two or more"):
        time_invariance(inputs(), [(0.1, 5)])
    with pytest.raises(InputError, match="flatten"):
        time_invariance(torch.ones(6), PAIRS)
    with pytest.raises(InputError, match="to lay over"):
        overlay(result.histories[:1])
    with pytest.raises(InputError, match="two beside the finest"):
        error_order([0.1, 0.2], np.ones((2, 1)))
    short = time_invariance(inputs(), [(0.1, 5), (0.1, 5)], layer_sizes=(2,)).histories[0]
    with pytest.raises(InputError, match="share no stretch"):
        overlay([short, time_invariance(inputs(), [(0.5, 5), (0.45, 5)], layer_sizes=(2,)).histories[0]])

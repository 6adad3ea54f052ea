"""Estimators against the change itself on softmax tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from doxa.errors import InputError
from doxa.training.entropy_weights.agreement import agreement
from doxa.training.entropy_weights.tables import Rows, draw_rows, estimate_rows, stepped_entropy_change


def test_two_actions_by_hand():
    # p = (3/4, 1/4): dH = eta A [p^2 (ln p + H) + q^2 (ln q + H) - p (ln p + H)] for the first action
    p, q, step = 0.75, 0.25, 1e-5
    entropy = -p * np.log(p) - q * np.log(q)
    expected = (
        -step
        * 2.0
        * (p * (np.log(p) + entropy) - p**2 * (np.log(p) + entropy) - q**2 * (np.log(q) + entropy))
    )
    rows = Rows(
        torch.tensor([[np.log(3.0), 0.0]], dtype=torch.float64),
        torch.tensor([0]),
        torch.tensor([2.0]).double(),
    )
    assert stepped_entropy_change(rows, step).item() == pytest.approx(expected, rel=1e-3)
    assert estimate_rows(rows, step).estimates["exact"].item() == pytest.approx(expected, rel=1e-9)


def test_uniform_rows_do_not_move_to_first_order():
    rows = Rows(torch.zeros(3, 5).double(), torch.tensor([0, 2, 4]), torch.tensor([1.0, -1.0, 3.0]).double())
    found = estimate_rows(rows, 1e-3)
    for estimate in found.estimates.values():
        assert np.abs(estimate).max() < 1e-15
    assert (found.true <= 0).all()  # entropy is at its greatest


def test_actions_are_drawn_from_the_softmax():
    rows = draw_rows(3, 8, 40_000)
    expected = float(rows.logits.softmax(-1).square().sum(-1).mean())
    assert float(rows.probability.mean()) == pytest.approx(expected, abs=0.01)
    assert rows.logits.std(-1).mean().item() == pytest.approx(3.0, abs=0.3)


def test_names_make_the_draw():
    assert torch.equal(draw_rows(1, 8, 5).logits, draw_rows(1, 8, 5).logits)
    assert not torch.equal(draw_rows(1, 8, 5).logits, draw_rows(2, 8, 5).logits)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=5, max_size=40, unique=True))
def test_agreement_is_what_scipy_says(pairs):
    true, estimate = (np.array(column) for column in zip(*pairs, strict=True))
    found = agreement(true, estimate)
    if np.std(true) > 1e-6 and np.std(estimate) > 1e-6:
        assert found.pearson == pytest.approx(pearsonr(true, estimate).statistic, abs=1e-6)
        assert found.spearman == pytest.approx(spearmanr(true, estimate).statistic, abs=1e-9)
    if np.abs(true).max() > 1e-6:
        assert found.unexplained <= 1.0 + 1e-9


def test_a_scaled_truth_agrees_but_for_its_scale():
    true = np.array([0.1, -0.2, 0.5, 0.0])
    found = agreement(true, true / 4)
    assert found.pearson == pytest.approx(1.0)
    assert found.sign == 1.0
    assert found.scale == pytest.approx(4.0)
    assert found.unexplained == pytest.approx(0.0, abs=1e-12)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="actions=1"):
        draw_rows(0, 1, 5)
    with pytest.raises(InputError, match="at least 3"):
        agreement(np.ones(2), np.ones(2))
    with pytest.raises(InputError, match="finite"):
        agreement(np.ones(3), np.array([0.0, np.nan, 1.0]))

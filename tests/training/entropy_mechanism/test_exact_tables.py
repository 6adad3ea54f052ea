from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.training.entropy_mechanism.exact_tables import GRADIENTS, Table, draw_table, record_tables, stepped


@pytest.mark.parametrize("kind", GRADIENTS)
def test_the_step_is_the_gradient_of_the_expected_worth(kind):
    """Against autograd: pg is the gradient itself, npg the gradient divided by the probabilities."""
    table = draw_table(0, states=3, actions=5)
    logits = table.logits.clone().requires_grad_(True)
    (logits.softmax(-1) * table.worth).sum().backward()
    gradient = logits.grad if kind == "pg" else logits.grad / logits.detach().softmax(-1)
    moved = stepped(table, 0.1, kind).after.logits - table.logits
    torch.testing.assert_close(moved, 0.1 * gradient)


@pytest.mark.parametrize("kind", GRADIENTS)
def test_half_the_step_a_quarter_of_the_error(kind):
    table = draw_table(1)
    errors = [
        np.sqrt(np.mean((step.true - step.predicted) ** 2))
        for step in (stepped(table, eta, kind) for eta in (0.02, 0.01))
    ]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.02)


def test_two_actions_by_hand():
    """p = 1/2 each: H is at its top, the covariance 0, and the change of second order."""
    table = Table(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    step = stepped(table, 0.1, "npg")
    assert step.predicted == pytest.approx(0.0, abs=1e-15)
    assert step.true == pytest.approx(-(0.1**2) / 8, rel=1e-2)  # H(z) = ln 2 - z²/8 + O(z⁴), z = 0.1


def test_equal_worths_change_nothing():
    table = draw_table(2)
    flat = Table(table.logits, torch.full_like(table.worth, 3.0))
    assert np.abs(stepped(flat, 0.5, "pg").true).max() < 1e-14


def test_what_is_recorded():
    recorder = Recorder("tables", 0)
    record_tables(recorder, 0)
    rows = recorder.tables().measures
    assert rows.filter(measure="correlation of theorem")["value"].min() > 0.99
    assert rows.filter(measure="correlation of steps")["value"].min() > 0.99
    assert rows.filter(measure="table state").height == 400


def test_tables_that_are_none():
    with pytest.raises(InputError, match="actions=1"):
        draw_table(0, actions=1)

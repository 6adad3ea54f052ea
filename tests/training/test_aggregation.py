from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.aggregation import Aggregation, aggregate_loss, masked_mean

MODES = get_args(Aggregation)


def test_every_mode_by_hand():
    x = torch.tensor([[1.0, 2.0, 9.0], [4.0, 9.0, 9.0]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    expected = {
        "token-mean": 7 / 3,
        "seq-mean-token-sum": 7 / 2,
        "seq-mean-token-mean": (1.5 + 4) / 2,
        "seq-mean-token-sum-norm": 7 / 3,
        "dr_grpo": 7 / 20,
    }
    assert set(expected) == set(MODES)
    for mode, value in expected.items():
        assert float(aggregate_loss(x, mask, mode, max_length=10)) == pytest.approx(value)
    assert float(masked_mean(x, mask)) == pytest.approx(7 / 3)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_masked_is_never_read(mode: str):
    x = torch.randn(4, 6, generator=torch_stream(0, "x"), dtype=torch.float64)
    mask = torch.rand(4, 6, generator=torch_stream(0, "mask")) < 0.5
    clean = x.masked_fill(~mask, 0.0).requires_grad_()
    dirty = x.masked_fill(~mask, math.nan).requires_grad_()
    losses = [aggregate_loss(one, mask, mode, max_length=6) for one in (clean, dirty)]
    assert torch.equal(*losses)
    for loss in losses:
        loss.backward()
    assert clean.grad is not None
    assert dirty.grad is not None
    assert torch.equal(clean.grad, dirty.grad)


def test_a_response_without_tokens_does_not_count_as_one():
    x, mask = torch.ones(3, 2), torch.tensor([[1, 1], [0, 0], [1, 0]])
    assert float(aggregate_loss(x, mask, "seq-mean-token-mean")) == 1.0
    assert float(aggregate_loss(x, mask, "seq-mean-token-sum")) == 1.5


def test_bad_input_is_named():
    x = torch.ones(2, 2)
    with pytest.raises(InputError, match="no response tokens"):
        masked_mean(x, torch.zeros(2, 2))
    with pytest.raises(InputError, match="did you mean 'token-mean'"):
        aggregate_loss(x, x, "token_mean")
    with pytest.raises(InputError, match="longest response"):
        aggregate_loss(x, x, "dr_grpo")

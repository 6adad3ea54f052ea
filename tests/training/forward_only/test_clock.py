from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.training.forward_only import (
    SKANetwork,
    largest_eigenvalue,
    linear_growth_rate,
    linear_knowledge,
    suggested_dt,
)
from tests.training.forward_only.test_network import inputs

LN2 = math.log(2.0)


def test_the_eigenvalue_by_hand():
    ones = torch.ones(7, 3)
    assert largest_eigenvalue(ones, bias=False) == pytest.approx(3.0)
    assert largest_eigenvalue(ones) == pytest.approx(4.0)
    assert linear_growth_rate(ones) == pytest.approx(4.0 / (4.0 * LN2))
    assert suggested_dt(ones) * linear_growth_rate(ones) == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(30, 4), (4, 30)])
def test_the_eigenvalue_against_numpy(shape):
    x = inputs(*shape)
    with_ones = np.c_[x.numpy().astype(np.float64), np.ones(len(x))]
    assert largest_eigenvalue(x) == pytest.approx(np.linalg.svd(with_ones)[1][0] ** 2 / len(x))


@pytest.mark.parametrize("bias", [True, False])
def test_small_knowledge_grows_as_the_flow_says(bias):
    x = inputs(40, 5, dtype=torch.float64)
    net = SKANetwork((3,), 5, 1e-6, dtype=torch.float64)
    start = net.forward(x)[0].knowledge
    net.run(x, 0.002, 1002)
    if not bias:
        net = SKANetwork((3,), 5, 1e-6, dtype=torch.float64)
        for _ in range(1002):
            net.step(x, 0.002)
            net.biases[0].zero_()
    grown = linear_knowledge(x, start, 2.0, bias=bias)
    # the last of 1002 passes has followed 1000 changes
    assert torch.allclose(net.forward(x)[0].knowledge, grown, rtol=0.02)


def test_the_rate_of_steps_is_the_one_that_is_seen():
    x = inputs(40, 5, dtype=torch.float64)
    dt = 0.2
    net = SKANetwork((3,), 5, 1e-10, dtype=torch.float64)
    history = net.run(x, dt, 80)
    seen = np.log(history.knowledge_norm[0, -1] / history.knowledge_norm[0, -2]) / dt
    assert seen == pytest.approx(linear_growth_rate(x, dt=dt), rel=1e-4)
    assert seen > linear_growth_rate(x), "the ΔD term makes steps faster than the flow"


def test_bad_input_is_named():
    with pytest.raises(InputError, match="dt=-1"):
        linear_growth_rate(inputs(), dt=-1.0)
    with pytest.raises(InputError, match="flatten"):
        largest_eigenvalue(torch.ones(3))

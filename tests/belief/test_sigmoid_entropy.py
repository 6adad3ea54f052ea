from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from doxa.belief.sigmoid_entropy import (
    LN2,
    entropy_between,
    knowledge_integral,
    lagrangian,
    net_with_sign,
    tensor_net_between,
)
from doxa.errors import InputError

FINITE = st.floats(-30, 30)


def sigma(z):
    return 1.0 / (1.0 + np.exp(-z))


def test_a_decision_made_from_evens_is_worth_one_bit():
    assert entropy_between(np.zeros(2), np.array([60.0, -60.0])) == pytest.approx(-2.0)
    assert entropy_between(np.array([60.0]), np.zeros(1)) == pytest.approx(1.0)


@pytest.mark.parametrize("z", [-700.0, -37.0, -1.5, 0.0, 0.3, 4.0, 700.0])
def test_the_integral_is_z_sigma_less_softplus(z):
    with mpmath.workdps(40):
        exact = mpmath.mpf(z) / (1 + mpmath.exp(-mpmath.mpf(z))) - mpmath.log1p(mpmath.exp(mpmath.mpf(z)))
    assert knowledge_integral(np.array([z]))[0] == pytest.approx(float(exact), rel=1e-12, abs=1e-300)


@given(FINITE)
def test_the_derivative_of_the_integral_is_z_times_that_of_sigma(z):
    h = 1e-4
    slope = np.diff(knowledge_integral(np.array([z - h, z + h])))[0] / (2 * h)
    assert slope == pytest.approx(z * sigma(z) * (1 - sigma(z)), abs=1e-7)


@given(hnp.arrays(np.float64, 4, elements=FINITE), hnp.arrays(np.float64, 4, elements=FINITE), FINITE)
def test_only_the_ends_of_a_path_count(z0, z1, bend):
    t = np.linspace(0.0, 1.0, 4001)[:, None]
    path = z0 + (z1 - z0) * t + bend * np.sin(2 * np.pi * t)
    d = sigma(path)
    walked = -np.sum(0.5 * (path[1:] + path[:-1]) * np.diff(d, axis=0)) / LN2
    assert walked == pytest.approx(entropy_between(z0, z1), abs=2e-3)
    held = 0.5 * (d[1:] + d[:-1])
    for sign, factor in (("code", 1.0), ("text", -1.0)):
        net = np.sum(held * np.diff(path, axis=0)) + factor * walked
        assert net == pytest.approx(tensor_net_between(z0, z1, sign), abs=5e-2)


def test_both_signs_of_a_small_step():
    z, step = np.array([1.3, -0.4]), np.array([1e-6, 2e-6])
    pull = z * sigma(z) * (1 - sigma(z))
    for sign, factor in (("code", -1.0), ("text", 1.0)):
        wanted = np.sum(step * (sigma(z) + factor * pull / LN2))
        assert tensor_net_between(z, z + step, sign) == pytest.approx(wanted, rel=1e-5)
    code = np.array([np.sum(step * (sigma(z) - pull / LN2))])
    rate = np.array([-np.sum(step * pull) / LN2])
    assert net_with_sign(code, rate, "text") == pytest.approx(np.sum(step * (sigma(z) + pull / LN2)))
    assert net_with_sign(code, rate, "code") == code


def test_the_lagrangian_is_the_rate_of_entropy():
    z, flow, dt = np.array([0.7, -2.0]), np.array([3.0, -1.0]), 1e-6
    rate = entropy_between(z, z + dt * flow) / dt
    assert lagrangian(z, flow) / LN2 == pytest.approx(rate, rel=1e-5)


def test_the_euler_lagrange_residual_of_any_smooth_path_is_zero():
    import torch

    t = torch.linspace(0.1, 2.0, 30, dtype=torch.float64, requires_grad=True)
    for path in (
        lambda t: torch.sin(3 * t) + t**2,
        lambda t: torch.exp(-t) - 4 * t,
        lambda t: 5 * torch.cos(t * t),
    ):
        z = path(t)
        (v,) = torch.autograd.grad(z.sum(), t, create_graph=True)

        def action(z, v):
            return -z * torch.sigmoid(z) * (1 - torch.sigmoid(z)) * v

        by_z, by_v = torch.autograd.grad(action(z, v).sum(), (z, v), create_graph=True)
        (momentum_rate,) = torch.autograd.grad(by_v.sum(), t)
        assert float((by_z - momentum_rate).detach().abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy_between(np.zeros(2), np.zeros(3)), "shapes"),
        (lambda: entropy_between(np.zeros(1), np.array([np.nan])), "finite"),
        (lambda: tensor_net_between(np.zeros(1), np.ones(1), "paper"), "'code'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from doxa.streams import torch_stream
from doxa.training.divergences import divergences


def test_every_estimator_by_hand():
    d = math.log(2.0)
    expected = {"k1": d, "abs": d, "k2": d * d / 2, "k3": 0.5 + d - 1, "k3-clamped": 0.5 + d - 1}
    assert set(expected) == set(divergences.names())
    for name, value in expected.items():
        got = divergences.get(name)(torch.tensor([-1.0]), torch.tensor([-1.0 - d]))
        assert float(got) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("name", ["k1", "k3"])
def test_unbiased_estimators_average_to_the_divergence(name: str):
    log_p, log_q = (
        torch.randn(6, generator=torch_stream(seed, "table"), dtype=torch.float64).log_softmax(0)
        for seed in (0, 1)
    )
    estimate = divergences.get(name)(log_p, log_q)
    torch.testing.assert_close(
        (log_p.exp() * estimate).sum(),
        torch.nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True),
    )


def test_the_gradient_of_k2_is_that_of_the_divergence():
    logits = torch.randn(6, generator=torch_stream(0, "logits"), dtype=torch.float64).requires_grad_()
    log_q = torch.randn(6, generator=torch_stream(1, "logits"), dtype=torch.float64).log_softmax(0)
    log_p = logits.log_softmax(0)
    exact = torch.autograd.grad((log_p.exp() * (log_p - log_q)).sum(), logits, retain_graph=True)[0]
    sampled = torch.autograd.grad((log_p.exp().detach() * divergences.get("k2")(log_p, log_q)).sum(), logits)[
        0
    ]
    torch.testing.assert_close(sampled, exact)


def test_the_clamps_bound_value_and_gradient():
    log_p = torch.tensor([-30.0, -0.1], requires_grad=True)
    got = divergences.get("k3-clamped")(log_p, torch.tensor([-1.0, -40.0]))
    assert got.tolist() == pytest.approx([10.0, 10.0])
    got.sum().backward()
    assert log_p.grad is not None
    assert log_p.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_k3_and_its_gradient_are_exact_near_zero(dtype: torch.dtype):
    """There e^{-d} - 1 and d cancel: of 1e-3 only four digits would be left in single precision."""
    d = torch.tensor([1e-8, 1e-3, -1e-3, 0.0999, 0.1001, -0.3], dtype=dtype, requires_grad=True)
    got = divergences.get("k3")(d, torch.zeros_like(d))
    (slope,) = torch.autograd.grad(got.sum(), d)
    with mpmath.workdps(50):
        exact = [(mpmath.exp(-x) + x - 1, 1 - mpmath.exp(-x)) for x in map(mpmath.mpf, d.tolist())]
    rounding = 10 * torch.finfo(dtype).eps
    assert got.tolist() == pytest.approx([float(one) for one, _ in exact], rel=rounding)
    assert slope.tolist() == pytest.approx([float(one) for _, one in exact], rel=rounding)

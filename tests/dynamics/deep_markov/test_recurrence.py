from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.dynamics.deep_markov.recurrence import gated_recurrence, guide_path
from doxa.streams import torch_stream

GROUPS, STREAMS, STEPS, ROWS, WIDTH, LATENT = 4, 2, 5, 3, 6, 2


def draws(*sizes: tuple[int, ...]) -> list[torch.Tensor]:
    """Double-precision numbers of these sizes that take gradients."""
    chance = torch_stream(0, "recurrence")
    return [torch.randn(size, generator=chance, dtype=torch.float64).requires_grad_() for size in sizes]


def plain_path(start, weight, direct, inputs, context, out_weight, out_inputs, noise, floor):
    """The guide's path step by step, as its definition says it."""
    z = start.unsqueeze(1).expand(-1, ROWS, -1)
    shared = context.repeat_interleave(STREAMS, 0)
    found = []
    for t in range(STEPS):
        hidden = torch.relu(torch.tanh(z @ weight + inputs[:, t]) + shared[:, t])
        out = hidden @ out_weight + out_inputs[:, t]
        mean = out[..., :LATENT] + z @ direct
        scale = torch.nn.functional.softplus(out[..., LATENT:]) + floor
        z = mean + scale * noise[:, t]
        found.append((z, mean, scale))
    return [torch.stack(one, 1) for one in zip(*found, strict=True)]


def test_recurrent_units_are_those_of_torch():
    """States and gradients beside ``torch.nn.GRU``, whose gates come in the order r, z, n."""
    peer = torch.nn.GRU(4, WIDTH, batch_first=True, dtype=torch.float64)
    x = draws((ROWS, STEPS, 4))[0]
    expected, _ = peer(x)
    projected = (x @ peer.weight_ih_l0.T + peer.bias_ih_l0).transpose(0, 1)[None]
    by_gate = torch.cat([torch.arange(2 * WIDTH, 3 * WIDTH), torch.arange(2 * WIDTH)])  # n, r, z
    weight = peer.weight_hh_l0[by_gate].T[None]
    bias = peer.bias_hh_l0[by_gate][None]
    found = gated_recurrence(projected, torch.zeros(1, WIDTH, dtype=torch.float64), weight, bias)
    torch.testing.assert_close(found[0].transpose(0, 1), expected, rtol=0, atol=1e-12)
    wanted = [x, *peer.parameters()]
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_gradients_of_the_recurrence_are_those_of_differences():
    given = draws((2, 3, 2, 9), (2, 3), (2, 3, 9), (2, 9))
    assert torch.autograd.gradcheck(gated_recurrence, given)


def test_the_guide_goes_the_way_its_definition_says():
    given = draws(
        (GROUPS, LATENT),
        (GROUPS, LATENT, WIDTH),
        (GROUPS, LATENT, LATENT),
        (GROUPS, STEPS, ROWS, WIDTH),
        (GROUPS // STREAMS, STEPS, ROWS, WIDTH),
        (GROUPS, WIDTH, 2 * LATENT),
        (GROUPS, STEPS, ROWS, 2 * LATENT),
    )
    noise = draws((GROUPS, STEPS, ROWS, LATENT))[0].detach()
    found, expected = guide_path(*given, noise, 1e-3), plain_path(*given, noise, 1e-3)
    factors = [torch.linspace(-1, 1, one.numel(), dtype=torch.float64).view_as(one) for one in expected]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    gradients = [
        torch.autograd.grad(sum((a * b).sum() for a, b in zip(path, factors, strict=True)), given)
        for path in (found, expected)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("width", [1, 3, 8])
def test_single_precision_agrees_with_double(width):
    """The rational tanh of single numbers is off by 4e-7 at most, saturated ends included."""
    inputs, start, weight, bias = draws(
        (1, 4, 2, 3 * width), (1, width), (1, width, 3 * width), (1, 3 * width)
    )
    exact = gated_recurrence(inputs * 20, start, weight, bias)
    quick = gated_recurrence(*(one.float() for one in (inputs * 20, start, weight, bias)))
    assert np.abs(quick.detach().numpy() - exact.detach().numpy()).max() < 2e-5

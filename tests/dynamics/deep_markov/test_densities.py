from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.dynamics.deep_markov import PgDMM, PhysicsPrior
from doxa.dynamics.deep_markov.network import Gaussian, gaussian_divergence, gaussian_log_density
from doxa.streams import stream, torch_stream

SCALES = st.floats(0.05, 20.0)
MEANS = st.floats(-5.0, 5.0)


def gaussian(mean: float, scale: float) -> Gaussian:
    return Gaussian(torch.tensor(mean, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64))


@settings(deadline=None)
@given(MEANS, SCALES, MEANS, SCALES)
def test_divergence_and_density_are_those_of_torch(mean, scale, other_mean, other_scale):
    one, other = gaussian(mean, scale), gaussian(other_mean, other_scale)
    peers = [torch.distributions.Normal(*each) for each in (one, other)]
    found = gaussian_divergence(one, other)
    expected = torch.distributions.kl_divergence(*peers)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        gaussian_log_density(one.mean, other), peers[1].log_prob(one.mean), rtol=1e-9, atol=1e-9
    )


@settings(deadline=None)
@given(MEANS, SCALES, st.floats(1e-3, 2.0), st.booleans())
def test_divergence_is_zero_only_between_equals(mean, scale, gap, in_mean):
    one = gaussian(mean, scale)
    assert float(gaussian_divergence(one, one)) == 0
    other = gaussian(mean + gap, scale) if in_mean else gaussian(mean, scale * (1 + gap))
    assert float(gaussian_divergence(one, other)) > 0


def test_divergence_by_hand():
    """KL(N(1, 1) ‖ N(0, 2)) = ln 2 + (1 + 1)/8 - 1/2."""
    assert np.isclose(float(gaussian_divergence(gaussian(1, 1), gaussian(0, 2))), np.log(2) - 0.25)


def test_the_fused_variance_is_that_of_samples():
    """The formula beside a million draws of both streams, to five standard errors."""
    x = stream(0, "fused").normal(size=(2, 3, 1))
    model = PgDMM(PhysicsPrior.linear([[0.9]], None, [[1.0]]), alpha=0.3, precision="float64")
    model.fit(x, steps=0)
    network = model.fitted().network
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64).view(1, 2, 1, 1)
    scale = torch.tensor([0.5, 2.0], dtype=torch.float64).view(1, 2, 1, 1)
    found = network.fused_gaussian(Gaussian(mean, scale))
    noise = torch.randn((1, 2, 1_000_000, 1), generator=torch_stream(0, "fused"), dtype=torch.float64)
    drawn = network.fused(mean + scale * noise)
    assert np.isclose(float(found.mean), 0.3 * 1 - 0.7 * 2)
    assert np.isclose(float(found.scale), np.hypot(0.3 * 0.5, 0.7 * 2))
    error = float(found.scale) / 1000
    assert abs(float(drawn.mean()) - float(found.mean)) < 5 * error
    assert abs(float(drawn.std()) - float(found.scale)) < 5 * error

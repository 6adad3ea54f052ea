from __future__ import annotations

import numpy as np
import pytest

from doxa.dynamics import ho_kalman, markov_parameters
from doxa.errors import InputError
from tests.dynamics.test_linear import drawn


def test_markov_parameters_by_hand():
    h = markov_parameters(
        np.diag([0.2, 0.1]), np.diag([0.45, 0.1]), np.array([1.0, 0.1]), np.array([0.0, 0.1]), H=2
    )
    np.testing.assert_allclose(h, [[0.0, 0.1], [0.45, 0.01], [0.09, 0.001]])
    with pytest.raises(InputError, match="H=-1"):
        markov_parameters(np.eye(1), np.eye(1), np.ones(1), np.ones(1), H=-1)


@pytest.mark.parametrize("past_outputs", [False, True])
def test_without_noise_the_system_is_found(past_outputs):
    """With past outputs also a slow one, whose memory is far longer than the lags."""
    system = drawn(1, radius=0.97 if past_outputs else 0.3)
    u = np.random.default_rng(2).normal(size=(3, 300, 2))
    out = system.simulate(u)
    found = ho_kalman(u, out.outputs, order=3, lags=8 if past_outputs else 24, past_outputs=past_outputs)
    np.testing.assert_allclose(found.system.impulse_response(40), system.impulse_response(40), atol=1e-8)
    np.testing.assert_allclose(found.system.poles(), system.poles(), atol=1e-7)
    assert found.singular_values[3] < 1e-8 * found.singular_values[0]
    assert found.rows == 3 * (300 - (8 if past_outputs else 24))


def test_gaps_and_noise_only_cost_precision():
    system, rng = drawn(3, p=1, radius=0.6), np.random.default_rng(4)
    u = rng.normal(size=(40_000, 2))
    y = system.simulate(u, observation_noise=0.1 * rng.normal(size=(40_000, 1))).outputs[:, 0]
    y[rng.random(40_000) < 0.05] = np.nan
    u[-100:] = np.nan
    found = ho_kalman(u, y, order=3, lags=20)
    np.testing.assert_allclose(found.system.impulse_response(12), system.impulse_response(12), atol=0.01)
    assert 37_000 < found.rows < 39_000


def test_a_ridge_shrinks():
    system, u = drawn(5), np.random.default_rng(6).normal(size=(400, 2))
    y = system.simulate(u).outputs
    sizes = [np.abs(ho_kalman(u, y, 3, 30, ridge).markov).sum() for ridge in (0.0, 10.0, 1000.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_bad_input():
    u, y = np.ones((50, 1)), np.ones(50)
    with pytest.raises(InputError, match="lags >= 2 · order"):
        ho_kalman(u, y, order=3, lags=5)
    with pytest.raises(InputError, match="ridge=-1"):
        ho_kalman(u, y, 1, 4, -1.0)
    with pytest.raises(InputError, match="must be \\[steps, q\\]"):
        ho_kalman(u, y[:40], 1, 4)
    with pytest.raises(InputError, match="a series must be longer"):
        ho_kalman(u[:4], y[:4], 1, 4)
    with pytest.raises(InputError, match="give more data or fewer lags"):
        ho_kalman(u[:9], y[:9], 1, 6)
    with pytest.raises(InputError, match="ask for a lower order"):
        ho_kalman(np.random.default_rng(0).normal(size=(50, 1)), np.zeros(50), 1, 4)

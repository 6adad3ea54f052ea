from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.dynamics.deep_markov import Oscillator, PhysicsPrior, UnstablePriorWarning
from doxa.errors import InputError


def test_an_oscillator_in_free_fall_turns_once_per_period():
    """Without damping, f0·dt = 1/8: eight steps are one turn, two steps a quarter of it."""
    prior = Oscillator(f0=2.0, zeta=0.0, dt=1 / 16)
    assert np.allclose(np.linalg.matrix_power(prior.A, 8), np.eye(2), atol=1e-12)
    quarter = np.linalg.matrix_power(prior.A, 2) @ [1.0, 0.0]
    assert np.allclose(quarter, [0.0, -2 * np.pi * 2.0], atol=1e-9)


def test_an_oscillator_has_its_gain_at_rest():
    prior = Oscillator(f0=1.0, zeta=0.3, dt=0.01, gain=2.5)
    rest = np.linalg.solve(np.eye(2) - prior.A, prior.B)[:, 0]
    assert np.allclose(rest, [2.5, 0.0], atol=1e-9)


def test_continuous_and_discrete_forms_agree_with_the_block_exponential():
    from scipy.linalg import expm

    A, B = np.array([[0.0, 1.0], [-9.81, -0.1]]), np.array([[0.0], [1.0]])
    prior = PhysicsPrior.from_continuous(A, B, 0.05, C=[[1, 0]])
    block = expm(np.block([[A, B], [np.zeros((1, 3))]]) * 0.05)
    assert np.allclose(prior.A, block[:2, :2], atol=1e-14)
    assert np.allclose(prior.B, block[:2, 2:], atol=1e-14)
    assert (prior.latent_dim, prior.input_dim, prior.obs_dim) == (2, 1, 1)


def test_continuous_time_is_found_again_from_the_steps():
    from doxa.dynamics import to_continuous

    A, B = np.array([[0.0, 1.0], [-9.81, -0.1]]), np.array([[0.0], [1.0]])
    prior = PhysicsPrior.from_continuous(A, B, 0.05)
    again = to_continuous(prior.A, prior.B, 0.05)
    assert np.allclose(again.A, A, atol=1e-9)
    assert np.allclose(again.B, B, atol=1e-9)


def test_a_prior_is_read_from_json_as_it_was_written():
    prior = Oscillator(f0=68.3, zeta=0.05, dt=1 / 610.35, gain=1.0, process_std=[0.1, 2.0])
    again = PhysicsPrior.from_dict(prior.to_dict())
    assert np.array_equal(prior.A, again.A)
    assert np.array_equal(prior.process_std, again.process_std)
    told = PhysicsPrior.from_dict(
        {"kind": "oscillator", "f0": 68.3, "zeta": 0.05, "dt": 1 / 610.35, "gain": 1.0}
    )
    assert np.allclose(told.A, prior.A)


def test_a_prior_that_grows_is_said_so_with_its_eigenvalues():
    with pytest.warns(UnstablePriorWarning, match=r"1\.1, 0\.5"):
        PhysicsPrior.linear([[1.1, 0], [0, 0.5]])
    with pytest.warns(UnstablePriorWarning, match=r"1\.105"):
        PhysicsPrior.from_continuous([[0.1]], None, 1.0)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: PhysicsPrior.linear([[1, 2]]), "must be square"),
        (lambda: PhysicsPrior.linear(np.eye(2) / 2, None, [[1.0]]), "must have 2 columns"),
        (lambda: PhysicsPrior.linear(np.eye(2) / 2, [[1.0]]), "must have 2 rows"),
        (lambda: PhysicsPrior.linear([[np.nan]]), "not finite"),
        (lambda: PhysicsPrior.from_continuous([[-1.0]], None, 0.0), "dt=0.0"),
        (lambda: Oscillator(1.0, 0.1, -0.1), "dt=-0.1"),
        (lambda: Oscillator(0.0, 0.1, 0.1), "f0=0.0"),
        (lambda: Oscillator(1.0, -0.1, 0.1), "zeta=-0.1"),
        (lambda: PhysicsPrior.linear([[0.5]], process_std=0.0), "> 0"),
        (lambda: PhysicsPrior.linear([[0.5]], initial_mean=0.0), "give both or neither"),
        (lambda: PhysicsPrior.linear([[0.5]], proces_std=1.0), "process_std"),
        (lambda: PhysicsPrior.linear([[0.5]], observation_std=1.0), "no C"),
        (lambda: PhysicsPrior.from_dict({"kind": "oscilator"}), "oscillator"),
        (lambda: PhysicsPrior.from_dict({"kind": "oscillator", "f0": 1.0}), "missing"),
        (lambda: PhysicsPrior.callable(lambda z, _: z, 0), "latent_dim=0"),
        (lambda: PhysicsPrior.callable(lambda z, _: z, 1).to_dict(), "step of its own"),
    ],
)
def test_bad_priors_are_refused_by_name(make, told):
    with pytest.raises(InputError, match=told):
        make()


def test_a_step_of_ones_own_moves_as_a_matrix_does():
    """The same dynamics as a matrix and as a function, in scaled units."""
    from doxa.dynamics.deep_markov.scaled_prior import ScaledPrior
    from doxa.dynamics.deep_markov.sequences import Scales

    A, B = np.array([[0.9, 0.2], [-0.1, 0.8]]), np.array([[0.5], [1.0]])
    own = PhysicsPrior.callable(
        lambda z, u: z @ torch.from_numpy(A.T) + u @ torch.from_numpy(B.T), 2, input_dim=1
    )
    scales = Scales(np.zeros(1), np.ones(1), np.zeros(1), np.array([3.0]), np.array([0.5, 20.0]))
    z, u = (torch.linspace(-1, 2, 4 * n, dtype=torch.float64).view(1, 4, n) for n in (2, 1))
    one, other = (ScaledPrior([prior], [scales], torch.float64) for prior in (own, PhysicsPrior.linear(A, B)))
    torch.testing.assert_close(one.step(z, u), other.step(z, u))
    torch.testing.assert_close(one.input_effect(u), other.input_effect(u))

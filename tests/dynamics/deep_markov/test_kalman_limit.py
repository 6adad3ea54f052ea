"""A linear Gaussian world with a frozen exact prior: the bound, the posterior and its bands beside the exact ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from doxa.dynamics import GaussianSystem, kalman_filter, rts_smoother
from doxa.dynamics.deep_markov import PgDMM, PhysicsPrior, latent_recovery
from doxa.streams import stream

STEPS = 6


class World(NamedTuple):
    """A system, what it showed, and the model that knows the system."""

    system: GaussianSystem
    latents: np.ndarray
    observed: np.ndarray
    model: PgDMM

    def exact(self) -> float:
        """Log-likelihood per time step."""
        return float(kalman_filter(self.system, self.observed).log_likelihood.sum() / self.observed.size)


def make_world(A: list[list[float]], process: float, seen: float, rows: int, **options) -> World:
    n = len(A)
    transition, C = np.array(A), np.eye(1, n)
    chance = stream(0, "linear-gaussian", n)
    latents = [chance.normal(size=(rows, n))]
    for _ in range(STEPS - 1):
        latents.append(latents[-1] @ transition.T + process * chance.normal(size=(rows, n)))
    z = np.stack(latents, 1)
    x = z @ C.T + seen * chance.normal(size=(rows, STEPS, 1))
    system = GaussianSystem(
        A=transition, B=np.zeros((n, 1)), C=C, D=np.zeros((1, 1)), Q=process**2 * np.eye(n), R=np.array([[seen**2]]),
        mean=np.zeros(n), covariance=np.eye(n),
    )  # fmt: skip
    prior = PhysicsPrior.linear(
        transition, None, C, process_std=process, observation_std=seen,
        initial_mean=np.zeros(n), initial_std=1.0, latent_scale=1.0,
    )  # fmt: skip
    model = PgDMM(prior, alpha=1, learn_alpha=False, rnn_dim=16, **options)
    return World(system, z, x, model)


@pytest.fixture(scope="module")
def line() -> World:
    """One latent, trained until the posterior is exact but for a percent or two; half of the sequences are cut off."""
    world = make_world([[0.9]], 0.4, 0.5, 1024, guide="direct")
    chance = stream(1, "cuts")
    lengths = np.where(chance.random(1024) < 0.5, chance.integers(1, STEPS + 1, 1024), STEPS)
    world.model.fit(world.observed, lengths=lengths, steps=2500, lr=1e-2, batch=64)
    return world


@pytest.fixture(scope="module")
def turn() -> World:
    """Two latents of which one is seen."""
    world = make_world([[0.8, 0.45], [-0.45, 0.8]], 0.3, 0.3, 256, guide="direct")
    world.model.fit(world.observed, steps=600, lr=2e-2, batch=64)
    return world


@pytest.mark.parametrize("guide", ["paper", "direct"])
def test_the_bound_of_an_untrained_guide_is_below_the_likelihood(guide):
    world = make_world([[0.8, 0.45], [-0.45, 0.8]], 0.3, 0.3, 64, guide=guide)
    world.model.fit(world.observed, steps=0)
    assert world.model.elbo(world.observed, n_samples=64).per_step < world.exact()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["line", "turn"])
def test_a_trained_guide_closes_the_gap(name, request):
    """Less than 0.05 nats per step, and not below zero by more than three standard errors of the bound."""
    world = request.getfixturevalue(name)
    bounds = np.array([world.model.elbo(world.observed, seed=seed).per_step for seed in range(4)])
    gap = world.exact() - bounds.mean()
    assert -3 * bounds.std(ddof=1) / 2 < gap < 0.05


@pytest.mark.slow
def test_inferred_means_are_those_of_the_smoother(line):
    """Within two percent of the spread of the smoother's means."""
    found, exact = line.model.infer(line.observed), rts_smoother(line.system, line.observed)
    error = np.sqrt(((found.mean - exact.means) ** 2).mean())
    assert error < 0.02 * exact.means.std()
    assert np.allclose(found.std.mean(), np.sqrt(exact.covariances).mean(), rtol=0.02)


@pytest.mark.slow
def test_bands_hold_what_they_promise(line, turn):
    """Bands of 95 percent hold 95 percent of the latents, to one point, or three where training was short."""
    for world, points in ((line, 0.01), (turn, 0.03)):
        found = latent_recovery(world.model.infer(world.observed), world.latents)
        assert (np.abs(found.coverage - 0.95) < points).all()


@pytest.mark.slow
def test_one_step_forecasts_are_those_of_the_filter(line):
    """A guide that has seen beginnings of sequences filters: forecasts within five percent of their spread."""
    few = line.observed[:200]
    ahead, exact = line.model.one_step(few, n_samples=64), kalman_filter(line.system, few)
    error = np.sqrt(((ahead.obs_mean - exact.predicted_means)[:, 1:] ** 2).mean())
    assert error < 0.05 * exact.predicted_means.std()

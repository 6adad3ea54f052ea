from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.dynamics import GaussianSystem, kalman_filter, rts_smoother
from doxa.errors import InputError

STEPS = 7


def drawn(seed: int, *, n: int = 3, p: int = 2, q: int = 1) -> GaussianSystem:
    rng = np.random.default_rng(seed)

    def covariance(size):
        root = rng.normal(size=(size, size))
        return root @ root.T + 0.1 * np.eye(size)

    A = rng.normal(size=(n, n))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    return GaussianSystem(
        A,
        rng.normal(size=(n, q)),
        rng.normal(size=(p, n)),
        rng.normal(size=(p, q)),
        covariance(n),
        covariance(p),
        rng.normal(size=n),
        covariance(n),
    )


def scalar(*numbers: float, covariance: float) -> GaussianSystem:
    return GaussianSystem(*(np.array([[n]]) for n in numbers), np.zeros(1), np.array([[covariance]]))


def steady(variance: float, noise: float, first: np.ndarray) -> GaussianSystem:
    """Return a body that moves on with its velocity, of which the place is seen."""
    A, C = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    R = np.array([[noise]])
    return GaussianSystem(
        A, np.zeros((2, 1)), C, np.zeros((1, 1)), variance * np.eye(2), R, np.zeros(2), first
    )


def joint(system: GaussianSystem, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and covariance of all states, the map to observations and their mean given mean states."""
    steps, n, p = len(u), len(system.mean), len(system.C)
    means, cross = [system.mean], {(0, 0): system.covariance}
    for t in range(1, steps):
        means.append(system.A @ means[-1] + system.B @ u[t - 1])
        cross[t, t] = system.A @ cross[t - 1, t - 1] @ system.A.T + system.Q
        for s in range(t):
            cross[t, s] = system.A @ cross[t - 1, s]
            cross[s, t] = cross[t, s].T
    covariance = np.block([[cross[t, s] for s in range(steps)] for t in range(steps)])
    seeing = np.kron(np.eye(steps), system.C)
    expected = np.concatenate([system.C @ m + system.D @ v for m, v in zip(means, u, strict=True)])
    assert seeing.shape == (steps * p, steps * n)
    return np.concatenate(means), covariance, seeing, expected


def conditional(system, y, u, upto):
    """Return mean and covariance of all states given the observations of the first steps, and their log density."""
    mean, covariance, seeing, expected = joint(system, u)
    p = len(system.C)
    flat = y.ravel().copy()
    flat[upto * p :] = np.nan
    seen = np.flatnonzero(~np.isnan(flat))
    noise = np.kron(np.eye(len(u)), system.R)[np.ix_(seen, seen)]
    seeing = seeing[seen]
    S = seeing @ covariance @ seeing.T + noise
    error = flat[seen] - expected[seen]
    gain = np.linalg.solve(S, seeing @ covariance).T
    density = -0.5 * (
        error @ np.linalg.solve(S, error) + np.linalg.slogdet(S)[1] + len(seen) * np.log(2 * np.pi)
    )
    return mean + gain @ error, covariance - gain @ seeing @ covariance, density


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_filter_smoother_and_likelihood_are_those_of_the_joint_gaussian(seed):
    system, rng = drawn(seed % 100), np.random.default_rng(seed)
    u = rng.normal(size=(2, STEPS, 1))
    _, y = system.sample(rng, u)
    y[rng.random(y.shape) < 0.3] = np.nan
    lengths = [STEPS, 4]
    filtered, smoothed = (
        kalman_filter(system, y, u, lengths=lengths),
        rts_smoother(system, y, u, lengths=lengths),
    )
    for i, length in enumerate(lengths):
        for t in range(length):
            mean, covariance, _ = conditional(system, y[i, :length], u[i, :length], t + 1)
            part = slice(3 * t, 3 * t + 3)
            np.testing.assert_allclose(filtered.means[i, t], mean[part], atol=1e-8)
            np.testing.assert_allclose(filtered.covariances[i, t], covariance[part, part], atol=1e-8)
            mean, covariance, density = conditional(system, y[i, :length], u[i, :length], length)
            np.testing.assert_allclose(smoothed.means[i, t], mean[part], atol=1e-8)
            np.testing.assert_allclose(smoothed.covariances[i, t], covariance[part, part], atol=1e-8)
        assert filtered.log_likelihood[i] == pytest.approx(density, abs=1e-8)
    assert np.isnan(filtered.means[1, 4:]).all()
    assert np.isnan(smoothed.means[1, 4:]).all()
    assert (filtered.log_likelihoods[1, 4:] == 0).all()


def test_statsmodels_agrees_on_a_long_series_with_gaps():
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    system, rng = drawn(4), np.random.default_rng(5)
    _, y = system.sample(rng, np.zeros((1, 400, 1)))
    y[0, 50:70] = np.nan
    y[0, 100:120, 1] = np.nan
    theirs = KalmanSmoother(k_endog=2, k_states=3, k_posdef=3)
    theirs.bind(np.asfortranarray(y[0].T))
    theirs["transition"], theirs["design"], theirs["selection"] = system.A, system.C, np.eye(3)
    theirs["state_cov"], theirs["obs_cov"] = system.Q, system.R
    theirs.initialize_known(system.mean, system.covariance)
    result = theirs.smooth()
    filtered, smoothed = kalman_filter(system, y), rts_smoother(system, y)
    np.testing.assert_allclose(filtered.means[0], result.filtered_state.T, atol=1e-8)
    np.testing.assert_allclose(smoothed.means[0], result.smoothed_state.T, atol=1e-8)
    np.testing.assert_allclose(
        smoothed.covariances[0], np.moveaxis(result.smoothed_state_cov, -1, 0), atol=1e-8
    )
    np.testing.assert_allclose(filtered.log_likelihoods[0], result.llf_obs, atol=1e-8)


def test_one_observation_is_the_rule_of_precision():
    system = scalar(1.0, 0.0, 1.0, 0.0, 0.0, 4.0, covariance=1.0)
    filtered = kalman_filter(system, np.full((1, 2, 1), 5.0))
    np.testing.assert_allclose(filtered.covariances[0, :, 0, 0], [1 / (1 + 1 / 4), 1 / (1 + 2 / 4)])
    np.testing.assert_allclose(filtered.means[0, :, 0], [5 / 5, 10 / 6])


def test_states_that_move_without_noise_are_smoothed_too():
    """A covariance that no inverse exists for: the state is one number, carried on."""
    system = steady(0.0, 0.01, np.diag([1.0, 0.0]))
    y = np.full((1, 50, 1), 2.0)
    smoothed = rts_smoother(system, y)
    np.testing.assert_allclose(smoothed.means[0], np.tile([50 / (50 + 0.01) * 2.0, 0.0], (50, 1)), atol=1e-10)


def test_missing_steps_at_the_end_are_a_forecast():
    system, rng = drawn(6), np.random.default_rng(7)
    _, y = system.sample(rng, np.zeros((1, 5, 1)))
    ahead = np.concatenate([y, np.full((1, 3, 2), np.nan)], axis=1)
    filtered = kalman_filter(system, ahead)
    mean = filtered.means[0, 4]
    for t in range(5, 8):
        mean = system.A @ mean
        np.testing.assert_allclose(filtered.means[0, t], mean, atol=1e-10)
    assert filtered.log_likelihood == pytest.approx(kalman_filter(system, y).log_likelihood)
    masked = kalman_filter(system, np.nan_to_num(ahead), mask=np.arange(8)[None] < 5)
    np.testing.assert_array_equal(masked.means, filtered.means)


def test_draws_have_the_moments_they_are_said_to_have():
    system, count = drawn(8), 40_000
    u = np.random.default_rng(1).normal(size=(1, 3, 1)).repeat(count, axis=0)
    states, y = system.sample(np.random.default_rng(2), u)
    mean, covariance, _, expected = joint(system, u[0])
    flat = states.reshape(count, -1)
    deviation = np.sqrt(np.diag(covariance))
    assert (np.abs(flat.mean(axis=0) - mean) < 5 * deviation / np.sqrt(count)).all()
    scale = np.outer(deviation, deviation)
    assert (np.abs(np.cov(flat.T) - covariance) < 8 * scale / np.sqrt(count)).all()
    np.testing.assert_allclose(y.reshape(count, -1).mean(axis=0), expected, atol=0.15)


def test_thousands_of_steps_stay_finite_and_symmetric():
    system = steady(1e-12, 1e-6, 1e6 * np.eye(2))
    filtered = kalman_filter(system, np.arange(20_000.0)[None, :, None])
    assert np.isfinite(filtered.log_likelihood).all()
    assert (np.linalg.eigvalsh(filtered.covariances[0]) >= 0).all()
    np.testing.assert_allclose(filtered.means[0, -1], [19_999.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Q": -np.eye(3)}, "Q has the eigenvalue -1"),
        ({"R": [[1.0, 0.5], [0.0, 1.0]]}, "R is not symmetric"),
        ({"covariance": np.eye(2)}, "covariance has shape"),
        ({"mean": [0.0]}, "mean has shape"),
        ({"C": np.ones((2, 2))}, "C is 2 x 2"),
    ],
)
def test_bad_systems(change, says):
    good = drawn(0)
    names = ("A", "B", "C", "D", "Q", "R", "mean", "covariance")
    with pytest.raises(InputError, match=says):
        GaussianSystem(
            **{**{name: getattr(good, name) for name in names}, **{k: np.array(v) for k, v in change.items()}}
        )


def test_bad_sequences():
    system, y = drawn(0), np.zeros((2, 5, 2))
    with pytest.raises(InputError, match=r"y has shape \(5, 2\): must be \[sequences, steps, 2\]"):
        kalman_filter(system, y[0])
    with pytest.raises(InputError, match="an input for each step"):
        kalman_filter(system, y, np.zeros((2, 4, 1)))
    with pytest.raises(InputError, match="2 numbers from 1 to 5"):
        kalman_filter(system, y, lengths=[5, 6])
    with pytest.raises(InputError, match="mask has shape"):
        kalman_filter(system, y, mask=np.ones((2, 4), bool))
    bad = y.copy()
    bad[1, 3, 0] = np.inf
    with pytest.raises(InputError, match="y at sequence 1, step 3 is inf"):
        kalman_filter(system, bad)
    certain = scalar(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, covariance=0.0)
    with pytest.raises(InputError, match="sequence 0, step 0: the observation is certain"):
        kalman_filter(certain, np.zeros((1, 2, 1)))

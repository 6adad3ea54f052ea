from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from doxa.dynamics.deep_markov import Forecast, latent_recovery
from doxa.errors import InputError
from doxa.streams import stream

CHANCE = stream(0, "recovery")
TRUTH = CHANCE.normal(size=(20, 30, 2)) * [1.0, 5.0]
MIX = np.array([[0.5, 1.0], [-2.0, 0.3]])


def beliefs(mean: np.ndarray, std: float | np.ndarray) -> Forecast:
    spread = np.broadcast_to(np.asarray(std, dtype=float), mean.shape).copy()
    return Forecast(mean, spread, mean[..., :1], spread[..., :1])


def test_what_is_right_is_recovered_without_alignment():
    noise = CHANCE.normal(size=TRUTH.shape) * [0.1, 0.5]
    found = latent_recovery(beliefs(TRUTH + noise, np.array([0.1, 0.5])), TRUTH)
    assert np.allclose(found.rmse, [0.1, 0.5], rtol=0.1)
    assert np.allclose(found.r2, 0.99, atol=0.003)
    assert np.allclose(found.coverage, 0.95, atol=0.04)


def test_axes_that_mean_nothing_need_alignment():
    """An exact latent in other axes: raw agreement is poor, aligned agreement perfect, as scikit-learn says."""
    mean = TRUTH @ MIX + [3.0, -1.0]
    raw, aligned = (latent_recovery(beliefs(mean, 0.1), TRUTH, align=one) for one in (False, True))
    flat, true = mean.reshape(-1, 2), TRUTH.reshape(-1, 2)
    assert np.allclose(raw.r2, r2_score(true, flat, multioutput="raw_values"))
    assert raw.r2[0] < 0
    assert raw.r2[1] < 0.5
    assert np.allclose(raw.linear_r2, 1)
    assert np.allclose(aligned.r2, 1)
    assert np.allclose(aligned.rmse, 0, atol=1e-9)


def test_the_linear_probe_is_a_regression_on_the_truth():
    noisy = TRUTH @ MIX + CHANCE.normal(size=TRUTH.shape)
    flat, true = noisy.reshape(-1, 2), TRUTH.reshape(-1, 2)
    fitted = LinearRegression().fit(true, flat).predict(true)
    expected = r2_score(flat, fitted, multioutput="raw_values")
    assert np.allclose(latent_recovery(beliefs(noisy, 1.0), TRUTH).linear_r2, expected)


def test_steps_beyond_an_end_count_nowhere():
    mean = TRUTH.copy()
    mean[:, 20:] = np.nan
    assert np.array_equal(latent_recovery(beliefs(mean, 1.0), TRUTH).coverage, [1, 1])


def test_bad_truths_are_refused():
    with pytest.raises(InputError, match="truth has shape"):
        latent_recovery(beliefs(TRUTH, 1.0), TRUTH[:, :5])
    with pytest.raises(InputError, match="coordinate 1 does not vary"):
        latent_recovery(beliefs(TRUTH, 1.0), TRUTH * [1.0, 0.0])

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from doxa.belief.bradley_terry import FALLBACK_ALPHA, bradley_terry, bradley_terry_draws
from doxa.errors import InputError
from doxa.streams import stream


def table(seed: int, n: int = 6, most: int = 12) -> np.ndarray:
    wins = stream(seed, "wins").integers(1, most, size=(n, n)).astype(float)
    np.fill_diagonal(wins, 0.0)
    return wins


def independent_fit(wins: np.ndarray) -> np.ndarray:
    """Return centred log-strengths by another optimiser on the log-likelihood."""

    def loss(theta):
        full = np.append(theta, 0.0)
        return float(np.sum(wins * np.logaddexp(0.0, full[None, :] - full[:, None])))

    def slope(theta):
        full = np.append(theta, 0.0)
        q = 1.0 / (1.0 + np.exp(full[:, None] - full[None, :]))
        flow = wins * q
        return (flow.sum(axis=0) - flow.sum(axis=1))[:-1]

    best = minimize(loss, np.zeros(len(wins) - 1), jac=slope, method="BFGS", options={"gtol": 1e-11})
    full = np.append(best.x, 0.0)
    return full - full.mean()


@given(st.integers(1, 200), st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_two_items_are_their_ratio(a, b):
    fit = bradley_terry([[0, a], [b, 0]])
    assert fit.strength[0] / fit.strength[1] == pytest.approx(a / b, rel=1e-7)
    assert fit.converged


def test_a_balanced_round_robin_is_flat():
    fit = bradley_terry(3.0 * (1.0 - np.eye(5)))
    assert fit.strength.tolist() == [1.0] * 5
    assert fit.probability == pytest.approx(np.full((5, 5), 0.5))


@pytest.mark.parametrize("seed", range(6))
def test_strengths_are_those_of_an_independent_optimiser(seed):
    wins = table(seed, 3 + seed)
    fit = bradley_terry(wins)
    assert fit.log_strength == pytest.approx(independent_fit(wins), abs=1e-6)
    assert fit.log_strength.mean() == pytest.approx(0.0, abs=1e-12)


def test_errors_are_those_of_the_logistic_regression():
    wins = table(9, 4)
    rows, said = [], []
    for i in range(4):
        for j in range(i + 1, 4):
            row = np.zeros(4)
            row[i], row[j] = 1.0, -1.0
            rows.append(row[:3])
            said.append([wins[i, j], wins[j, i]])
    glm = sm.GLM(np.array(said), np.array(rows), family=sm.families.Binomial()).fit()
    covariance = glm.cov_params()
    fit = bradley_terry(wins)
    # The item left out of the regression is its zero; centring is a linear map of the others.
    centre = np.eye(4) - 0.25
    full = np.zeros((4, 4))
    full[:3, :3] = covariance
    assert fit.standard_error == pytest.approx(np.sqrt(np.diag(centre @ full @ centre.T)), rel=1e-5)
    assert fit.interval()[0] == pytest.approx(
        fit.log_strength[0] + np.array([-1.96, 1.96]) * fit.standard_error[0], rel=1e-3
    )


def test_the_likelihood_never_falls():
    wins = table(3)
    steps = [bradley_terry(wins, max_iterations=k).log_likelihood for k in range(1, 40)]
    assert np.all(np.diff(steps) >= -1e-12)
    short = bradley_terry(wins, max_iterations=1)
    assert not short.converged
    assert "not converged" in short.reason


@given(st.integers(0, 50), st.permutations(range(6)), st.sampled_from([0.5, 2.0, 7.0]))
@settings(max_examples=30, deadline=None)
def test_names_and_scale_do_not_matter(seed, order, scale):
    wins = table(seed)
    fit = bradley_terry(wins)
    moved = bradley_terry(wins[np.ix_(order, order)])
    assert moved.log_strength == pytest.approx(fit.log_strength[list(order)], abs=1e-8)
    assert bradley_terry(scale * wins).log_strength == pytest.approx(fit.log_strength, abs=1e-8)


def test_an_item_that_never_loses_is_said_and_not_nan():
    wins = np.array([[0, 3, 2], [0, 0, 4], [0, 1, 0]])
    fit = bradley_terry(wins)
    assert not fit.connected
    assert fit.alpha == FALLBACK_ALPHA
    assert "at infinity" in fit.reason
    assert "items [0]" in fit.reason
    assert np.all(np.isfinite(fit.log_strength))
    assert fit.log_strength.argmax() == 0
    own = bradley_terry(wins, alpha=0.5)
    assert (own.alpha, own.connected, own.converged) == (0.5, False, True)
    assert own.log_strength == pytest.approx(independent_fit(wins + 0.5 * (1 - np.eye(3))), abs=1e-6)


def test_many_tables_at_once_are_the_same_fits():
    tables = np.stack([table(seed) for seed in range(5)] + [np.triu(np.ones((6, 6)), 1)])
    draws = bradley_terry_draws(tables, tol=1e-11)
    for k in range(5):
        assert draws[k] == pytest.approx(bradley_terry(tables[k]).log_strength, abs=1e-8)
    assert np.isnan(draws[5]).all()
    assert np.isfinite(bradley_terry_draws(tables, alpha=0.1)).all()


def test_planted_strengths_are_recovered_within_their_errors():
    truth = np.array([1.0, 0.4, 0.0, -0.4, -1.0])
    p = 1 / (1 + np.exp(truth[None, :] - truth[:, None]))
    inside = 0
    for k in range(60):
        draws = stream(5, "planted", k).binomial(40, np.triu(p, 1))
        wins = np.triu(draws, 1) + np.tril((40 - draws).T, -1)
        low, high = bradley_terry(wins).interval().T
        inside += np.sum((low <= truth) & (truth <= high))
    assert 0.91 <= inside / 300 <= 0.985


def test_bad_tables_are_named():
    with pytest.raises(InputError, match="at least two"):
        bradley_terry([[0]])
    with pytest.raises(InputError, match=r"items \[2\] were never compared"):
        bradley_terry([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    with pytest.raises(InputError, match="with themselves"):
        bradley_terry([[1, 1], [1, 0]])
    with pytest.raises(InputError, match="negative"):
        bradley_terry([[0, math.nan], [1, 0]])
    apart = np.zeros((4, 4))
    apart[0, 1] = apart[1, 0] = apart[2, 3] = apart[3, 2] = 2
    with pytest.raises(InputError, match="never compared with each other"):
        bradley_terry(apart)
    assert bradley_terry(apart, alpha=0.1).converged
    with pytest.raises(InputError, match="alpha"):
        bradley_terry(apart, alpha=-1.0)

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from doxa.errors import InputError
from doxa.society.sis_fit import fit_sis, sis_curve

DAYS = np.arange(16.0)


@pytest.mark.parametrize(
    ("beta", "gamma", "size", "start"),
    [(0.8, 0.2, 1000, 10), (0.2, 0.5, 30, 20), (0.6, 0.6, 100, 5), (1.5, 0.0, 30, 2)],
)
def test_the_closed_form_solves_the_equation(beta, gamma, size, start):
    solved = solve_ivp(
        lambda t, i: beta * i * (1 - i / size) - gamma * i,
        (0, 15),
        [start],
        t_eval=DAYS,
        rtol=1e-10,
        atol=1e-12,
    )
    assert sis_curve(DAYS, beta, gamma, size, start) == pytest.approx(solved.y[0], rel=1e-6)


def test_far_beyond_the_level_nothing_overflows():
    assert sis_curve(np.array([1e4]), 2.0, 1.0, 30, 2) == pytest.approx([15.0])
    assert sis_curve(np.array([1e4]), 1.0, 2.0, 30, 2) == pytest.approx([0.0])


@pytest.mark.parametrize(("beta", "gamma"), [(0.8, 0.2), (0.5, 0.0), (1.5, 0.3), (0.9, 0.1)])
def test_exact_curves_give_both_rates_back(beta, gamma):
    fit = fit_sis(sis_curve(DAYS, beta, gamma, 300, 4), 300)
    assert fit.identified
    assert fit.beta == pytest.approx(beta, abs=1e-3)
    assert fit.gamma == pytest.approx(gamma, abs=1e-3)
    assert pytest.approx(300 * (1 - gamma / beta), abs=0.5) == fit.K
    assert fit.r2 == pytest.approx(1.0)
    assert fit.R0 > 1e3 if gamma == 0.0 else pytest.approx(beta / gamma, rel=1e-2) == fit.R0


def test_decay_gives_its_rate_alone():
    fit = fit_sis(sis_curve(DAYS, 0.2, 0.5, 30, 20), 30)
    assert not fit.identified
    assert fit.r == pytest.approx(-0.3, abs=1e-3)
    assert math.isnan(fit.beta)
    assert "does not rise" in fit.note


def test_growth_that_does_not_bend_gives_its_rate_alone():
    rng = np.random.default_rng(3)
    seen = sis_curve(DAYS, 0.45, 0.1, 1e6, 2) * (1 + 0.03 * rng.normal(size=16))
    fit = fit_sis(np.abs(seen), 1e6, I0=2)
    assert not fit.identified
    assert fit.r == pytest.approx(0.35, abs=0.01)


def test_noisy_curves_give_the_rate_back():
    rng = np.random.default_rng(1)
    exact = sis_curve(DAYS, 0.8, 0.2, 1000, 10)
    rates = [
        fit_sis(np.clip(exact * (1 + 0.05 * rng.normal(size=16)), 0, 1000), 1000, I0=10).r for _ in range(10)
    ]
    assert np.mean(rates) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("counts", [[1, 2, 3], [5, 5, 5, 5, 5]])
def test_too_little_is_warned_of(counts):
    with pytest.warns(UserWarning, match="SIS fit"):
        fit = fit_sis(counts, 30)
    assert not fit.identified
    assert fit.note


@pytest.mark.parametrize("counts", [[1, 2, 40, 5], [1, 2, math.nan, 5], [-1, 2, 3, 4]])
def test_counts_outside_the_population_are_refused(counts):
    with pytest.raises(InputError, match="N=30"):
        fit_sis(counts, 30)


def test_nobody_at_the_start_is_refused():
    with pytest.raises(InputError, match="I0=0"):
        fit_sis([0, 1, 2, 3, 4], 30)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.optimize import curve_fit

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.entropy_law import EntropyLaw

FALLING = np.linspace(1.8, 0.05, 40)


def noisy(seed=0, size=0.02):
    return 0.85 - 0.12 * np.exp(FALLING) + size * stream(seed, "law").standard_normal(FALLING.size)


def test_three_points_by_hand():
    law = EntropyLaw.fit(np.log([1.0, 2.0, 3.0]), [0.5, 0.5, 0.2])
    assert (law.a, law.b, law.ceiling) == pytest.approx((0.15, 0.7, 0.55))
    assert law.rmse**2 == pytest.approx((0.05**2 + 0.1**2 + 0.05**2) / 3)
    assert law.r2 == pytest.approx(1 - 0.015 / 0.06)


@given(
    a=some.floats(-2, 2),
    b=some.floats(-2, 2),
    low=some.floats(0, 1),
    width=some.floats(0.1, 3),
    n=some.integers(3, 50),
)
def test_noiseless_data_give_back_the_law(a, b, low, width, n):
    entropy = np.linspace(low + width, low, n)
    law = EntropyLaw.fit(entropy, -a * np.exp(entropy) + b)
    assert abs(law.a - a) < 1e-12
    assert abs(law.b - b) < 1e-11
    assert law.ceiling == law.b - law.a
    np.testing.assert_allclose(law.predict(entropy), -a * np.exp(entropy) + b, atol=1e-11)


def test_noiseless_data_of_a_run_to_twelve_digits():
    law = EntropyLaw.fit(FALLING, 0.85 - 0.12 * np.exp(FALLING))
    assert abs(law.a - 0.12) < 1e-12
    assert abs(law.b - 0.85) < 1e-12
    assert law.r2 == pytest.approx(1.0)


def test_least_squares_are_those_of_scipy():
    law = EntropyLaw.fit(FALLING, noisy())
    (a, b), _ = curve_fit(lambda entropy, a, b: -a * np.exp(entropy) + b, FALLING, noisy())
    assert (law.a, law.b) == pytest.approx((a, b), abs=1e-7)


def test_a_run_on_the_law_is_forecast():
    inside = [EntropyLaw.fit(FALLING, noisy(seed)).forecast(0.5, n_resamples=400) for seed in range(40)]
    assert sum(one.predicted.low < one.observed < one.predicted.high for one in inside) >= 34
    assert sum(one.ceiling.low < 0.73 < one.ceiling.high for one in inside) >= 34
    one = inside[0]
    assert one.points == 20
    assert one.error == one.observed - one.predicted.estimate
    assert one.law.ceiling == one.ceiling.estimate


def test_a_run_that_leaves_the_law_is_outside_the_interval():
    score = noisy(size=0.005)
    score[20:] -= np.linspace(0.0, 0.4, 20)
    one = EntropyLaw.fit(FALLING, score).forecast()
    assert one.observed < one.predicted.low


def test_forecasts_hang_on_their_seed_alone():
    law = EntropyLaw.fit(FALLING, noisy())
    assert law.forecast(seed=1).predicted == law.forecast(seed=1).predicted
    assert law.forecast(seed=1).predicted != law.forecast(seed=2).predicted
    assert law.ceiling_interval(seed=1) == law.ceiling_interval(seed=1)
    assert law.ceiling_interval().low < law.ceiling < law.ceiling_interval().high


def test_the_share_explained_has_an_interval():
    law = EntropyLaw.fit(FALLING, noisy(size=0.1))
    share = law.r2_interval()
    assert share.estimate == law.r2
    assert 0 < share.low < law.r2 < share.high < 1
    true = 1 - 0.1**2 / (0.1**2 + np.var(0.12 * np.exp(FALLING)))
    assert share.low < true < share.high


def test_a_constant_score_has_no_share_explained():
    law = EntropyLaw.fit([1.0, 0.5, 0.2], [0.4, 0.4, 0.4])
    assert abs(law.a) < 1e-15
    assert np.isnan(law.r2)


@pytest.mark.parametrize(
    ("entropy", "score", "message"),
    [
        ([1.0, 0.5], [0.1, 0.2], "2 points.*needs 3"),
        ([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], "H is 1 at every point"),
        ([1.0, np.nan, 0.5], [0.1, 0.2, 0.3], r"H\[1\]=nan"),
        ([1.0, 0.7, 0.5], [0.1, 0.2, np.inf], r"R\[2\]=inf"),
        ([1.0, 0.7, 0.5], [0.1, 0.2], "3 entropies H for 2 scores R"),
        ([-1.0, -0.7, -0.5], [0.1, 0.2, 0.3], "H=-1: .*entropy loss"),
        ([900.0, 700.0, 500.0], [0.1, 0.2, 0.3], "H=900"),
    ],
)
def test_bad_points(entropy, score, message):
    with pytest.raises(InputError, match=message):
        EntropyLaw.fit(entropy, score)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fraction": 0.0}, "fraction=0"),
        ({"fraction": 33.0}, r"for 33 % give 0.33"),
        ({"fraction": 0.05}, "of 40 points are 2"),
        ({"level": 1.5}, "level=1.5"),
        ({"n_resamples": 10}, "n_resamples=10"),
    ],
)
def test_bad_forecasts(how, message):
    with pytest.raises(InputError, match=message):
        EntropyLaw.fit(FALLING, noisy()).forecast(**how)

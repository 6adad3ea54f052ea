from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from doxa.belief.coherence import martingale_test, movement_test
from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.bayesian_debater import private_log_odds
from doxa.worlds.optimizers_curse import (
    OptimizersCurseDebate,
    best_density,
    best_nodes,
    expected_best,
    expected_inflation,
)

N = 20000


def held(name="numbers", n=N, **settings):
    return OptimizersCurseDebate(**settings).simulate(n, stream(0, "test", name))


def paths_and_labels(found):
    return found.credence.reshape(-1, 3), np.repeat(np.arange(len(found.credence)), 2)


@pytest.mark.parametrize("n", [2, 3, 8, 16])
def test_the_expected_maximum_is_scipys(n):
    def integrand(x):
        return n * x * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)

    assert expected_best(n) == pytest.approx(integrate.quad(integrand, -9, 9)[0], abs=1e-9)
    nodes, weights = best_nodes(n, 12)
    assert nodes @ weights == pytest.approx(expected_best(n), abs=1e-9)
    assert weights.sum() == pytest.approx(1.0)


def test_the_density_of_a_chosen_quality_integrates_to_its_mean():
    for sigma in (0.3, 1.0, 2.0):
        grid = np.linspace(-9, 9, 20001)
        density = best_density(grid, 8, sigma)
        step = grid[1] - grid[0]
        assert density.sum() * step == pytest.approx(1.0, abs=1e-6)
        assert (density * grid).sum() * step == pytest.approx(
            expected_best(8) / math.sqrt(1 + sigma**2), abs=1e-5
        )


@pytest.mark.parametrize(("n", "sigma"), [(8, 1.0), (8, 0.5), (4, 2.0), (1, 1.0), (8, 0.0)])
def test_inflation_and_escalation_have_their_closed_forms(n, sigma):
    found = held(n_arguments=n, sigma=sigma)
    closed = expected_inflation(n, sigma)
    error = max(sigma, 0.01) / math.sqrt(found.inflation.size)
    assert found.inflation.mean() == pytest.approx(closed, abs=5 * error)
    steps = np.diff(found.log_odds.mean(axis=(0, 1)))
    assert steps == pytest.approx(np.full(2, 0.45 * closed), abs=0.45 * 10 * max(sigma, 1) / math.sqrt(N))


def test_the_excess_is_the_prototypes():
    found = held()
    means = found.credence.mean(axis=(0, 1))
    assert means == pytest.approx([0.61, 0.69, 0.75], abs=0.01)
    assert (found.credence[:, :, 2].min(axis=1) > 0.75).mean() == pytest.approx(0.31, abs=0.02)
    assert (found.credence[:, :, 2].sum(axis=1) > 1).mean() == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize(
    "settings",
    [{"rescore": "fresh"}, {"rescore": "bayes"}, {"rescore": "common"}, {"sigma": 0.0}, {"n_arguments": 1}],
)
def test_controls_are_even(settings):
    found = held(**settings)
    assert found.credence.mean(axis=(0, 1)) == pytest.approx([0.5] * 3, abs=0.01)
    assert (found.credence[:, :, 2].min(axis=1) > 0.75).mean() < 0.03


@pytest.mark.parametrize("rescore", ["bayes", "common"])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_bayesians_are_martingales(rescore, sigma):
    paths, labels = paths_and_labels(held(rescore=rescore, sigma=sigma))
    if rescore == "common":  # both sides of a debate are one path and its mirror
        paths, labels = paths[::2], labels[::2]
    test = martingale_test(paths, labels)
    assert abs(test.statistic) < 3
    moved = movement_test(paths, labels).excess
    assert abs(moved.statistic) < 3


def test_a_pair_with_common_information_sums_to_one():
    found = held(rescore="common", n=5000)
    assert found.credence.sum(axis=1) == pytest.approx(np.ones((5000, 3)), abs=1e-12)


def test_a_bayesian_is_calibrated_and_the_debater_is_not():
    for rescore, honest in (("bayes", True), ("common", True), ("own", False)):
        found = held(rescore=rescore)
        sure = found.credence[:, 0, 2] > 0.6
        gap = found.credence[sure, 0, 2].mean() - found.won[sure].mean()
        assert (abs(gap) < 0.03) == honest


def test_the_private_posterior_is_that_of_weighted_simulation():
    """After the opening only one's own reading is known: the chance among simulated debates with such a reading."""
    rng = np.random.default_rng(5)
    shape = (200_000, 2, 3, 8)
    quality = rng.standard_normal(shape)
    reading = quality + rng.standard_normal(shape)
    pick = reading.argmax(-1)[..., None]
    spoken, own = (np.take_along_axis(part, pick, -1)[..., 0] for part in (quality, reading))
    heard = spoken[:, 1, 0] + rng.standard_normal(len(spoken))
    margin = 0.45 * (spoken[:, 0] - spoken[:, 1]).sum(-1)
    near = np.abs(own[:, 0, 0] - 3.0) < 0.1
    expected = (1 / (1 + np.exp(-margin[near]))).mean()
    readings = np.full((1, 2, 3), 3.0)
    ours = private_log_odds(readings, np.zeros((1, 2, 3)), 8, 1.0, 0.45)
    assert 1 / (1 + math.exp(-ours[0, 0, 0])) == pytest.approx(expected, abs=0.01)
    near &= np.abs(own[:, 0, 1] - 2.0) < 0.4
    near &= np.abs(heard - 1.5) < 0.4
    expected = (1 / (1 + np.exp(-margin[near]))).mean()
    readings[..., 1] = 2.0
    ours = private_log_odds(readings, np.full((1, 2, 3), 1.5), 8, 1.0, 0.45)
    assert 1 / (1 + math.exp(-ours[0, 0, 1])) == pytest.approx(expected, abs=0.03)


def test_an_anchor_lowers_the_start_and_leaves_a_rise():
    free, drawn = held(), held(anchor=0.5)
    assert drawn.credence[..., 0].mean() < free.credence[..., 0].mean()
    assert np.all(np.diff(drawn.credence.mean(axis=(0, 1))) > 0)
    assert held(anchor=1.0).credence == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_arguments": 0}, "n_arguments=0"),
        ({"sigma": -1.0}, "sigma=-1.0"),
        ({"sigma": math.nan}, "sigma=nan"),
        ({"slope": 0.0}, "slope=0.0"),
        ({"rescore": "frehs"}, "did you mean 'fresh'"),
        ({"anchor": 1.5}, "anchor=1.5"),
    ],
)
def test_bad_worlds(settings, message):
    with pytest.raises(InputError, match=message):
        OptimizersCurseDebate(**settings)
    with pytest.raises(InputError, match="n_debates=0"):
        OptimizersCurseDebate().simulate(0, stream(0, "test"))

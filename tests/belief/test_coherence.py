from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.coherence import (
    martingale_test,
    movement_test,
    mutual_overconfidence,
    pair_coherence,
    volatility,
)
from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.streams import stream


def bayesian_paths(seed: int, n: int, times: int = 4, power: float = 1.0) -> np.ndarray:
    """Return the credences of holders who hear testimonies of reliability 0.7 and weigh them by ``power``."""
    rng = stream(seed, "paths")
    truth = rng.integers(2, size=(n, 1))
    right = rng.random((n, times - 1)) < 0.7
    evidence = np.where(right == (truth == 1), 1.0, -1.0) * math.log(0.7 / 0.3)
    return expit(power * np.concatenate([np.zeros((n, 1)), np.cumsum(evidence, axis=1)], axis=1))


def test_a_bayesian_is_a_martingale_and_moves_as_its_uncertainty_allows():
    paths = bayesian_paths(0, 5000)
    step = martingale_test(paths)
    assert abs(step.statistic) < 3.0
    move = movement_test(paths)
    assert abs(move.excess.statistic) < 3.0
    assert move.ratio == pytest.approx(1.0, abs=0.05)
    assert move.realised == pytest.approx(move.predicted, abs=0.01)


def test_overreaction_moves_too_much_and_timidity_too_little():
    assert movement_test(bayesian_paths(1, 5000, power=2.0)).excess.p < 1e-6
    assert movement_test(bayesian_paths(1, 5000, power=2.0)).excess.estimate > 0.0
    assert movement_test(bayesian_paths(1, 5000, power=0.4)).excess.estimate < 0.0
    rising = np.clip(bayesian_paths(2, 400) + np.array([0.0, 0.03, 0.06, 0.09]), 0.0, 1.0)
    assert martingale_test(rising, alternative="greater").p < 1e-3
    assert martingale_test(rising, method="sign-flip", rng=stream(0, "flip"), alternative="greater").p < 1e-3


def test_the_p_of_bayesians_is_uniform():
    ps = [movement_test(bayesian_paths(10 + k, 60)).excess.p for k in range(300)]
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.01
    ps = [martingale_test(bayesian_paths(10 + k, 60)).p for k in range(300)]
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.01


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=8))
@settings(max_examples=80, deadline=None)
def test_excess_movement_is_the_pull_to_the_middle(paths):
    table = np.array(paths)
    before, after = table[:, :-1], table[:, 1:]
    move = movement_test(table)
    assert move.excess.estimate == pytest.approx(
        np.mean(np.sum((2 * before - 1) * (before - after), axis=1)), abs=1e-12
    )
    step = martingale_test(table)
    assert step.estimate == pytest.approx(np.mean(table[:, -1] - table[:, 0]) / 2, abs=1e-12)
    assert volatility(table) == pytest.approx(np.abs(np.diff(table)).sum(axis=1))


def test_a_path_is_one_unit_whatever_its_steps():
    ends = stream(3, "ends").random((30, 2))
    middle = np.column_stack([ends[:, 0], ends.mean(axis=1), ends[:, 1]])
    assert martingale_test(middle).statistic == pytest.approx(martingale_test(ends).statistic)
    twice = np.repeat(ends, 2, axis=0)
    joined = martingale_test(twice, clusters=np.repeat(np.arange(30), 2))
    assert joined.statistic == pytest.approx(martingale_test(ends).statistic)


def test_coherent_pairs_have_nothing_over():
    c = np.arange(0, 101) / 100
    found = pair_coherence(c, (100 - np.arange(0, 101)) / 100)
    assert (found.excess.p, found.excess.estimate) == (1.0, 0.0)
    assert found.share_over.estimate == 0.0
    assert mutual_overconfidence(c, 1.0 - c).estimate == 0.0
    both = pair_coherence([0.7, 0.8, 0.9], [0.6, 0.7, 0.9])
    assert both.excess.estimate == pytest.approx((0.3 + 0.5 + 0.8) / 3)
    assert both.share_over.estimate == 1.0
    other = scipy.stats.ttest_1samp([0.3, 0.5, 0.8], 0.0)
    assert both.excess.p == pytest.approx(other.pvalue)


def test_strictly_above_is_not_at():
    first, second = [0.75, 0.8, 0.9, 0.2], [0.75, 0.75, 0.76, 0.9]
    assert mutual_overconfidence(first, second).estimate == 0.25
    assert mutual_overconfidence(first, second, strict=False).estimate == 0.75
    assert mutual_overconfidence(first, second) == mutual_overconfidence(second, first)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="divide per cents"):
        mutual_overconfidence([75.0], [80.0])
    with pytest.raises(InputError, match="missing beliefs"):
        martingale_test(np.array([[0.5, math.nan]]))
    with pytest.raises(InputError, match="two times"):
        movement_test(np.array([[0.5]]))
    with pytest.raises(InputError, match="one label per path"):
        martingale_test(np.array([[0.5, 0.6]]), clusters=["a", "b"])
    with pytest.raises(InputError, match="threshold"):
        mutual_overconfidence([0.5], [0.5], threshold=75)

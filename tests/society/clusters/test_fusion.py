from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.society.clusters.fusion import Confident, EpistemicFusion, RunningError, fuse, fuse_confident
from doxa.society.clusters.symbolic import Prediction

NUMBERS = st.floats(-8, 8)
VARIANCES = st.floats(1e-3, 1e3)


def path(logit, variance):
    return Prediction(np.array([logit]), np.array([variance]))


@given(NUMBERS, NUMBERS, VARIANCES)
def test_equal_variances_give_the_mean_and_half_the_variance(first, second, variance):
    fused = fuse([path(first, variance), path(second, variance)])
    assert fused.prediction.logit == pytest.approx((first + second) / 2, abs=1e-12)
    assert fused.prediction.variance == pytest.approx(variance / 2)


@given(NUMBERS, NUMBERS, VARIANCES, VARIANCES)
def test_two_gaussians_add_their_precisions_in_any_order(first, second, v, w):
    one = fuse([path(first, v), path(second, w)]).prediction
    other = fuse([path(second, w), path(first, v)]).prediction
    assert one.variance == pytest.approx(1 / (1 / v + 1 / w))
    assert one.logit == pytest.approx(other.logit, abs=1e-9)


def test_a_path_that_knows_nothing_is_left_out_exactly():
    symbolic, neural = path(-2.25, 0.37), path(5.0, np.inf)
    fused = fuse([symbolic, neural])
    assert fused.prediction.logit[0] == -2.25
    assert fused.weights[:, 0].tolist() == [1.0, 0.0]
    both = fuse([path(1.0, np.inf), path(3.0, np.inf)])
    assert both.prediction.logit[0] == 2.0


@given(NUMBERS, VARIANCES)
def test_a_path_fused_with_itself_is_itself(logit, variance):
    one = path(logit, variance)
    assert fuse([one, one]).prediction.logit == pytest.approx(logit, abs=1e-12)


def test_the_released_codes_fusion():
    found = fuse_confident(Confident(np.array(0.2), np.array(0.5)), Confident(np.array(0.6), np.array(0.5)))
    assert found.probability == pytest.approx(0.4)
    assert found.confidence == pytest.approx(0.5)
    ignored = fuse_confident(Confident(np.array(0.2), np.array(0.0)), Confident(np.array(0.6), np.array(0.7)))
    assert ignored.probability == pytest.approx(0.6)
    assert ignored.confidence == pytest.approx(0.7)
    with pytest.raises(InputError, match="confidence 0 of both"):
        fuse_confident(Confident(np.array(0.2), np.array(0.0)), Confident(np.array(0.6), np.array(0.0)))
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        fuse_confident(Confident(np.array(1.2), np.array(0.5)), Confident(np.array(0.6), np.array(0.5)))


def test_modes_take_what_they_say():
    one, two = path(-1.0, 0.5), path(1.0, 0.25)
    none = (np.zeros(1), np.zeros(1))
    assert EpistemicFusion("symbolic")(one, two, none).prediction.logit[0] == -1.0
    assert EpistemicFusion("neural")(one, two, none).prediction.logit[0] == 1.0
    assert EpistemicFusion()(one, two, none).prediction.logit[0] == pytest.approx((-2 + 4) / 6)
    by_hand = EpistemicFusion("confidence", confidences=(0.25, 0.75))(one, two, none)
    assert expit(by_hand.prediction.logit[0]) == pytest.approx(0.25 * expit(-1.0) + 0.75 * expit(1.0))
    warm = EpistemicFusion(temperature=2.0)(one, two, none)
    assert warm.prediction.logit[0] == pytest.approx(1 / 6)
    with pytest.raises((InputError, TypeError), match="average"):
        EpistemicFusion("average")


def test_running_error_finds_a_bias_and_subtracts_the_noise_of_counting():
    rng = np.random.default_rng(3)
    trials = np.full((40, 1), 400)
    wrong, right = RunningError(1), RunningError(1)
    for _ in range(60):
        events = rng.binomial(trials, expit(-2.0))
        wrong.saw(np.full((40, 1), -2.0 + np.log(2.0)), events, trials)
        right.saw(np.full((40, 1), -2.0), events, trials)
    assert wrong.value[0] == pytest.approx(np.log(2.0) ** 2, rel=0.35)
    assert right.value[0] < 0.01


def test_too_much_and_too_little_are_the_same_error():
    for sign in (-1, 1):
        error = RunningError(1)
        events = np.full((1, 1), 1000)
        error.saw(np.full((1, 1), np.log(1e-3) + sign * np.log(2.0)), events, np.full((1, 1), 1_000_000))
        assert error.value[0] == pytest.approx(0.5, rel=0.01)  # (√2 - 1/√2)² = 1/2 either way


def test_bad_input_is_named():
    with pytest.raises(InputError, match="variance"):
        fuse([path(0.0, 0.0)])
    with pytest.raises(InputError, match="0 paths"):
        fuse([])
    with pytest.raises(InputError, match="decay"):
        RunningError(1, 1.0)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lens.margins import (
    AnswerWise,
    Margin,
    MarginTrajectory,
    answer_wise,
    margin,
    paired_margins,
    score_answers,
)
from doxa.lens.probes.linear import LinearProbes
from doxa.streams import stream

SCORES = np.array([[2.0, -1.0], [0.5, 1.5], [-1.0, 0.0], [3.0, 0.0]])
TRUTH = np.array([True, False, True, False])


@st.composite
def sets(draw):
    n = draw(st.integers(2, 20))
    numbers = st.floats(-50, 50, allow_nan=False, width=32)
    scores = draw(st.lists(st.tuples(numbers, numbers), min_size=n, max_size=n))
    truth = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(scores), np.array(truth)


def test_by_hand():
    assert paired_margins(SCORES, TRUTH).tolist() == [3.0, 1.0, -1.0, -3.0]
    found = margin(SCORES, TRUTH)
    assert (found.mean, found.sum, found.n) == (0.0, 0.0, 4)
    assert answer_wise(SCORES, TRUTH) == AnswerWise((2.0 + 1.5 - 1.0 + 0.0) / 4, (-1.0 + 0.5 + 0.0 + 3.0) / 4)


@given(sets())
def test_swapped_truth_flips_the_sign_and_the_sum_is_n_times_the_mean(drawn):
    scores, truth = drawn
    found, other = margin(scores, truth), margin(scores, ~truth)
    assert other.mean == -found.mean
    assert found.sum == pytest.approx(found.n * found.mean, abs=1e-9)
    said = answer_wise(scores, truth)
    assert found.mean == pytest.approx(said.factual - said.other, abs=1e-9)


@given(sets(), st.floats(-20, 20), st.floats(0.01, 20))
def test_a_constant_gives_zero_the_bias_cancels_and_scale_scales(drawn, bias, scale):
    scores, truth = drawn
    assert margin(np.full_like(scores, bias), truth).mean == 0.0
    assert margin(scores + bias, truth).mean == pytest.approx(margin(scores, truth).mean, abs=1e-6)
    assert margin(scale * scores, truth).mean == pytest.approx(scale * margin(scores, truth).mean, abs=1e-6)


@given(sets(), st.randoms(use_true_random=False))
def test_the_order_of_questions_does_not_matter(drawn, random):
    scores, truth = drawn
    order = list(range(len(truth)))
    random.shuffle(order)
    assert margin(scores[order], truth[order]).mean == pytest.approx(margin(scores, truth).mean, abs=1e-9)


def test_pairs_are_resampled_together():
    """Two opposite questions that cancel leave no spread between pairs, and much between questions."""
    rng = np.random.default_rng(0)
    each = rng.normal(size=20)
    scores = np.stack([np.concatenate([each, -each]), np.zeros(40)], axis=1)
    truth = np.ones(40, dtype=bool)
    alone, paired = margin(scores, truth), margin(scores, truth, groups=[*range(20), *range(20)])
    assert paired.ci == pytest.approx((0.0, 0.0), abs=1e-12)
    assert alone.ci[1] - alone.ci[0] > 0.3


def test_the_interval_covers_the_mean_it_was_drawn_from():
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores = np.stack([rng.normal(1.0, 2.0, 40), rng.normal(0.0, 2.0, 40)], axis=1)
        found = margin(scores, np.ones(40, dtype=bool), rng=stream(seed, "test"))
        hits += found.ci[0] <= 1.0 <= found.ci[1]
    assert 180 <= hits <= 199


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="question 1 is not finite; half precision"):
        margin(np.array([[0.0, 1.0], [np.inf, 0.0]]), np.ones(2, bool))


def test_a_direction_of_another_width_is_refused():
    with pytest.raises(InputError, match="width 4 for probes of width 3"):
        score_answers(LinearProbes(np.ones(3), np.asarray(0.0)), np.zeros((2, 2, 4), dtype=np.float32))


def trajectory(*margins):
    return MarginTrajectory(tuple(range(len(margins))), {"q": tuple(margins)}, {})


def around(mean, half=0.5, n=20):
    return Margin(mean, n * mean, (mean - half, mean + half), n)


@pytest.mark.parametrize("planted", [2, 3, 5])
def test_the_turn_of_a_planted_rotation_is_recovered(planted):
    """A direction that turns by the same angle each turn points away from where it began from 90 degrees on."""
    rng = np.random.default_rng(planted)
    truth = rng.random(40) < 0.5
    labels = np.where(np.stack([truth, ~truth], axis=1), 1.0, -1.0)
    probe = LinearProbes(np.array([1.0, 0.0, 0.0]), np.asarray(0.3))
    step = np.pi / 2 / (planted - 0.5)
    found = []
    for turn in range(7):
        angle = min(step * turn, np.pi)
        axis = np.array([np.cos(angle), np.sin(angle), 0.0])
        acts = labels[..., None] * axis + rng.normal(0, 0.1, (40, 2, 3))
        found.append(margin(score_answers(probe, acts), truth))
    flip = trajectory(*found).flip("q", base_accuracy=0.8)
    assert (flip.claimed, flip.turn) == (True, planted)


def test_a_flip_is_claimed_only_where_it_can_be():
    there = (around(5.0), around(-2.0), around(-3.0))
    known = {"base_accuracy": 0.8}
    assert trajectory(*there).flip("q", **known) == (True, 1, "")
    assert trajectory(around(5.0), around(-2.0), around(3.0)).flip("q", **known) == (False, None, "")
    assert trajectory(around(5.0), around(-0.2)).flip("q", **known).claimed is None
    few = trajectory(around(5.0, n=8), around(-3.0, n=8)).flip("q", **known)
    assert (few.claimed, few.reason) == (None, "8 questions; at least 10 are needed")
    unknown = trajectory(*there).flip("q", base_accuracy=0.48)
    assert unknown.claimed is None
    assert "not above chance" in unknown.reason
    assert trajectory(around(0.2), around(-3.0)).flip("q", **known).claimed is None


def test_without_the_base_accuracy_or_the_empty_context_no_flip_is_claimed():
    there = (around(5.0), around(-2.0), around(-3.0))
    assert trajectory(*there).flip("q") == (None, None, "base accuracy in the empty context is not known")
    late = MarginTrajectory((1, 2), {"q": there[1:]}, {}).flip("q", base_accuracy=0.8)
    assert (late.claimed, late.reason) == (None, "the empty context (turn 0) was not read")

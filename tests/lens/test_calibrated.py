"""Readings as log-odds: what was planted is read, held out by group, and the controls read nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from doxa.errors import InputError
from doxa.lens.calibrated import calibrated, platt
from doxa.streams import stream

WIDTH = 12


def said(rng: np.random.Generator, size: float, answers: int = 1, count: int = 240, groups: int = 8):
    """Examples whose label shows along one direction of layer 1; layer 0 is noise."""
    labels = rng.random(count) < 0.5
    direction = rng.standard_normal(WIDTH)
    direction /= np.linalg.norm(direction)
    acts = rng.standard_normal((count, answers, 2, WIDTH)).astype(np.float32)
    side = np.where(labels, 1.0, -1.0)
    for answer, sign in zip(range(answers), (1.0, -1.0), strict=False):
        acts[:, answer, 1] += (size * sign * side)[:, None] * direction
    return acts, labels, [f"g{i % groups}" for i in range(count)], direction


def fresh(rng: np.random.Generator, direction: np.ndarray, size: float, count: int, answers: int = 1):
    acts = rng.standard_normal((count, answers, 2, WIDTH)).astype(np.float32)
    for answer, sign in zip(range(answers), (1.0, -1.0), strict=False):
        acts[:, answer, 1] += size * sign * direction
    return acts


@pytest.mark.parametrize("answers", [1, 2])
def test_log_odds_are_those_of_the_two_gaussians(answers: int) -> None:
    # two unit Gaussians at ±size along one direction: the log-odds at a shift s are 2·size·s, twice that of two answers
    rng = stream(0, "planted")
    acts, labels, groups, direction = said(rng, 1.0, answers, count=2000)
    found = calibrated(acts, labels, groups, rng=rng).reading
    assert found.layer == 1
    for shift in (-1.0, 0.0, 0.5, 1.5):
        read = found.log_odds(fresh(rng, direction, shift, 4000, answers), ["g0"] * 4000)
        assert read.mean() == pytest.approx(2 * answers * shift, abs=0.35 * answers)


def test_controls_read_nothing() -> None:
    rng = stream(1, "planted")
    acts, labels, groups, direction = said(rng, 2.0, count=600)
    found = calibrated(acts, labels, groups, rng=rng)
    moved = fresh(rng, direction, 2.0, 500)
    assert found.reading.accuracy > 0.95
    assert found.reading.log_odds(moved, ["g1"] * 500).mean() > 2.0
    assert abs(found.permuted.log_odds(moved, ["g1"] * 500).mean()) < 1.0
    assert 0.35 < found.permuted.accuracy < 0.65
    moved_by_chance = abs(found.random.log_odds(moved, ["g1"] * 500).mean())
    assert moved_by_chance < 0.7 * found.reading.log_odds(moved, ["g1"] * 500).mean()
    norms = np.linalg.norm(found.random.weights, axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(found.reading.weights, axis=1))


def test_each_fold_is_scikit_learns_fit_without_its_groups() -> None:
    rng = stream(2, "planted")
    acts, labels, groups, _ = said(rng, 0.7)
    found = calibrated(acts, labels, groups, rng=rng, folds=4, ridge=0.5).reading
    for group in ("g0", "g3"):
        fold = found.fold_of[group]
        rest = np.array([found.fold_of[one] != fold for one in groups])
        peer = LogisticRegression(C=2.0, tol=1e-10, max_iter=5000)
        peer.fit(acts[rest, 0, found.layer].astype(np.float64), labels[rest])
        np.testing.assert_allclose(found.weights[fold], peer.coef_[0], atol=2e-3)
        assert found.bias[fold] == pytest.approx(float(peer.intercept_[0]), abs=2e-3)


def test_perfectly_separated_scores_have_finite_log_odds_by_hand() -> None:
    scores = np.array([-1.0] * 5 + [1.0] * 5)
    line = platt(scores, scores > 0)
    # at each of two scores the line reaches the target exactly: (5 + 1) / (5 + 2)
    assert line.slope + line.intercept == pytest.approx(math.log(6.0), abs=1e-4)
    assert line.intercept == pytest.approx(0.0, abs=1e-5)


@given(scale=st.floats(0.01, 100.0), shift=st.floats(-50.0, 50.0))
@settings(max_examples=30, deadline=None)
def test_log_odds_do_not_hang_on_the_units_of_the_scores(scale: float, shift: float) -> None:
    rng = stream(3, "platt")
    labels = rng.random(80) < 0.5
    scores = rng.standard_normal(80) + labels
    one, other = platt(scores, labels), platt(scale * scores + shift, labels)
    np.testing.assert_allclose(
        one.slope * scores + one.intercept,
        other.slope * (scale * scores + shift) + other.intercept,
        atol=1e-3,
    )


def test_labels_turned_round_turn_the_reading_round() -> None:
    acts, labels, groups, direction = said(stream(4, "planted"), 1.5)
    moved = fresh(stream(5, "planted"), direction, 1.0, 50)
    one, other = (
        calibrated(acts, sign, groups, rng=stream(6, "folds")).reading for sign in (labels, ~labels)
    )
    np.testing.assert_allclose(
        one.log_odds(moved, ["g2"] * 50), -other.log_odds(moved, ["g2"] * 50), atol=0.05
    )


def test_what_does_not_fit_is_refused() -> None:
    acts, labels, groups, _ = said(stream(7, "planted"), 1.0)
    with pytest.raises(InputError, match="must be examples, 1 or 2 answers"):
        calibrated(np.repeat(acts, 3, axis=1), labels, groups, rng=stream(0, "x"))
    with pytest.raises(InputError, match="one label"):
        calibrated(acts, np.ones(len(acts), dtype=bool), groups, rng=stream(0, "x"))
    with pytest.raises(InputError, match="groups elsewhere: not among"):
        calibrated(acts, labels, groups, rng=stream(0, "x")).reading.log_odds(acts[:1], ["elsewhere"])

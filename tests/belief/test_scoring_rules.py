from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from doxa.belief.calibration import brier_score
from doxa.belief.information import logit
from doxa.belief.scoring_rules import RULES, earned, log_score, log_score_of_log_odds, spherical_score
from doxa.errors import InputError

GRID = np.linspace(0.0, 1.0, 1001)


@given(st.integers(5, 995).map(lambda k: k / 1000), st.sampled_from(RULES))
@settings(max_examples=60, deadline=None)
def test_the_honest_credence_earns_most(p: float, rule):
    gain = p * earned(GRID, np.ones(GRID.size), rule) + (1 - p) * np.where(
        GRID == 1.0,
        -math.inf if rule == "log" else earned(GRID, np.zeros(GRID.size), rule),
        earned(GRID, np.zeros(GRID.size), rule),
    )
    assert GRID[np.argmax(gain)] == pytest.approx(p)
    assert np.sum(gain >= gain.max() - 1e-15) == 1


@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_log_score_is_scikit_learns(beliefs):
    c, o = np.array([b for b, _ in beliefs]), np.array([t for _, t in beliefs])
    assert log_score(c, o) == pytest.approx(log_loss(o, c, labels=[False, True]))
    assert log_score_of_log_odds(logit(c), o) == pytest.approx(log_score(c, o))
    assert -earned(c, o, "brier").mean() == pytest.approx(brier_score(c, o))
    assert 0.0 <= spherical_score(c, o) <= 1.0


def test_scores_by_hand():
    assert spherical_score(np.array([0.6]), np.array([0])) == pytest.approx(0.4 / math.sqrt(0.52))
    assert log_score(np.array([1.0, 0.0]), np.array([1, 0])) == 0.0
    assert log_score(np.array([1.0]), np.array([0])) == math.inf
    assert log_score_of_log_odds(np.array([-800.0]), np.array([1])) == pytest.approx(800.0)
    assert log_score_of_log_odds(np.array([math.inf]), np.array([1])) == 0.0


def test_wrong_input_is_named():
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        log_score(np.array([75.0]), np.array([1]))
    with pytest.raises(InputError, match="at least one"):
        spherical_score(np.array([]), np.array([]))

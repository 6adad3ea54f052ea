from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.information import expit, logit
from doxa.belief.updating import (
    evidence_log_odds,
    incoherence,
    posterior_log_odds,
    posterior_log_probs,
    predictive_probability,
    sharpened_log_odds,
    trusted_reliability,
)
from doxa.errors import InputError

SOURCES = st.lists(st.tuples(st.booleans(), st.floats(0.02, 0.98)), min_size=0, max_size=6)


def split(sources: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in sources], dtype=bool), np.array([r for _, r in sources], dtype=float)


def test_two_sources_by_hand():
    says, reliability = np.array([True, False]), np.array([0.95, 0.8])
    assert expit(posterior_log_odds(0.0, says, reliability)) == pytest.approx(
        0.95 * 0.2 / (0.95 * 0.2 + 0.05 * 0.8)
    )
    assert evidence_log_odds(np.array([False]), np.array([0.8]))[0] == pytest.approx(-math.log(4))


@given(SOURCES, st.floats(0.05, 0.95))
@settings(max_examples=100, deadline=None)
def test_it_is_bayes_by_enumeration_in_any_order(sources: list[tuple[bool, float]], prior: float):
    says, reliability = split(sources)
    likelihood = [math.prod(r if s == truth else 1 - r for s, r in sources) for truth in (True, False)]
    expected = prior * likelihood[0] / (prior * likelihood[0] + (1 - prior) * likelihood[1])
    found = posterior_log_odds(logit(prior), says, reliability)
    assert expit(found) == pytest.approx(expected, rel=1e-9)
    assert posterior_log_odds(logit(prior), says[::-1], reliability[::-1]) == pytest.approx(found, abs=1e-9)
    two = posterior_log_probs(
        np.log([prior, 1 - prior]),
        np.array(
            [[math.log(r if s == truth else 1 - r) for truth in (True, False)] for s, r in sources]
        ).reshape(-1, 2),
    )
    assert two[0] - two[1] == pytest.approx(found, abs=1e-9)


@given(SOURCES, st.floats(-5, 5))
@settings(max_examples=100, deadline=None)
def test_hearing_the_opposite_of_everything_gives_the_opposite_belief(
    sources: list[tuple[bool, float]], prior: float
):
    says, reliability = split(sources)
    found = posterior_log_odds(prior, says, reliability)
    mirrored = posterior_log_odds(-prior, ~says, reliability)
    assert mirrored == pytest.approx(-found, abs=1e-9)
    assert abs(incoherence(found, mirrored)) < 1e-9


@given(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=5), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_the_posterior_is_a_martingale(reliability: list[float], prior: float):
    expected = 0.0
    for says in itertools.product([True, False], repeat=len(reliability)):
        joint = [
            math.prod(r if s == truth else 1 - r for s, r in zip(says, reliability, strict=True))
            for truth in (True, False)
        ]
        chance = prior * joint[0] + (1 - prior) * joint[1]
        expected += chance * expit(posterior_log_odds(logit(prior), np.array(says), np.array(reliability)))
    assert expected == pytest.approx(prior, rel=1e-9)


@given(st.floats(-30, 30), st.floats(-30, 30))
@settings(max_examples=100, deadline=None)
def test_incoherence_is_the_excess_of_the_two_credences(a: float, b: float):
    assert incoherence(a, b) == pytest.approx(expit(a) + expit(b) - 1.0, abs=1e-14)
    assert incoherence(a, b) == pytest.approx(incoherence(b, a), rel=1e-9)


def test_incoherence_is_exact_in_the_tail():
    assert incoherence(-300.0, 299.0) == pytest.approx(math.exp(-300) * (1 - math.e), rel=1e-9)


def test_sources_that_tell_nothing():
    assert trusted_reliability(0.0, 0.9) == 0.5
    assert trusted_reliability(1.0, 0.9) == 0.9
    assert posterior_log_odds(0.7, np.array([True]), np.array([0.5])) == 0.7
    assert predictive_probability(0.0, 0.9) == pytest.approx(0.5)
    assert expit(sharpened_log_odds(logit(0.8), 2.0)) == pytest.approx(0.64 / (0.64 + 0.04))


def test_bad_input_is_named():
    with pytest.raises(InputError, match="for and against"):
        posterior_log_odds(0.0, np.array([True, False]), np.array([1.0, 1.0]))
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        evidence_log_odds(np.array([True]), np.array([1.2]))
    with pytest.raises(InputError, match="trust=2"):
        trusted_reliability(2.0, 0.5)
    with pytest.raises(InputError, match="no mass"):
        posterior_log_probs(np.zeros(2), np.full((1, 2), -np.inf))

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.information import (
    binary_entropy_nats,
    entropy_nats,
    expit,
    kl_nats,
    log_expit,
    log_softmax,
    logit,
    logsumexp,
    normalise_log_probs,
)
from doxa.errors import InputError

mpmath.mp.dps = 400
TAILS = st.floats(-690, 690, allow_nan=False)
LOGITS = st.lists(st.floats(-1e4, 1e4, allow_nan=False), min_size=1, max_size=12)


def relative(found: float, exact: mpmath.mpf) -> float:
    return float(abs(mpmath.mpf(found) - exact) / abs(exact)) if exact else abs(found)


def test_log_odds_by_hand():
    assert logit(0.8) == pytest.approx(math.log(4), rel=1e-15)
    assert logit(0.0) == -math.inf
    assert logit(1.0) == math.inf
    assert expit(math.log(4)) == pytest.approx(0.8, rel=1e-15)
    assert isinstance(logit(0.3), float)
    assert isinstance(expit(np.array([0.3])), np.ndarray)


@given(TAILS)
@settings(max_examples=100, deadline=None)
def test_expit_and_its_log_and_entropy_agree_with_mpmath_in_the_tails(x: float):
    exact = 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
    assert relative(expit(x), exact) < 1e-13
    assert relative(log_expit(x), mpmath.log(exact)) < 1e-13
    other = 1 / (1 + mpmath.exp(mpmath.mpf(x)))
    entropy = -exact * mpmath.log(exact) - other * mpmath.log(other)
    assert relative(binary_entropy_nats(x), entropy) < 1e-12


@given(st.one_of(st.floats(1e-300, 0.999999999), st.floats(0.4999999, 0.5000001)))
@settings(max_examples=100, deadline=None)
def test_logit_agrees_with_mpmath_in_the_tail_and_around_one_half(p: float):
    exact = mpmath.log(mpmath.mpf(p)) - mpmath.log(1 - mpmath.mpf(p))
    assert relative(logit(p), exact) < 1e-13


@given(TAILS)
@settings(max_examples=100, deadline=None)
def test_credence_of_a_belief_and_of_its_negation_add_to_one(x: float):
    assert expit(x) + expit(-x) == pytest.approx(1.0, abs=1e-15)
    assert log_expit(x) - log_expit(-x) == pytest.approx(x, rel=1e-12, abs=1e-12)
    if abs(x) < 30:
        assert logit(expit(x)) == pytest.approx(x, rel=1e-3, abs=1e-12)


@given(LOGITS)
@settings(max_examples=100, deadline=None)
def test_log_softmax_agrees_with_mpmath_and_is_a_distribution(logits: list[float]):
    found = log_softmax(np.array(logits))
    total = mpmath.fsum(mpmath.exp(mpmath.mpf(x)) for x in logits)
    for x, log_prob in zip(logits, found, strict=True):
        exact = mpmath.mpf(x) - mpmath.log(total)
        # Inputs of 1e4 are themselves known to 1e-12 only where they nearly cancel.
        assert float(abs(exact - log_prob)) <= 1e-12 * float(abs(exact)) + 1e-300
    assert math.fsum(np.exp(found)) == pytest.approx(1.0, rel=1e-12)
    assert (
        relative(float(logsumexp(np.array(logits))), mpmath.log(total)) < 1e-9
        or abs(mpmath.log(total)) < 1e-9
    )


def test_log_softmax_of_many_categories_stays_exact():
    logits = np.linspace(-1e4, 1e4, 100_000)
    found = log_softmax(logits)
    assert np.all(np.isfinite(found))
    assert math.fsum(np.exp(found)) == pytest.approx(1.0, rel=1e-12)


def test_what_is_certain_keeps_its_small_doubt():
    assert log_softmax(np.array([0.0, -600.0]))[0] == pytest.approx(-math.exp(-600.0), rel=1e-12)


@given(LOGITS, st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_normalising_ignores_a_common_shift_and_the_order(logits: list[float], shift: float):
    row = np.array(logits)
    assert np.allclose(normalise_log_probs(row + shift), normalise_log_probs(row), rtol=1e-9, atol=1e-9)
    assert np.allclose(normalise_log_probs(row[::-1])[::-1], normalise_log_probs(row), rtol=1e-12, atol=1e-12)


def test_axes_and_absent_options():
    table = np.log(
        np.array([[0.2, 0.2], [0.0001, 0.0]]) + 0.0,
        where=np.array([[True] * 2, [True, False]]),
        out=np.full((2, 2), -np.inf),
    )
    assert np.allclose(np.exp(normalise_log_probs(table)), [[0.5, 0.5], [1.0, 0.0]])
    assert np.allclose(np.exp(normalise_log_probs(table, axis=0)).sum(axis=0), 1.0)
    assert logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    assert logsumexp(table, axis=1).shape == (2,)


@given(
    st.lists(st.floats(-20, 20), min_size=2, max_size=6), st.lists(st.floats(-20, 20), min_size=6, max_size=6)
)
@settings(max_examples=80, deadline=None)
def test_entropy_and_divergence_agree_with_mpmath(a: list[float], b: list[float]):
    p, q = log_softmax(np.array(a)), log_softmax(np.array(b[: len(a)]))
    mp_p, mp_q = [mpmath.mpf(x) for x in p], [mpmath.mpf(x) for x in q]
    entropy = -mpmath.fsum(mpmath.exp(x) * x for x in mp_p)
    divergence = mpmath.fsum(mpmath.exp(x) * (x - y) for x, y in zip(mp_p, mp_q, strict=True))
    assert float(abs(entropy - float(entropy_nats(p)))) < 1e-12
    assert float(abs(divergence - float(kl_nats(p, q)))) < 1e-11
    assert kl_nats(p, q) >= 0.0
    assert kl_nats(p, p) == 0.0
    assert 0.0 <= entropy_nats(p) <= math.log(len(a)) + 1e-12


def test_divergence_from_a_world_held_impossible_is_infinite():
    sure, open_minded = np.array([0.0, -np.inf]), np.log(np.array([0.5, 0.5]))
    assert kl_nats(open_minded, sure) == math.inf
    assert kl_nats(sure, open_minded) == pytest.approx(math.log(2))
    assert entropy_nats(sure) == 0.0
    assert binary_entropy_nats(0.0) == pytest.approx(math.log(2))
    assert binary_entropy_nats(math.inf) == 0.0


@pytest.mark.parametrize("credence", [-0.1, 1.1, math.nan])
def test_no_credence_outside_the_unit_interval(credence: float):
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        logit(credence)


@pytest.mark.parametrize("row", [[math.nan, 0.0], [math.inf, 0.0], []])
def test_what_was_not_scored_is_not_normalised(row: list[float]):
    with pytest.raises(InputError):
        normalise_log_probs(np.array(row, dtype=float))


def test_no_mass_is_refused():
    with pytest.raises(InputError, match="no mass"):
        normalise_log_probs(np.array([-np.inf, -np.inf]))

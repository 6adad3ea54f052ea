import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.stattools import acf, ccf

from doxa.belief.recovery import (
    coherence,
    crossing_turn,
    loop_area,
    median_turn,
    oscillation_count,
    recovery,
    response_lag,
    settling_turn,
)
from doxa.errors import InputError
from doxa.streams import stream


def noise(seed, turns=30):
    return stream(seed, "recovery").normal(size=turns)


def test_a_series_by_hand():
    found = coherence(np.array([0.0, 1.0, 0.0, 1.0]))
    assert found.autocorrelation == pytest.approx(-0.75)  # (-.25 * 3) / (.25 * 4)
    assert (found.jump, found.variation) == (1.0, 3.0)
    assert np.isnan(coherence(np.full(5, 0.1)).autocorrelation)


def test_what_never_comes_back_has_no_time():
    found = recovery(np.array([0.0, 0.0, -0.5, -0.9, -0.8, -0.6, -0.5]), 3, 5)
    assert (found.baseline, found.peak, found.peak_turn, found.peak_delay) == (0.0, -0.9, 4, 1)
    assert found.crossing is None
    assert found.settling is None
    assert not found.recovered
    assert not found.settled
    assert (found.overshoot, found.oscillations, found.last) == (0.0, 0, 7)


def test_what_comes_back_and_relapses_has_crossed_and_not_settled():
    found = recovery(np.array([0.0, 0.0, -0.5, -0.9, -0.8, 0.0, -0.5]), 3, 5)
    assert found.crossing == 6
    assert found.recovered
    assert found.settling is None
    assert not found.settled


def test_what_comes_back_and_stays_has_both_times():
    found = recovery(np.array([0.2, 0.2, -0.5, -0.9, 0.0, 0.5, 0.2, 0.15]), 3, 5)
    assert (found.crossing, found.settling) == (6, 7)
    assert found.overshoot == pytest.approx(0.3)
    assert found.oscillations == 1
    risen = recovery(-np.array([0.2, 0.2, -0.5, -0.9, 0.0, 0.5, 0.2, 0.15]), 3, 5, way="rise")
    assert (risen.crossing, risen.settling, risen.peak, risen.overshoot) == (6, 7, 0.9, pytest.approx(0.3))


def test_what_was_never_away_is_back_at_once():
    found = recovery(np.zeros(6), 3, 5)
    assert (found.crossing, found.settling, found.peak_delay) == (5, 5, 0)


@given(st.integers(0, 200), st.integers(1, 30), st.floats(0.0, 1.0))
def test_turns_agree_with_a_search_from_their_definition(seed, start, eps):
    x = noise(seed)
    turns = range(start, 31)
    crossings = [t for t in turns if x[t - 1] >= 0.2 - eps]
    settled = [t for t in turns if all(abs(x[u - 1] - 0.2) <= eps for u in range(t, 31))]
    assert crossing_turn(x, 0.2, start, eps=eps) == (min(crossings) if crossings else None)
    assert settling_turn(x, 0.2, start, eps=eps) == (min(settled) if settled else None)


@given(st.integers(0, 200))
def test_correlations_agree_with_statsmodels(seed):
    x, y = noise(seed), noise(seed + 1000)
    assert coherence(x).autocorrelation == pytest.approx(acf(x, nlags=1)[1])
    forward = ccf(y, x, adjusted=False)
    found = response_lag(x, y)
    if found.lag is not None and found.lag >= 0:
        assert found.correlation == pytest.approx(forward[found.lag])
    assert found.correlation >= forward[:16].max() - 1e-9


def test_a_series_that_was_shifted_is_found_at_its_shift():
    x = noise(3)
    assert response_lag(x, np.concatenate([np.zeros(4), x[:-4]])).lag == 4
    assert response_lag(x, np.concatenate([x[3:], np.zeros(3)])).lag == -3
    assert response_lag(x, x) == (0, pytest.approx(1.0))
    assert response_lag(x, np.ones(30)).lag is None


@given(st.integers(0, 200), st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_a_loop_turns_its_sign_with_its_sense_and_stands_where_it_stands(seed, right, up):
    x, y = noise(seed), noise(seed + 1)
    area = loop_area(x, y)
    assert loop_area(x[::-1], y[::-1]) == pytest.approx(-area)
    assert loop_area(y, x) == pytest.approx(-area)
    assert loop_area(x + right, y + up) == pytest.approx(area, abs=1e-9)
    assert loop_area(x, 2.0 * x + 1.0) == pytest.approx(0.0, abs=1e-9)


def test_a_response_that_lags_has_a_loop_above_zero():
    angle = 2 * np.pi * np.arange(200) / 200
    assert loop_area(np.cos(angle), np.cos(angle - 0.5)) == pytest.approx(np.pi * np.sin(0.5), rel=1e-3)


def test_sides_change_only_beyond_the_band():
    x = np.array([0.5, 0.05, -0.05, 0.5, -0.5, 0.05, -0.4, 0.3])
    assert oscillation_count(x, 0.0) == 2
    assert oscillation_count(x, 0.0, eps=0.0) == 6


def test_a_median_is_known_once_half_have_come():
    assert median_turn([14, 13, None, 20]) == 17.0
    assert median_turn([None, 13]) is None
    assert median_turn([13]) == 13.0


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: recovery(np.zeros(9), 1, 5), "shock=1, reconciliation=5"),
        (lambda: recovery(np.zeros(9), 6, 5), "shock=6"),
        (lambda: recovery(np.zeros(9), 3, 10), "reconciliation=10"),
        (lambda: recovery(np.array([0, 0, np.nan, 0]), 2, 3), "turn 3 is nan"),
        (lambda: crossing_turn(np.zeros(3), 0.0, 4), "start=4"),
        (lambda: settling_turn(np.zeros(3), 0.0, 1, eps=-0.1), "eps=-0.1"),
        (lambda: loop_area(np.zeros(3), np.zeros(4)), "driver has 3 turns and response 4"),
        (lambda: response_lag(np.zeros(3), np.zeros(3), longest=3), "longest=3"),
        (lambda: median_turn([]), "give one or more"),
    ],
)
def test_what_is_wrong_is_named(ask, message):
    with pytest.raises(InputError, match=message):
        ask()

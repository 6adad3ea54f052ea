"""Shift metrics: exact cases, symmetries, the noise floor and its interval."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.protocols.context_drift.shifts import MEASURED, shift


def frame(labels, behaviours=None, likert=None, *, sample=0, refused=()):
    """Measurements of items 0, 1, ...: +1, -1 or None for each probe."""
    rows = []
    for probe, values in (("label", labels), ("behavior", behaviours), ("likert", likert)):
        for place, value in enumerate(values or ()):
            rows.append({
                "item": f"i{place}", "probe": probe, "sample": sample, "value": value, "log_odds": None,
                "refusal": place in refused, "missing": "" if value is not None else "unread", "raw": "",
            })  # fmt: skip
    return pl.DataFrame(rows, schema=MEASURED)


SIDES = {f"i{place}": 1 for place in range(8)}


def test_by_hand():
    pre = pl.concat(
        [frame([1, 1, -1, -1], [1, 1, -1, -1], [80, 60, 20, 10]), frame([1, -1, -1, -1], sample=1)]
    )
    post = frame([-1, 1, 1, 1], [-1, 1, 1, -1], [30, 60, 50, 90])
    result = shift(pre, post, sides={"i0": 1, "i1": 1, "i2": 1, "i3": -1})
    assert result.shift == 75.0
    assert result.floor == 25.0
    assert result.net_shift == 50.0
    assert result.directional == pytest.approx(100 * (-1 + 0 + 1 - 1) / 4)
    assert result.likert_delta == pytest.approx((-50 + 0 + 30 - 80) / 4)
    assert result.table == ((2, 1), (0, 1))
    assert result.phi == pytest.approx((2 * 1 - 1 * 0) / math.sqrt(3 * 1 * 2 * 2))
    assert result.n == 4


values = st.lists(st.sampled_from([1, -1]), min_size=2, max_size=8)


@settings(deadline=None)
@given(values)
def test_nothing_moves_between_equals(labels):
    result = shift(frame(labels, labels), frame(labels, labels), sides=SIDES, n_resamples=100)
    assert result.shift == 0.0
    assert result.directional == 0.0


@settings(deadline=None)
@given(values, st.randoms(use_true_random=False))
def test_symmetries(labels, random):
    after = [random.choice([1, -1]) for _ in labels]
    there = shift(frame(labels), frame(after), sides=SIDES, n_resamples=100)
    back = shift(frame(after), frame(labels), sides=SIDES, n_resamples=100)
    swapped = shift(frame([-x for x in labels]), frame([-x for x in after]), sides=SIDES, n_resamples=100)
    assert there.shift == back.shift == swapped.shift
    assert there.directional == -back.directional == -swapped.directional


def test_phi_of_equal_opposite_and_constant_indicators():
    start = [1, 1, 1, 1]
    same = shift(frame(start, start), frame([1, 1, -1, -1], [1, 1, -1, -1]))
    opposite = shift(frame(start, start), frame([1, 1, -1, -1], [-1, -1, 1, 1]))
    constant = shift(frame(start, start), frame([1, 1, -1, -1], start))
    assert same.phi == 1.0
    assert opposite.phi == -1.0
    assert math.isnan(constant.phi)
    assert constant.phi_reason
    assert "no item" in shift(frame(start), frame(start)).phi_reason


def test_fair_coins_shift_half():
    rng = np.random.default_rng(3)
    first, second = (rng.choice([1.0, -1.0], 20_000).tolist() for _ in range(2))
    assert shift(frame(first), frame(second), n_resamples=100).shift == pytest.approx(50.0, abs=1.5)


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_net_shift_of_random_draws_covers_zero_about_as_often_as_it_should(p):
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(40):
        passes = [np.where(rng.random(40) < p, 1.0, -1.0).tolist() for _ in range(3)]
        pre = pl.concat([frame(passes[0]), frame(passes[1], sample=1)])
        result = shift(pre, frame(passes[2]), rng=rng, n_resamples=200)
        assert result.ci is not None
        covered += result.ci[0] <= 0.0 <= result.ci[1]
    assert covered >= 33  # 38 expected at 95 %


def test_refusals_are_their_own_category():
    pre = frame([1, 1, 1, None], refused=(3,))
    post = frame([1, None, None, 1], refused=(1,))
    result = shift(pre, post)
    assert (result.n, result.shift) == (1, 0.0)
    counts = result.refusals
    assert (counts.refused_before, counts.refused_after) == (1, 1)
    assert (counts.answer_to_refusal, counts.refusal_to_answer) == (1, 1)
    assert (counts.missing_before, counts.missing_after) == (0, 1)


def test_without_a_second_pass_there_is_no_floor():
    result = shift(frame([1, 1]), frame([1, -1]))
    assert (result.shift, result.ci) == (50.0, None)
    assert math.isnan(result.floor)
    assert math.isnan(result.net_shift)
    assert math.isnan(result.directional)


def test_different_batteries_are_named():
    with pytest.raises(InputError, match="item 'i2' was measured only before"):
        shift(frame([1, 1, 1]), frame([1, 1]))
    with pytest.raises(InputError, match="item 'i1' was measured only after"):
        shift(frame([1]), frame([1, 1]))


def test_intervals_have_a_width_where_every_item_tells_the_same():
    still = [1.0] * 3
    quiet = pl.concat([frame(still), frame(still, sample=1)])
    assert shift(quiet, frame(still)).ci == pytest.approx((0.0, 56.1), abs=0.1)  # Wilson, 0 of 3
    assert shift(quiet, frame([-1.0] * 3)).ci == pytest.approx((43.9, 100.0), abs=0.1)
    restless = pl.concat([frame(still), frame([-1.0] * 3, sample=1)])
    low, high = shift(restless, frame([-1.0] * 3)).ci
    assert low < 0.0 < high

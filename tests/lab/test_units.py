"""Independent units: paired, averaged, judged by their interval."""

from __future__ import annotations

import math

import pytest

from doxa.lab.units import SHARE, Units, least


def test_units_are_paired_and_judged_by_their_interval():
    first, second = Units({"0": 0.9, "1": 0.8, "2": 0.85}), Units({"0": 0.6, "1": 0.6, "3": 0.1})
    assert first.minus(second).values == pytest.approx({"0": 0.3, "1": 0.2})
    assert first.less(0.5).values == pytest.approx({"0": 0.4, "1": 0.3, "2": 0.35})
    assert first.times(2).values == pytest.approx({"0": 1.8, "1": 1.6, "2": 1.7})
    assert first.finding("x", "", unit="", above=0.5).verdict == "holds"
    assert first.finding("x", "", unit="", above=0.98).verdict == "fails"
    assert first.finding("x", "", unit="", above=0.85).verdict == "unresolved"
    one = Units({"0": 1.0}).within("x", "", 0.1, unit="", note="farthest at 4 statements")
    assert (one.verdict, one.control, one.note) == (
        "unresolved",
        True,
        "one unit has no interval; farthest at 4 statements",
    )


def test_no_units_are_no_number():
    none = Units({}).finding("x", "", unit="nats", above=0.0)
    assert (none.estimate, none.interval, none.verdict) == (None, None, "unresolved")
    assert none.note == "not measured in this run"
    assert math.isnan(Units({}).mean)


def test_an_interval_is_cut_at_what_can_be():
    shares = Units({0: 1.0, 1: 1.0, 2: 0.7})
    assert shares.finding("x", "", unit="fraction").interval[1] > 1.0
    assert shares.finding("x", "", unit="fraction", possible=SHARE).interval[1] == 1.0


def test_ratios_leave_out_what_cannot_be_divided_by():
    assert Units({0: 1.0, 1: 3.0}).over(Units({0: 0.0, 1: 2.0})).values == {1: 1.5}


def test_the_smallest_of_several_needs_all_of_them():
    assert least([Units({0: 1.0, 1: 3.0}), Units({1: 2.0})]).values == {1: 2.0}
    assert least([]).values == {}

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.elicit.numbers import FRACTIONAL, OTHER_SCALE, OUTSIDE, SHARE_OR_PERCENT
from doxa.elicit.readers import Found, read_number
from doxa.errors import InputError

SLIPS = [
    "around 60",
    "7.5.1",
    "50-60%",
    "1e309",
    "1,000",
    "~60",
    "60?",
    "sixty",
    "60 or 70",
    "nan",
    "inf",
    "7²",
    "60ish",
    ">60",
]


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("style", ["{}", "The answer is: {}", "<number>{}</number>"])
def test_slips_are_no_numbers(slip: str, style: str):
    assert not isinstance(read_number(style.format(slip), 0, 2000), Found)


@given(
    st.integers(0, 100),
    st.sampled_from(
        [
            "{}",
            "The answer is: {}.",
            "<number>{}</number>",
            "{}/100",
            "{} out of 100",
            "{} %",
            "\\boxed{{{}}}",
            "**{}**",
        ]
    ),
)
@settings(deadline=None)
def test_every_whole_number_is_read_back(number: int, style: str):
    found = read_number(style.format(number), 0, 100, integer=True)
    assert found.value == number
    assert isinstance(found.value, int)


@given(st.floats(1, 99).map(lambda x: round(x, 3)))
@settings(deadline=None)
def test_every_decimal_is_read_back_and_never_rounded(number: float):
    assert read_number(f"The answer is: {number}", 0, 100).value == number
    if number != int(number):
        assert read_number(f"The answer is: {number}", 0, 100, integer=True).reason == FRACTIONAL


def test_percentages_by_scale():
    assert read_number("75%", 0, 1).value == 0.75
    assert read_number("0.75", 0, 1).value == 0.75
    assert read_number("75/100", 0, 1).value == 0.75
    assert read_number("5/7", 1, 7).value == 5
    assert read_number("75%", 1, 7).reason == OTHER_SCALE
    assert read_number("75/10", 0, 100).reason == OTHER_SCALE
    assert read_number("0.75", 0, 100).reason == SHARE_OR_PERCENT
    assert read_number("75", 0, 1).reason == OUTSIDE
    assert read_number("The answer is -5", 0, 100).reason == OUTSIDE
    assert read_number("The answer is -5", -10, 10).value == -5


def test_the_last_marked_number_counts_and_others_in_its_sentence_spoil_it():
    assert read_number("Confidence: 20. On reflection, the answer is: 30.", 0, 100).value == 30
    assert not isinstance(read_number("The answer is: 30, down from 20.", 0, 100), Found)
    assert read_number("The answer is 30 on a scale from 0 to 100.", 0, 100).value == 30


@pytest.mark.parametrize("ends", [(1, 0), (0, math.inf), (math.nan, 1)])
def test_a_scale_has_two_finite_ends(ends: tuple[float, float]):
    with pytest.raises(InputError, match="scale from"):
        read_number("1", *ends)

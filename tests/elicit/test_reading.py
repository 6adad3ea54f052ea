# ruff: noqa: RUF001 - look-alike characters are what is tested
"""What all readers share; bar 8 (``doxa bench hard --bar 8``) reads the whole grammar of slips and fuzzed text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.elicit.readers import Found, Refusal, Unparsed, read_letter, read_number, read_yes_no
from doxa.elicit.reading import CUT, REPETITION, TAKEN_BACK
from doxa.testing.fuzzed_replies import fuzzed
from doxa.testing.malformed_replies import READERS, cases
from doxa.testing.second_reader import third_sees_none


@given(st.text(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_without_an_error_and_spans_lie_in_it(text: str):
    for read in READERS.values():
        reading = read(text)
        if reading.__class__ is not Unparsed or reading.span is not None:
            start, end = reading.span
            assert 0 <= start <= end <= len(text)


def test_fuzzed_replies_are_the_same_for_the_same_seed_and_as_long_as_they_may_be():
    some = [fuzzed(1, index, longest=2000) for index in range(60)]
    assert some == [fuzzed(1, index, longest=2000) for index in range(60)]
    assert some != [fuzzed(2, index, longest=2000) for index in range(60)]
    assert 1000 < max(map(len, some)) <= 2000


@pytest.mark.parametrize("kind", READERS)
def test_the_third_reader_sees_something_wherever_an_answer_was_put_in(kind: str):
    put_in = [case for case in cases() if case.kind == kind and case.value is not None][::40]
    assert put_in
    assert not any(third_sees_none(kind, case.text) for case in put_in)
    assert third_sees_none(kind, "…")


def test_blank_lines_and_end_tokens_do_not_matter_however_many():
    assert read_letter("So:" + "\n" * 50_000 + "(B)" + "\n" * 50_000).value == "B"
    assert read_number("\n" * 9 + "70" + "\n" * 8, 0, 100).span == (9, 11)
    assert read_yes_no("No</s>" + "</s><|im_end|>" * 5000).value == "no"


@pytest.mark.parametrize(
    "unit",
    [
        "(A)",
        "a\n",
        "the answer is ",
        "i cannot ",
        "<think>",
        "1\n",
        "{",
        '{"a":',
        "{}",
        "A > ",
        "**",
        "\u0301",
        "\ud800",
        "１",
    ],
)
def test_what_repeats_for_64_kilobytes_is_read_and_holds_nothing(unit: str):
    text = unit * (65_536 // len(unit))
    for kind, read in READERS.items():
        assert not isinstance(read(text), Found), kind


def test_a_refusal_before_a_marked_answer_gives_way_and_one_after_it_does_not():
    hedge = "As an AI, I don't have beliefs."
    assert read_letter(f"{hedge} Still, the answer is (B).").value == "B"
    assert read_letter(f"The answer is (B). {hedge}").reason == TAKEN_BACK
    assert isinstance(read_letter(f"{hedge} (B)"), Refusal)
    assert read_letter(f"{hedge}\n(B)").value == "B"


def test_an_answer_at_the_length_limit_may_be_half_of_one():
    assert read_number("The answer is: 7", 0, 100, cut=True).reason == CUT
    assert read_yes_no("No", cut=True).reason == CUT
    assert read_letter("The answer is (A), since", cut=True).value == "A"
    assert read_number("<number>7</number>", 0, 100, cut=True).value == 7


def test_a_loop_is_no_answer():
    assert read_letter("(A)\n" * 20).value == "A"
    assert read_letter("(A)\n" * 200).reason == REPETITION


@pytest.mark.parametrize("index", [364609, 408984, 693604])
def test_a_span_begins_before_it_ends_wherever_the_places_were_found(index: int):
    """Bar 8 found these at full size: places of two patterns, the later one found first."""
    reading = READERS["letter"](fuzzed(0, index))
    assert reading.span is not None
    assert reading.span[0] < reading.span[1]

# ruff: noqa: RUF001 - look-alike characters are what is tested
"""Every reader over the grammar of slips and over fuzzed text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.canonical import digest
from doxa.elicit.readers import Found, Refusal, Unparsed, read_letter, read_number, read_yes_no
from doxa.elicit.reading import CUT, REPETITION, TAKEN_BACK
from tests.elicit.malformed_replies import READERS, SECOND, cases, fuzzed

SAMPLE = [case for case in cases() if int(digest(case.text, length=4), 16) % 12 == 0]


def test_the_grammar_is_large_enough():
    assert len(SAMPLE) >= 6000
    assert sum(case.value is None for case in SAMPLE) >= 1500


@pytest.mark.parametrize("kind", READERS)
def test_no_belief_where_none_was_put_in_and_where_two_independent_readers_see_none(kind: str):
    for case in SAMPLE:
        if case.kind == kind and (case.value is None or SECOND[kind](case.text) is None):
            reading = READERS[kind](case.text)
            assert isinstance(reading, Refusal | Unparsed) or reading.value == case.value, case


@pytest.mark.parametrize("kind", READERS)
def test_what_is_readable_is_read_right(kind: str):
    readable = [case for case in SAMPLE if case.kind == kind and case.value is not None]
    right = 0
    for case in readable:
        reading = READERS[kind](case.text)
        right += isinstance(reading, Found) and reading.value == case.value
    assert right >= 0.99 * len(readable)


@pytest.mark.parametrize("kind", READERS)
def test_the_second_reader_never_reads_something_else(kind: str):
    for case in SAMPLE:
        second = SECOND[kind](case.text) if case.kind == kind and case.value is not None else None
        if second is not None:
            assert READERS[kind](case.text).value == second == case.value, case


@given(st.text(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_without_an_error_and_spans_lie_in_it(text: str):
    for read in READERS.values():
        reading = read(text)
        if reading.__class__ is not Unparsed or reading.span is not None:
            start, end = reading.span
            assert 0 <= start <= end <= len(text)


def test_long_fuzzed_text_is_read_without_an_error():
    for index in range(60):
        text = fuzzed(1, index, longest=65_536)
        for read in READERS.values():
            read(text)


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

# ruff: noqa: RUF001 - look-alike characters are what is tested
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.elicit.readers import Found, read_letter, read_ranking
from doxa.elicit.reading import DENIED, NONE, SEVERAL
from doxa.errors import InputError

LABELS = ("Yes", "No", "Undeterminable")


def test_the_order_of_the_paper():
    """The last marker, else the sole bracketed letter, else a line of its own, else the last word."""
    assert read_letter("So, the answer is (A). Wait. So, the answer is (B).").value == "B"
    assert read_letter("(C) came up, so the answer is A").value == "A"
    assert read_letter("I lean to (B) here").value == "B"
    assert read_letter("Considering everything\nB\n").value == "B"
    assert read_letter("The text leaves it undeterminable", labels=LABELS).value == "C"
    assert read_letter("He said so: yes", labels=LABELS).value == "A"
    assert read_letter("He said so: yes").reason == NONE


def test_several_letters_behind_the_marker_are_none():
    assert read_letter("So, the answer is (A) or (B)").reason == SEVERAL
    assert read_letter("So, the answer is (A). This rules out (B).").reason == SEVERAL
    assert read_letter("(B) is wrong. So, the answer is (A).").value == "A"


def test_the_span_points_into_the_raw_text():
    text = "<think>(B)</think>**So, the answer is （Ｃ）**"
    found = read_letter(text)
    assert isinstance(found, Found)
    assert text[slice(*found.span)] == "（Ｃ）"


def test_a_lower_case_letter_is_no_article():
    assert not isinstance(read_letter("The answer is a matter of taste"), Found)
    assert read_letter("The answer is a.").value == "A"
    assert not isinstance(read_letter("The answer is A matter of taste"), Found)


def test_letter_and_label_must_agree():
    assert read_letter("(B) No", labels=LABELS).value == "B"
    assert not isinstance(read_letter("(B) Yes", labels=LABELS), Found)
    assert not isinstance(read_letter("So, the answer is (B) Yes", labels=LABELS), Found)


@given(st.sampled_from("ABCDEFGH"), st.integers(2, 8))
@settings(deadline=None)
def test_only_offered_letters_are_read_and_renaming_them_renames_the_answer(letter: str, offered: int):
    letters = "ABCDEFGH"[:offered]
    found = read_letter(f"So, the answer is ({letter}).", letters)
    if letter in letters:
        assert found.value == letter
        shifted = letters[-1] + letters[:-1]
        renamed = shifted[letters.index(letter)]
        assert read_letter(f"So, the answer is ({renamed}).", shifted).value == renamed
    else:
        assert not isinstance(found, Found)


@given(st.permutations("ABCD"), st.sampled_from([" > ", ">", ", ", "; ", " >> "]))
@settings(deadline=None)
def test_every_order_is_read_back(order: list[str], sign: str):
    assert read_ranking(sign.join(order), "ABCD").value == tuple(order)
    assert read_ranking("".join(f"{k}. {x}\n" for k, x in enumerate(order, 1)), "ABCD").value == tuple(order)
    assert not isinstance(read_ranking(sign.join(order[:-1]), "ABCD"), Found)


def test_denials_are_none():
    assert read_letter("The answer is not (A)").reason == DENIED
    assert read_letter("I don't think the answer is (A)").reason == DENIED
    assert read_letter("It does not follow from what James said, so the answer is (B).").value == "B"


def test_bad_letters_are_named():
    with pytest.raises(InputError, match="single upper-case"):
        read_letter("(A)", ("A", "Bb"))
    with pytest.raises(InputError, match="at least two"):
        read_letter("(A)", ("A",))
    with pytest.raises(InputError, match="2 labels for 3 letters"):
        read_letter("(A)", labels=("Yes", "No"))

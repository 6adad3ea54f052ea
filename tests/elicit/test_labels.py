from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.elicit.readers import Found, read_choice, read_yes_no
from doxa.errors import InputError

SURE = [f"{percent} %" for percent in range(0, 101, 10)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("for", "for"), ("Against .", "against"), ("The answer is for.", "for"), ("i am against", "against")],
)
def test_words_of_the_micro_world(text: str, value: str):
    assert read_choice(text, ("for", "against")).value == value


@given(st.sampled_from(SURE), st.sampled_from(["{}", "{}.", " {} .", "{}\n", "**{}**"]))
@settings(deadline=None)
def test_every_confidence_is_read_with_and_without_its_space(label: str, style: str):
    assert read_choice(style.format(label), SURE).value == label
    assert read_choice(style.format(label.replace(" ", "")), SURE).value == label


def test_a_label_that_goes_on_is_none():
    assert not isinstance(read_choice("forever", ("for", "against")), Found)
    assert not isinstance(read_choice("110 %", SURE), Found)
    assert not isinstance(read_yes_no("The answer is no longer clear"), Found)
    assert not isinstance(read_yes_no("yesterday"), Found)


def test_the_first_word_counts_unless_the_reply_turns():
    assert read_yes_no("Yes, James does. There is no doubt.").value == "yes"
    assert not isinstance(read_yes_no("Yes, James does. No."), Found)


def test_not_knowing_is_an_answer_and_not_a_refusal():
    assert read_yes_no("I'm not sure.").value == "unknown"
    assert read_yes_no("It is impossible to tell").value == "unknown"
    assert not isinstance(read_yes_no("I can't say"), Found)


def test_bad_labels_are_named():
    with pytest.raises(InputError, match="different"):
        read_choice("x", ("Yes", "yes "))

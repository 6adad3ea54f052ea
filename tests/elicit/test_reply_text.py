# ruff: noqa: RUF001 - look-alike characters are what is tested
from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.elicit.reply_text import ReplyText


def test_characters_that_stand_for_ascii_are_made_equal():
    assert ReplyText.of("（Ａ）　７５％：").clean == "(A) 75%:"
    assert ReplyText.of("𝐀 Ⓐ ٧ ७ — “x” ’").clean == 'A A 7 7 - "x" \''
    assert ReplyText.of("【A】").clean == "[A]"


def test_look_alikes_superscripts_and_accents_stay_what_they_are():
    assert ReplyText.of("А 7² ½ Á").clean == "А 7² ½ Á"


def test_thinking_is_blanked_whatever_its_tags():
    assert ReplyText.of("<think>A</think>B").clean.strip() == "B"
    assert ReplyText.of("A</think>B").clean.strip() == "B"
    assert ReplyText.of("<think>A<think>B</think>C</think>D").clean.strip() == "D"
    assert ReplyText.of("<think>A").cut_in_thought
    assert ReplyText.of("x<THINKING>A</THINKING>").clean.strip() == "x"


def test_turn_tokens_and_markdown_are_blanked():
    assert ReplyText.of("**A**<|im_end|>").clean.split() == ["A"]
    assert ReplyText.of("`A`</s>").clean.split() == ["A"]


@given(st.text(st.characters(), max_size=200))
@settings(max_examples=200, deadline=None)
def test_the_length_never_changes_and_ascii_is_lowered(text: str):
    reply = ReplyText.of(text)
    assert len(reply.clean) == len(reply.lower) == len(text)
    assert all(a.lower() == b for a, b in zip(reply.clean, reply.lower, strict=True) if a.isascii())


@given(st.text(st.characters(max_codepoint=0x1FFFF), max_size=60))
@settings(max_examples=200, deadline=None)
def test_every_decimal_digit_reads_as_its_value(text: str):
    for raw, clean in zip(text, ReplyText.of(text).clean, strict=True):
        if unicodedata.category(raw) == "Nd" and "<" not in text:
            assert clean == str(unicodedata.decimal(raw))

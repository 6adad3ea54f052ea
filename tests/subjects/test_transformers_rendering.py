from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from doxa.errors import InputError
from doxa.subjects.base import Message, Tool, ToolCall, assistant, system, user
from doxa.subjects.transformers_rendering import TEMPLATE_DATE, Renderer, read_tool_calls
from tests.subjects import tiny_models

TALK = (system("be brief"), user("hi"), assistant("hello"), user("is it true?"))


def test_the_chat_template_is_honoured_and_opened_for_the_answer():
    renderer = Renderer(tiny_models.tokenizer())
    assert renderer.text(TALK, opening="It is") == (
        "<s><|system|>be brief<|end|><|user|>hi<|end|><|assistant|>hello<|end|><|user|>is it true?<|end|>"
        "<|assistant|>It is"
    )
    (prompt,) = renderer.prompts([renderer.text(TALK)])
    assert list(prompt[:2]) == [0, 3]  # one <s>, as the template writes it


def test_plain_text_without_a_template():
    renderer = Renderer(tiny_models.tokenizer(template=None))
    assert renderer.text(TALK, opening="It is") == (
        "System: be brief\n\nUser: hi\n\nAssistant: hello\n\nUser: is it true?\n\nAssistant: It is"
    )
    assert renderer.text((user("a"),)) == "User: a\n\nAssistant:"
    verbatim = Renderer(tiny_models.tokenizer(), "verbatim")
    assert verbatim.text((user("a"), user("Answer:"))) == "a\n\nAnswer:"


def test_a_template_without_a_place_for_the_system_message_gets_it_in_front_of_the_user():
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + tiny_models.TEMPLATE
    )
    renderer = Renderer(tiny_models.tokenizer(template=template))
    assert renderer.text(TALK[:2]) == "<s><|user|>be brief\n\nhi<|end|><|assistant|>"
    with pytest.raises(InputError, match="refuses this conversation"):
        renderer.text((system("alone"),))


def test_a_template_cannot_ask_for_today():
    dated = (
        "{% if not date_string is defined %}{{ strftime_now('%d') }}{% else %}{{ date_string }}{% endif %}"
    )
    assert Renderer(tiny_models.tokenizer(template=dated)).text((user("a"),)) == TEMPLATE_DATE
    asked = "{{ strftime_now('%d %b') }}"
    assert Renderer(tiny_models.tokenizer(template=asked)).text((user("a"),)) == TEMPLATE_DATE


def test_options_are_tokens_of_their_own():
    renderer = Renderer(tiny_models.tokenizer())
    word = max(
        (token for token in renderer.tokenizer.get_vocab() if token.isalpha() and token.isascii()), key=len
    )
    joined = renderer.tokenizer(word, add_special_tokens=False)["input_ids"]
    split = [*renderer.prompts([word[:1]])[0], *renderer.option(word[1:])]
    assert len(joined) == 1, "the tokenizer merges across this border"
    assert len(split) >= 2, "the rule does not"
    with pytest.raises(InputError, match="no tokens"):
        renderer.option("")


def test_a_tokenizer_that_adds_a_space_does_not_add_it_to_an_option():
    letters = ["<unk>", "▁", "\n", *"abcdefgh"]
    core = Tokenizer(models.BPE({letter: k for k, letter in enumerate(letters)}, [], unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    core.decoder = decoders.Metaspace(prepend_scheme="always")
    renderer = Renderer(PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>"))
    assert [letters[k] for k in renderer.option("bed")] == ["b", "e", "d"]
    assert [letters[k] for k in renderer.option(" bed")] == ["▁", "b", "e", "d"]


def test_tools_reach_a_template_that_takes_them():
    template = tiny_models.TEMPLATE + "{% if tools %}{{ tools[0].function.name }}{% endif %}"
    renderer = Renderer(tiny_models.tokenizer(template=template))
    assert renderer.takes_tools
    assert renderer.text((user("a"),), tools=[Tool("vote", "votes", {})]).endswith("vote")
    assert not Renderer(tiny_models.tokenizer()).takes_tools


def test_tool_calls_are_read_or_left_as_text():
    call = '<tool_call>\n{"name": "vote", "arguments": {"for": "tax"}}\n</tool_call>'
    text = f'so {call} <tool_call>{{"name": 3}}</tool_call>'
    assert read_tool_calls(text) == (ToolCall("vote", {"for": "tax"}, id="call_0"),)
    assert read_tool_calls('<tool_call>{"name": "vote", "arguments": {</tool_call>') == ()
    assert read_tool_calls("<tool_call>" + "[" * 100_000 + "</tool_call>") == ()


@given(st.text(alphabet='<>/tool_cal{}":,[] ', max_size=200))
def test_reading_tool_calls_never_fails(text: str):
    read_tool_calls("<tool_call>" + text + "</tool_call>")


def test_tool_turns_are_written_in_the_common_form():
    template = "{% for m in messages %}{{ m | tojson }}{% endfor %}"
    renderer = Renderer(tiny_models.tokenizer(template=template))
    said = Message("assistant", "", tool_calls=(ToolCall("vote", {"for": "tax"}, "c1"),))
    text = renderer.text((user("a"), said, Message("tool", "done", tool_call_id="c1")))
    assert '"function": {"name": "vote", "arguments": {"for": "tax"}}' in text
    assert '"tool_call_id": "c1"' in text


def test_an_empty_conversation_is_refused():
    with pytest.raises(InputError, match="empty"):
        Renderer(tiny_models.tokenizer()).text(())

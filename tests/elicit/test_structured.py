from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from doxa.elicit.readers import Field, Found, Refusal, read_json, read_tool_call
from doxa.elicit.reply_text import ReplyText
from doxa.elicit.structured import CUT_JSON, NO_CALL, OTHER_TOOL
from doxa.errors import InputError
from doxa.subjects.base import Reply, ToolCall

SCHEMA = {"credence": Field("number", 0, 100), "answer": Field("string", choices=("A", "B"))}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.floats(0, 100),
    st.sampled_from("AB"),
    st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    st.booleans(),
)
@settings(deadline=None)
def test_every_object_is_read_back_whatever_else_is_in_it(
    credence: float, answer: str, more: dict, ascii_only: bool
):
    text = json.dumps({**more, "credence": credence, "answer": answer}, ensure_ascii=ascii_only)
    assume(not ReplyText.of(text).unsaid)  # a tag of thinking inside a string makes it unreadable, not wrong
    found = read_json(f"Here it is:\n```json\n{text}\n```", SCHEMA)
    assert isinstance(found, Found), found
    assert found.value == {"credence": credence, "answer": answer}


@given(st.integers(1, 40))
@settings(deadline=None)
def test_every_cut_object_is_none(length: int):
    text = '{"credence": 70, "answer": "A", "n": {"x": 1}}'
    assert not isinstance(read_json(text[:-length], SCHEMA), Found)


@given(JSON)
@settings(deadline=None)
def test_other_json_is_none(value: object):
    assert not isinstance(read_json(json.dumps(value), SCHEMA), Found)


def test_reasons():
    assert read_json('{"credence": 70', SCHEMA).reason == CUT_JSON
    assert (
        read_json('{"credence": 70, "answer": "C"}', SCHEMA).reason
        == "field 'answer' is not one of the choices"
    )
    assert read_json('{"answer": "A"}', SCHEMA).reason == "field 'credence' is missing"
    assert isinstance(read_json("I'm sorry, I cannot answer {that}.", SCHEMA), Refusal)
    with pytest.raises(InputError, match="at least one field"):
        read_json("{}", {})


def test_tool_calls():
    call = ToolCall("vote", {"side": "for"})

    def read(*calls: ToolCall, text: str = ""):
        return read_tool_call(Reply(text, tool_calls=calls), "vote", "side", ("for", "against"))

    assert read(call).value == "for"
    assert read(call, call).value == "for"
    assert not isinstance(read(call, ToolCall("vote", {"side": "against"})), Found)
    assert read(ToolCall("veto", {"side": "for"})).reason == OTHER_TOOL
    assert "not one of the choices" in read(ToolCall("vote", {"side": "FOR!"})).reason
    assert "is not a string" in read(ToolCall("vote", {})).reason
    assert read(text="I vote for.").reason == NO_CALL
    assert isinstance(read(text="I won't take a side."), Refusal)

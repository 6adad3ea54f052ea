from __future__ import annotations

import pytest

from doxa.protocols.kable import parse_answer
from doxa.protocols.kable.asking import read_reply
from doxa.subjects.base import Reply


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("So, the answer is (A)", "A"),
        ("so, the answer is: b.", "B"),
        ("**So, the answer is, (C).**", "C"),
        ("First I thought (A). So, the answer is (B).", "B"),
        ("So, the answer is (A). Wait. So, the answer is (C).", "C"),
        ("So, the answer is (A) or (B).", None),
        ("The question mentions Mary. (C)", "C"),
        ("Either (A) or (B).", None),
        ("Because it was said.\nA\n", "A"),
        ("He said that he does, therefore Yes.", "A"),
        ("Undeterminable", "C"),
        ("I cannot help with that", None),
        ("", None),
    ],
)
def test_reading_order_of_the_spec(text, letter):
    assert parse_answer(text) == letter


def test_a_refusal_and_a_fault_are_told_apart():
    assert read_reply(Reply("I'm sorry, but I can't answer that question.")).missing.startswith("refusal: ")
    assert read_reply(Reply("", finish="fault", fault="500")).missing == "fault: 500"
    assert read_reply(Reply("", finish="refusal")).missing.startswith("refusal: ")
    assert read_reply(Reply("hm")).missing.startswith("unparsed: ")
    assert read_reply(Reply("So, the answer is (B)")) == ("B", None)

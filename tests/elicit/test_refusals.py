from __future__ import annotations

import pytest

from doxa.elicit.refusals import is_refusal
from doxa.testing.malformed_replies import REFUSALS


@pytest.mark.parametrize("text", REFUSALS)
def test_declining_is_seen(text: str):
    assert is_refusal(text)
    assert is_refusal(f"**{text}**")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "James can't swim.",
        "Mary won't answer him.",
        "It cannot be determined.",
        "I don't know.",
        "I can see that it is true.",
        "I believe that James cannot choose.",
        "The answer is (A), which I will not change.",
        "I'd rather pick (A).",
        "Class as an art form does not matter.",
    ],
)
def test_what_does_not_decline_is_not_taken_for_it(text: str):
    assert not is_refusal(text)

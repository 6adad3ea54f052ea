"""The readers of replies, under one name: each is a total function of a text, see :mod:`doxa.elicit.reading`."""

from __future__ import annotations

from doxa.elicit.labels import read_choice, read_yes_no
from doxa.elicit.letters import read_letter, read_ranking
from doxa.elicit.numbers import read_number
from doxa.elicit.reading import Found, Reading, Refusal, Unparsed
from doxa.elicit.refusals import is_refusal
from doxa.elicit.structured import Field, read_json, read_tool_call

__all__ = [
    "Field",
    "Found",
    "Reading",
    "Refusal",
    "Unparsed",
    "is_refusal",
    "read_choice",
    "read_json",
    "read_letter",
    "read_number",
    "read_ranking",
    "read_tool_call",
    "read_yes_no",
]

"""Addresses are taken apart, and one that means nothing says what would."""

from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.subjects.addresses import form, parse_address


@pytest.mark.parametrize(
    ("address", "scheme", "name", "options", "model"),
    [
        ("planted:drifting?rate=0.2&jitter=0", "planted", "drifting", {"rate": "0.2", "jitter": "0"}, ""),
        ("hf:/a/b:c", "hf", "/a/b:c", {}, ""),
        ("http://host:8000/v1/#org/model", "http", "http://host:8000/v1", {}, "org/model"),
        ("ollama/gemma:2b", "http", "http://localhost:11434/v1", {}, "gemma:2b"),
        ("openai/gpt", "https", "https://api.openai.com/v1", {}, "gpt"),
    ],
)
def test_parts(address: str, scheme: str, name: str, options: dict[str, str], model: str) -> None:
    assert parse_address(address)[:4] == (scheme, name, options, model)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("planed:noise", "did you mean 'planted'"),
        ("opnai/gpt", "did you mean 'openai'"),
        ("xyz", r"begins with none of hf:, http:, .*planted:.* or openai/, .*; known: hf, "),
        ("planted:", "says no name"),
        ("planted:noise?p_yes", r"options are name=value, as in planted:noise\?option=1"),
        ("planted:noise?p_yes=1&p_yes=0", "gives an option twice"),
        ("http://host/v1", "name the model behind '#'"),
        ("http://me:secret@host/v1#m", "must not hold a user or key"),
    ],
)
def test_what_is_no_address(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        parse_address(address)
    assert "secret" not in str(told.value)


def test_forms_that_are_known_without_opening() -> None:
    assert form("planted:noise") == "micro"
    assert form("organism:leaning") == "micro"
    assert form("http://host/v1#m") == "published"

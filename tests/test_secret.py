from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import traceback
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import doxa.secret as secret_module
from doxa.canonical import canonical_json
from doxa.errors import InputError
from doxa.secret import ScrubbedOutput, Secret, from_environment, scrub, scrub_json, spellings


@pytest.fixture(autouse=True)
def _forget():
    """Leave no made-up secret behind: it would be scrubbed from the texts of later tests."""
    spellings, pattern = set(secret_module._spellings), secret_module._pattern
    yield
    secret_module._spellings.clear()
    secret_module._spellings.update(spellings)
    secret_module._pattern = pattern


CANARY = 'sk-canary/+"42"\\é=='


@dataclass
class Holder:
    key: Secret


def test_a_secret_never_shows_its_value():
    secret = Secret(CANARY)
    log = io.StringIO()
    logger = logging.Logger("canary")
    logger.addHandler(logging.StreamHandler(log))
    logger.error("key %s %r", secret, secret)
    try:
        raise ValueError(secret)
    except ValueError:
        raised = traceback.format_exc()
    shown = [
        str(secret),
        repr(secret),
        f"{secret:>9}",
        f"{secret!r}",
        str([secret]),
        str(Holder(secret)),
        raised,
    ]
    shown += [log.getvalue(), "%s" % secret, str(vars(Holder(secret))), str(dir(secret))]  # noqa: UP031
    for text in shown:
        assert "canary" not in text
    assert secret.reveal() == CANARY


def test_a_secret_has_no_form_on_disk():
    secret = Secret(CANARY)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(secret)
    with pytest.raises(InputError, match=r"\*\*\*: Secret has no JSON form"):
        canonical_json({"key": secret})  # pyright: ignore[reportArgumentType]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(Holder(secret), protocol)
    assert copy.deepcopy(Holder(secret)).key is secret
    assert copy.copy(secret) is secret


def test_scrubbing_finds_every_spelling():
    Secret(CANARY)
    for text in (
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        json.dumps(CANARY),
        repr(CANARY),
        f"a{CANARY}b",
    ):
        assert "canary" not in scrub(text)
    found = scrub_json({"headers": [{CANARY: f"Bearer {CANARY}"}], "n": 3, "none": None})
    assert found == {"headers": [{"***": "Bearer ***"}], "n": 3, "none": None}


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.text(), st.text())
def test_no_text_keeps_a_secret(value: str, before: str, after: str):
    secret = Secret(value)
    assert secret.reveal() not in scrub(before + value + after).replace("***", "\n")


def test_placeholders_are_not_blotted_out():
    Secret("EMPTY")
    assert scrub("the EMPTY set") == "the EMPTY set"


def test_the_environment_is_read_in_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FIRST_KEY", raising=False)
    monkeypatch.setenv("SECOND_KEY", " sk-second-canary\n")
    found = from_environment("FIRST_KEY", "SECOND_KEY")
    assert found is not None
    assert found.reveal() == "sk-second-canary"
    assert from_environment("FIRST_KEY") is None


@pytest.mark.parametrize("value", ["", "two\nlines-of-text", "nul\x00byte"])
def test_values_no_header_can_carry_are_refused_without_showing_them(value: str):
    with pytest.raises(InputError) as caught:
        Secret(value)
    assert value == "" or value not in str(caught.value)


def test_secrets_of_the_environment_are_known_without_being_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_SERVICE_API_KEY", CANARY)
    monkeypatch.setenv("SOME_SERVICE_URL", "http://localhost:8000")
    monkeypatch.setattr(secret_module, "_watched", False)
    assert scrub(f"at http://localhost:8000 with {CANARY}") == "at http://localhost:8000 with ***"
    assert CANARY in spellings()


def test_what_is_printed_holds_no_secret():
    Secret(CANARY)
    kept = io.StringIO()
    output = ScrubbedOutput(kept)
    print(f"the key is {CANARY}", file=output)
    output.writelines([CANARY, "\n"])
    assert kept.getvalue() == "the key is ***\n***\n"
    assert not output.isatty()

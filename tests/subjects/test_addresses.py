"""Addresses are taken apart, and one that means nothing says what would."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxa.errors import InputError
from doxa.subjects.addresses import form, identity, open_subject, parse_address
from doxa.subjects.base import Capability


@pytest.mark.parametrize(
    ("address", "scheme", "name", "options", "model"),
    [
        ("planted:drifting?rate=0.2&jitter=0", "planted", "drifting", {"rate": "0.2", "jitter": "0"}, ""),
        ("hf:/a/b:c", "hf", "/a/b:c", {}, ""),
        ("http://host:8000/v1/#org/model", "http", "http://host:8000/v1", {}, "org/model"),
        ("http://host/v1?scores=true#m", "http", "http://host/v1", {"scores": "true"}, "m"),
        ("openai/gpt?revision=2", "https", "https://api.openai.com/v1", {"revision": "2"}, "gpt"),
        ("ollama/gemma:2b", "http", "http://localhost:11434/v1", {}, "gemma:2b"),
        ("openai/gpt", "https", "https://api.openai.com/v1", {}, "gpt"),
        (
            "affect:first-order?alpha=0.5#planted:noise?p_yes=1",
            "affect",
            "first-order",
            {"alpha": "0.5"},
            "planted:noise?p_yes=1",
        ),
    ],
)
def test_parts(address: str, scheme: str, name: str, options: dict[str, str], model: str) -> None:
    assert parse_address(address)[:4] == (scheme, name, options, model)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("planed:noise", "did you mean 'planted'"),
        ("opnai/gpt", "did you mean 'openai'"),
        ("xyz", r"begins with none of affect:, hf:, .*planted:.* or openai/, .*; known: affect, "),
        ("planted:", "says no name"),
        ("affect:first-order", "name what is put around whom, as in affect:first-order#organism:sound"),
        ("affect:#planted:noise", "name what is put around whom"),
        ("affect:first-order#planed:noise", "did you mean 'planted'"),
        (
            "affect:first-order?alpha#http://host/v1?key=secret#m",
            "options are name=value, as in affect:first-order",
        ),
        ("planted:noise?p_yes", r"options are name=value, as in planted:noise\?option=1"),
        ("planted:noise?p_yes=1&p_yes=0", "gives an option twice"),
        ("http://host/v1", "name the model behind '#'"),
        ("http://me:secret@host/v1#m", "must not hold a user or key"),
        ("http://host/v1?secret#m", r"options are name=value, as in http://host/v1\?scores=true#m"),
    ],
)
def test_what_is_no_address(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        parse_address(address)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://host/v1?score=true#m", "no option 'score'; did you mean 'scores'"),
        ("http://host/v1?key=secret#m", "no option 'key'; known: "),
        ("http://host/v1?scores=secret#m", "scores must be true or false"),
        ("hf:org/name?revison=2", "no option 'revison'; did you mean 'revision'"),
        ("hf:.?revision=2", "is a folder, which has none"),
        ("organism:leaning?revision=2", "no option 'revision'"),
    ],
)
def test_what_is_no_option(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        identity(address)
    assert "secret" not in str(told.value)


def test_a_server_scores_where_its_address_says_so() -> None:
    assert Capability.SCORE in open_subject("http://host/v1?scores=true#m").capabilities
    assert Capability.SCORE not in open_subject("http://host/v1#m").capabilities
    address = "http://host/v1?scores=true&revision=2#m"
    assert open_subject(address).address == address


def test_a_revision_is_another_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert identity("http://host/v1?revision=2#m") != identity("http://host/v1#m")

    def snapshot(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        folder = tmp_path / str(revision)
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(f'{{"revision": "{revision}"}}')
        (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert (
        len({identity("hf:org/name"), identity("hf:org/name?revision=a"), identity("hf:org/name?revision=b")})
        == 3
    )


def test_forms_that_are_known_without_opening() -> None:
    assert form("planted:noise") == "micro"
    assert form("organism:leaning") == "micro"
    assert form("http://host/v1#m") == "published"

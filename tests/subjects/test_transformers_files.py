from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from doxa.errors import InputError, SubjectError
from doxa.subjects.transformers_files import files_digest, find_folder, form_of, identity_of
from tests.subjects import tiny_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("model"), doxa_form="micro")


def test_a_copy_has_the_same_identity_wherever_it_lies(folder: Path, tmp_path: Path):
    copy = shutil.copytree(folder, tmp_path / "with spaces")
    (copy / "README.md").write_text("a card changes no answer")
    assert identity_of(str(copy)) == identity_of(str(folder))
    assert identity_of(str(copy), dtype="bfloat16") != identity_of(str(folder))
    assert identity_of(str(copy), template="roles") != identity_of(str(folder))
    assert identity_of(str(copy), device="cuda") == identity_of(str(folder))


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja"],
)
def test_every_byte_that_can_change_an_answer_changes_the_identity(folder: Path, tmp_path: Path, name: str):
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = files_digest(copy)
    stat = (copy / name).stat()
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    os.utime(copy / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert files_digest(copy) != before


def test_form_is_read_from_the_config(folder: Path, tmp_path: Path):
    assert form_of(str(folder)) == "micro"
    (tmp_path / "config.json").write_text("{}")
    assert form_of(str(tmp_path)) == "published"
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(SubjectError, match="cannot be read"):
        form_of(str(tmp_path))


def test_a_folder_that_is_not_there_or_holds_no_model(tmp_path: Path):
    with pytest.raises(SubjectError, match="no such folder"):
        find_folder(str(tmp_path / "nothing"))
    with pytest.raises(SubjectError, match=r"no config\.json"):
        find_folder(str(tmp_path))


def test_a_hub_name_that_cannot_be_reached_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    def offline(*_args: Any, **_kwargs: Any) -> str:
        raise ConnectionError("no route\nsecond line")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(
        SubjectError, match=r"not reachable on the hub .*no route.*; check the name"
    ) as caught:
        find_folder("some-org/some-model")
    assert "second line" not in str(caught.value)


def test_a_hub_name_is_found_in_the_local_hub_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / commit
    shutil.copytree(folder, snapshot)
    (tmp_path / "models--org--tiny" / "refs").mkdir()
    (tmp_path / "models--org--tiny" / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    assert find_folder("org/tiny") == snapshot
    assert identity_of("org/tiny") == identity_of(str(folder))


def test_bad_options(folder: Path):
    with pytest.raises(InputError, match="float32"):
        identity_of(str(folder), dtype="float23")
    with pytest.raises(InputError, match="verbatim"):
        identity_of(str(folder), template="verbatum")

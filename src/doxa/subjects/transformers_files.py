"""A model's folder: found on disk or on the hub, and named by the content of its files. Nothing heavy is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal, get_args

from doxa.canonical import Json, digest
from doxa.errors import InputError, SubjectError, did_you_mean

SCHEMA = 1
"""Raised when rendering, tokenisation or decoding changes, so that older cached answers are not used."""

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Template = Literal["auto", "roles", "verbatim"]

ANSWER_FILES = (
    *("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"),
    *(
        "tokenizer*.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
    ),
    *("*.model", "*.tiktoken", "chat_template.*", "additional_chat_templates/*"),
)
"""Every file of a model folder that can change an answer."""

_FILE_DIGESTS: dict[tuple[int, int, int, int, int], str] = {}


def identity_of(
    path_or_name: str,
    *,
    dtype: str = "auto",
    device: str = "cpu",
    template: str = "auto",
    revision: str | None = None,
) -> str:
    """Return the identity of a model without loading it; the device is no part of it.

    Raises:
        InputError: an unknown dtype or template.
        SubjectError: the folder cannot be found or reached.
    """
    del device
    return identity(
        files_digest(find_folder(path_or_name, revision=revision)), dtype=dtype, template=template
    )


def identity(content: str, *, dtype: str, template: str) -> str:
    """Return the digest of everything that makes the answers of a model with this content."""
    check_dtype(dtype)
    if template not in get_args(Template):
        raise InputError(f"template={template!r}: {did_you_mean(template, get_args(Template))}")
    parts: Json = {
        "kind": "transformers",
        "schema": SCHEMA,
        "content": content,
        "dtype": dtype,
        "template": template,
    }
    return digest(parts)


def form_of(path_or_name: str, *, revision: str | None = None) -> Literal["micro", "published"]:
    """Return ``micro`` where the folder's config.json says ``"doxa_form": "micro"``, without loading the model."""
    path = find_folder(path_or_name, revision=revision) / "config.json"
    try:
        config: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SubjectError(f"{path}: cannot be read ({first_line(error)})") from error
    return "micro" if isinstance(config, dict) and config.get("doxa_form") == "micro" else "published"


def check_dtype(dtype: str) -> None:
    """Raise InputError unless the dtype is known."""
    if dtype not in get_args(Dtype):
        raise InputError(f"dtype={dtype!r}: {did_you_mean(dtype, get_args(Dtype))}")


def find_folder(path_or_name: str, *, revision: str | None = None) -> Path:
    """Return the folder of a model: a path that exists, or the local snapshot of a hub name (fetched if needed).

    Raises:
        InputError: a revision of a folder was asked for; only names on the hub have one.
        SubjectError: there is no such folder, it holds no model, or the hub cannot be reached.
    """
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        if revision:
            raise InputError(
                f"revision={revision!r}: {path} is a folder, which has none; give its name on the hub, or leave it out"
            )
        if not (path / "config.json").is_file():
            raise SubjectError(f"{path}: no config.json; a model folder in transformers format has one")
        return path.resolve()
    if path.exists() or path_or_name.startswith(("/", ".", "~")) or path_or_name.count("/") > 1:
        raise SubjectError(
            f"{path}: no such folder; give a model folder in transformers format or a hub name"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path_or_name, revision=revision, allow_patterns=list(ANSWER_FILES)))
    except (OSError, ValueError, RuntimeError) as error:  # every error of the hub is one of these
        raise SubjectError(
            f"hf:{path_or_name}: not a folder, and not reachable on the hub ({first_line(error)}); "
            "check the name, or fetch the model and give its folder"
        ) from error


def files_digest(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files that can change an answer."""
    files = sorted({file for pattern in ANSWER_FILES for file in folder.glob(pattern) if file.is_file()})
    return digest([[file.relative_to(folder).as_posix(), _file_digest(file)] for file in files])


def _file_digest(path: Path) -> str:
    """Hash a file once per process; the change time cannot be set back, so a rewritten file is read again."""
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if key not in _FILE_DIGESTS:
        with path.open("rb") as file:
            _FILE_DIGESTS[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _FILE_DIGESTS[key]


def first_line(error: BaseException) -> str:
    """Return the type and first line of an error."""
    text = str(error).strip() or type(error).__name__
    return f"{type(error).__name__}: {text.splitlines()[0][:300]}"

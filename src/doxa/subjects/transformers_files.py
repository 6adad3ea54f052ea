"""A model's folder: found on disk or on the hub, and named by the content of its files. Nothing heavy is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal, get_args

from doxa.canonical import Json, digest
from doxa.errors import InputError, NoSubjectError, SubjectError, did_you_mean
from doxa.subjects.transformers_whole import check_whole, unreadable

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
        InputError: an unknown dtype or template; no such folder, or none that holds a whole model.
        SubjectError: the hub cannot be reached.
    """
    del device
    folder = find_folder(path_or_name, revision=revision)
    check_whole(folder)
    return identity(files_digest(folder), dtype=dtype, template=template)


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
        raise NoSubjectError(
            f"{path}: cannot be read ({first_line(error)}); fetch or copy the model again"
        ) from error
    return "micro" if isinstance(config, dict) and config.get("doxa_form") == "micro" else "published"


def check_dtype(dtype: str) -> None:
    """Raise InputError unless the dtype is known."""
    if dtype not in get_args(Dtype):
        raise InputError(f"dtype={dtype!r}: {did_you_mean(dtype, get_args(Dtype))}")


def find_folder(path_or_name: str, *, revision: str | None = None) -> Path:
    """Return the folder of a model: a path that exists, or the local snapshot of a hub name (fetched if needed).

    Raises:
        InputError: there is no such folder, it holds no model, or a revision of it was asked for, which only names on
            the hub have.
        SubjectError: the hub cannot be reached, or knows no such name.
    """
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        if revision:
            raise InputError(
                f"revision={revision!r}: {path} is a folder, which has none; give its name on the hub, or leave it out"
            )
        if not (path / "config.json").is_file():
            raise _no_model(path)
        return path.resolve()
    if path.exists() or path_or_name.startswith(("/", ".", "~")) or path_or_name.count("/") > 1:
        what = "is a file, not a folder" if path.is_file() else "no such folder"
        raise NoSubjectError(
            f"{path}: {what}; give a model folder in transformers format or a hub name (owner/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path_or_name, revision=revision, allow_patterns=list(ANSWER_FILES)))
    except (OSError, ValueError, RuntimeError) as error:  # every error of the hub is one of these
        raise SubjectError(
            f"hf:{path_or_name}: no folder here, and not reachable on the hub ({first_line(error)}); "
            "check the name and the network, or copy the model from another machine and give its folder"
        ) from error


def _no_model(path: Path) -> NoSubjectError:
    """Return the error that says why a folder is none of a model's."""
    try:
        held = sorted(file.name for file in path.iterdir())
    except OSError as error:
        return unreadable(path, error)
    if "adapter_config.json" in held:
        return NoSubjectError(
            f"{path}: holds an adapter, not a model; merge it into its base model and save that (peft: "
            "merge_and_unload)"
        )
    return NoSubjectError(
        f"{path}: no config.json; a model folder in transformers format has one (here: "
        f"{', '.join(held[:4]) or 'nothing'}{', ...' if len(held) > 4 else ''})"
    )


def files_digest(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files that can change an answer."""
    files = sorted({file for pattern in ANSWER_FILES for file in folder.glob(pattern) if file.is_file()})
    return digest([[file.relative_to(folder).as_posix(), _file_digest(file)] for file in files])


def _file_digest(path: Path) -> str:
    """Hash a file once per process; the change time cannot be set back, so a rewritten file is read again."""
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if key not in _FILE_DIGESTS:
        try:
            with path.open("rb") as file:
                _FILE_DIGESTS[key] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error
    return _FILE_DIGESTS[key]


def first_line(error: BaseException) -> str:
    """Return the type and first line of an error."""
    text = str(error).strip() or type(error).__name__
    return f"{type(error).__name__}: {text.splitlines()[0][:300]}"

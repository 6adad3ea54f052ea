"""Whether a model's folder can be read at all, found out from its files before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from doxa.errors import NoSubjectError

_LENGTH_BYTES = 8
"""Before the header of a safetensors file stands its length, as a little-endian integer."""
_LONGEST_HEADER = 100_000_000
"""What the format allows, in bytes."""


def check_whole(folder: Path) -> None:
    """Look whether the configuration and every file of weights are there, may be read, and are not cut off.

    Raises:
        NoSubjectError: one is not; the message names the file and what to do.
    """
    _json(folder / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    for index in sorted(folder.glob("*.safetensors.index.json")):
        named = _json(index).get("weight_map", {})
        lacking = sorted(
            {str(name) for name in cast(dict[str, Any], named).values()} - {w.name for w in weights}
        )
        if lacking:
            raise NoSubjectError(
                f"{folder}: {len(lacking)} files of weights are missing, first {lacking[0]}; fetch or copy it again"
            )
    if not weights:
        raise NoSubjectError(
            f"{folder}: no *.safetensors; pickled weights are not loaded, so save the model anew with "
            "model.save_pretrained(FOLDER)"
        )
    for file in weights:
        _check_weights(file)


def has_chat_template(folder: Path) -> bool:
    """Return whether a model's tokenizer says how a conversation is written."""
    if any(folder.glob("chat_template.*")) or any(folder.glob("additional_chat_templates/*")):
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and bool(_json(path).get("chat_template"))


def unreadable(path: Path, error: OSError) -> NoSubjectError:
    """Return the error that says why a file of a model cannot be read."""
    return NoSubjectError(
        f"{path}: cannot be read ({error.strerror or error}); give yourself the right to read it (chmod -R u+rX), "
        "or copy the model again"
    )


def _check_weights(file: Path) -> None:
    """Raise NoSubjectError unless a safetensors file is as long as its header says."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
            header = opened.read(length) if length <= min(size, _LONGEST_HEADER) else b""
    except OSError as error:
        raise unreadable(file, error) from error
    try:
        tensors: dict[str, Any] = json.loads(header)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        expected = _LENGTH_BYTES + length + max(ends, default=0)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NoSubjectError(
            f"{file}: no safetensors file, or cut off within its header ({size:,} bytes); fetch or copy it again"
        ) from None
    if size != expected:
        raise NoSubjectError(
            f"{file}: has {size:,} bytes where its header says {expected:,}; it was cut off on the way, so fetch or "
            "copy it again"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise NoSubjectError(f"{path}: cannot be read (no JSON: {error}); fetch or copy it again") from error
    if not isinstance(value, dict):
        raise NoSubjectError(f"{path}: cannot be read (no JSON object); fetch or copy it again")
    return cast(dict[str, Any], value)

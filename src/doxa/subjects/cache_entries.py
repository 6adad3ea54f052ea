"""Entries of the journal as they lie on disk: JSON text with schema and checksum, trusted only when both are right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from doxa.canonical import Json, digest
from doxa.secret import scrub_json

SCHEMA = 1
"""Schema of requests and values; entries of another one are not served."""


class Lookup(NamedTuple):
    """What stands under a key: a value that may be served, or why there is none."""

    value: Json
    problem: str
    seen: tuple[Any, Any] | None = None


def as_text(value: Json) -> str:
    """Return JSON in ASCII, so that any text fits, without secrets."""
    return json.dumps(scrub_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def checksum_of(key: str, value: str) -> str:
    """Return what binds a value to its key and schema."""
    return digest(["answer", SCHEMA, key, value])


def checked(key: str, row: tuple[Any, Any, Any] | None) -> Lookup:
    """Judge a row as it came from the file; nothing in it is trusted."""
    if row is None:
        return Lookup(None, "")
    schema, value, checksum = row
    seen = (value, checksum)
    if schema != SCHEMA:
        return Lookup(None, f"the stored answer has schema {schema!r}, this version reads {SCHEMA}", seen)
    if not isinstance(value, str) or not isinstance(checksum, str):
        return Lookup(None, "the stored answer is not text", seen)
    if checksum != checksum_of(key, value):
        return Lookup(None, "the stored answer does not match its checksum", seen)
    try:
        return Lookup(json.loads(value), "", seen)
    except (ValueError, RecursionError):
        return Lookup(None, "the stored answer is not JSON", seen)


def loaded(text: object) -> Mapping[str, Json]:
    """Return a stored request; one that cannot be read stands for itself by its digest."""
    try:
        parsed: object = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        parsed = None
    return (
        cast(dict[str, Json], parsed)
        if isinstance(parsed, dict)
        else {"unreadable": hashlib.sha256(repr(text).encode()).hexdigest()}
    )

"""Entries of the journal as they lie on disk: JSON text with schema and checksum, trusted only when both are right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from pydantic_core import from_json

from doxa.canonical import Json
from doxa.secret import scrub, scrub_json

SCHEMA = 1
"""Schema of requests and values; entries of another one are not served."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Lookup(NamedTuple):
    """What stands under a key: a value that may be served, or why there is none."""

    value: Json
    problem: str
    seen: tuple[Any, Any] | None = None


NOTHING = Lookup(None, "")
"""What stands under a key that was never answered."""


def as_text(value: Json) -> str:
    """Return JSON in ASCII, so that any text fits, without secrets."""
    return _ENCODER.encode(scrub_json(value))


def storable(text: str) -> str:
    """Return canonical JSON as the file holds it: in ASCII, without secrets."""
    return text if text.isascii() and scrub(text) == text else as_text(json.loads(text))


def checksum_of(key: str, value: str) -> str:
    """Return what binds a value to its key and schema; a key has always 64 digits, so that nothing can shift."""
    bound = f"doxa answer {SCHEMA} {key} {value}"
    return hashlib.sha256(bound.encode("utf-8", "surrogatepass")).hexdigest()


def checked(key: str, schema: object, value: object, checksum: object) -> Lookup:
    """Judge an entry as it came from the file; nothing in it is trusted."""
    seen = (value, checksum)
    if schema != SCHEMA:
        return Lookup(None, f"the stored answer has schema {schema!r}, this version reads {SCHEMA}", seen)
    if not isinstance(value, str) or not isinstance(checksum, str):
        return Lookup(None, "the stored answer is not text", seen)
    if checksum != checksum_of(key, value):
        return Lookup(None, "the stored answer does not match its checksum", seen)
    try:
        return Lookup(parsed(value), "", seen)
    except (ValueError, RecursionError):
        return Lookup(None, "the stored answer is not JSON", seen)


def parsed(text: str) -> Json:
    """Return the value of a JSON text.

    Raises:
        ValueError, RecursionError: it is not JSON, or nested too deeply.
    """
    try:
        return from_json(text)  # two to three times as fast as json.loads on a reply
    except ValueError:
        return json.loads(text)  # which also takes half a surrogate pair


def loaded(text: object) -> Mapping[str, Json]:
    """Return a stored request; one that cannot be read stands for itself by its digest."""
    try:
        value: object = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    return (
        cast(dict[str, Json], value)
        if isinstance(value, dict)
        else {"unreadable": hashlib.sha256(repr(text).encode()).hexdigest()}
    )

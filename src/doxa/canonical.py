"""Canonical JSON and digests: equal inputs have equal bytes, in any order of keys and any process."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from doxa.errors import InputError

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
else:
    Json = Any  # checkers of annotations at run time cannot follow a recursive alias


def canonical_json(value: Json) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no non-finite numbers.

    Raises:
        InputError: a key is not a string, a number is not finite, or a type has no JSON form.

    >>> canonical_json({"b": 1, "a": [True, None, 0.5]})
    '{"a":[true,null,0.5],"b":1}'
    """
    _check(value, "$")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Json, *, length: int = 64) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _check(value: object, path: str) -> None:
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{path}={value!r}: JSON holds finite numbers only; store a reason instead")
        return
    if isinstance(value, Mapping):
        for key, inner in cast(Mapping[object, object], value).items():
            if not isinstance(key, str):
                raise InputError(f"{path}: key {key!r} is not a string; use string keys")
            _check(inner, f"{path}.{key}")
        return
    if isinstance(value, list | tuple):
        for index, inner in enumerate(cast(Sequence[object], value)):
            _check(inner, f"{path}[{index}]")
        return
    raise InputError(
        f"{path}={value!r}: {type(value).__name__} has no JSON form; use str, number, list or dict"
    )

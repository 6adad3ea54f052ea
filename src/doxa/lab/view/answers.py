"""JSON as browsers read it: numbers that are not finite, or too large for a browser, as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

EXACT = 2**53
"""Whole numbers up to here are exact in a browser."""


def answer(value: object) -> bytes:
    """Return a value as JSON in ASCII; infinity is ``"Infinity"``, as ``Number`` of a browser reads it."""
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: object) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -EXACT <= value <= EXACT else str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in cast(Mapping[Any, object], value).items()}
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in cast(Sequence[object], value)]
    return str(value)

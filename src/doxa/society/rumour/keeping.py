"""A simulated day as JSON, so that a killed run goes on from it: arrays in base 64, strings by their places."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from doxa.canonical import Json


def write_day(day: Any) -> dict[str, Json]:
    """Return the columns of a day by name."""
    return {name: _written(column) for name, column in zip(day._fields, day, strict=True)}


def read_day(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the columns as they were written."""
    return {name: _read(column) for name, column in kept.items()}


def _written(column: Any) -> Json:
    if not isinstance(column, np.ndarray):
        return column
    shape: list[Json] = list(column.shape)
    if column.dtype == object:
        filled: list[Json] = [[place, text] for place, text in enumerate(column.ravel().tolist()) if text]
        return {"shape": shape, "strings": filled}
    packed = base64.b64encode(np.ascontiguousarray(column).tobytes()).decode()
    return {"shape": shape, "kind": column.dtype.str, "bytes": packed}


def _read(kept: Any) -> Any:
    if not isinstance(kept, dict):
        return kept
    shape = tuple(kept["shape"])
    if "strings" in kept:
        column = np.full(int(np.prod(shape)), "", dtype=object)
        for place, text in kept["strings"]:
            column[place] = text
        return column.reshape(shape)
    flat = np.frombuffer(base64.b64decode(kept["bytes"]), dtype=np.dtype(kept["kind"]))
    return flat.reshape(shape).copy()

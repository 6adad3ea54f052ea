"""Rows of doxa's tables as plain JSON inside a foreign log, and back without loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import polars as pl

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.record import SCHEMAS, Tables
from doxa.secret import scrub_json

SCHEMA = 1
"""Version of the rows; others are refused, never misread."""

_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def to_plain(frame: pl.DataFrame) -> list[dict[str, Json]]:
    """Return the rows of a table; numbers that JSON does not know become texts, known secrets become ``***``."""
    return [
        cast(dict[str, Json], scrub_json({name: _plain(value) for name, value in row.items()}))
        for row in frame.iter_rows(named=True)
    ]


def from_plain(name: str, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return a table of the record from rows that :func:`to_plain` made.

    Raises:
        InputError: a row has other columns, or a value of another type.
    """
    schema = SCHEMAS[name]
    numbers = {column for column, kind in schema.items() if kind == pl.Float64()}
    read = [
        {
            column: _NOT_FINITE.get(value, value) if column in numbers else value
            for column, value in row.items()
        }
        for row in rows
    ]
    if any(set(row) != set(schema) for row in read):
        raise InputError(f"the log's rows of '{name}' do not have the columns of the record")
    try:
        return pl.DataFrame(read, schema=schema)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the log's rows of '{name}' cannot be read: {error}") from error


def tables_from_plain(rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> Tables:
    """Return the three tables of rows kept by name."""
    return Tables(*(from_plain(name, rows.get(name, ())) for name in Tables._fields))


def _plain(value: Any) -> Json:
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value

"""The numbers of a figure: plain rows of a few columns, short and finite."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl

from doxa.canonical import Json
from doxa.errors import InputError

Rows: TypeAlias = pl.DataFrame | Sequence[Mapping[str, Any]]
"""A frame or a list of rows."""

Line: TypeAlias = dict[str, Json]


def lines_of(rows: Rows, *columns: str | None) -> list[Line]:
    """Return plain rows of the columns named, in their order; None names no column.

    Numbers keep six significant digits; NaN and infinities become None.

    Raises:
        InputError: no row has a column, or its name cannot stand in a specification.

    """
    wanted = [column for column in dict.fromkeys(columns) if column]
    for column in wanted:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ -]*", column):
            raise InputError(
                f"column {column!r}: a figure's column is named with letters, digits, '_', '-' or ' '"
            )
    lines = rows.to_dicts() if isinstance(rows, pl.DataFrame) else rows
    for column in wanted:
        if lines and not any(column in line for line in lines):
            raise InputError(f"column {column!r}: the rows have {', '.join(lines[0])}; name one of these")
    return [{column: _plain(line.get(column)) for column in wanted} for line in lines]


def numbers_of(lines: Sequence[Line], *columns: str | None) -> list[float]:
    """Return all numbers of some columns, without the missing ones."""
    values = [line[column] for column in columns if column for line in lines]
    return [float(value) for value in values if isinstance(value, int | float)]


def names_of(lines: Sequence[Line], column: str) -> list[str]:
    """Return the distinct names of a column in the order they appear."""
    return list(dict.fromkeys(str(line[column]) for line in lines))


def short(number: float) -> float | None:
    """Return a number with six significant digits; None if it is not finite."""
    return float(f"{number:.6g}") if math.isfinite(number) else None


def _plain(value: Any) -> Json:
    if value is None or isinstance(value, str | bool | int):
        return value
    return short(float(value))

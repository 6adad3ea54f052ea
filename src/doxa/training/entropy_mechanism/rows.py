"""Rows of the record by measure, with what stands in ``extra`` as columns."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from doxa.lab.record import Finding, Tables


def rows_of(tables: Tables, measure: str, **where: Any) -> list[dict[str, Any]]:
    """Return the rows of a measure, extras among their columns, where these have given values."""
    found: list[dict[str, Any]] = []
    for row in tables.measures.filter(pl.col("measure") == measure).iter_rows(named=True):
        flat = {**row, **json.loads(row["extra"])}
        if all(flat.get(name) == value for name, value in where.items()):
            found.append(flat)
    return found


def number(tables: Tables, measure: str, **where: Any) -> dict[str, Any]:
    """Return the one row of a measure, an empty one where it was not computed in this run."""
    rows = rows_of(tables, measure, **where)
    return rows[0] if rows else {"value": None, "missing": "not computed in this run"}


def judged(row: dict[str, Any], name: str, claim: str, **rest: Any) -> Finding:
    """Return the finding that a recorded number with its interval (``low``, ``high``) lies within bounds."""
    ends = (row["low"], row["high"]) if row.get("low") is not None else None
    note = "; ".join(part for part in (str(row.get("missing", "")), rest.pop("note", "")) if part)
    if ends is None and not note:
        note = "it holds no chance, or one run has no interval"
    return Finding.judged(name, claim, row["value"], ends, note=note, **rest)

"""What a study measured, as findings and figures read it: rows of a measure, a number for each seed, exact numbers."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units


def rows_of(tables: Tables, measure: str, **where: Any) -> pl.DataFrame:
    """Return the rows of a measure with what stands in ``extra`` as columns, where these have given values."""
    rows = tables.measures.filter(pl.col("measure") == measure)
    texts = rows["extra"].to_list()
    decoded = {text: json.loads(text) for text in dict.fromkeys(texts)}  # many rows say the same
    extras = [decoded[text] for text in texts]
    for name in dict.fromkeys(key for extra in decoded.values() for key in extra):
        rows = rows.with_columns(pl.Series(name, [extra.get(name) for extra in extras], strict=False))
    for name, value in where.items():
        if name not in rows.columns:
            return rows.clear()
        rows = rows.filter(pl.col(name) == value)
    return rows


def units(tables: Tables, measure: str, **where: Any) -> Units:
    """Return one number for each seed; several rows of a seed are averaged."""
    rows = rows_of(tables, measure, **where)
    means = rows.group_by("seed", maintain_order=True).agg(pl.col("value").mean())
    return Units(dict(zip(means["seed"].to_list(), means["value"].to_list(), strict=True)))


def number(name: str, claim: str, value: float | None, **rest: Any) -> Finding:
    """Return a finding about a number that holds no chance: its interval has no width."""
    note = rest.pop("note", "")
    note = note if value is not None else f"not computed in this run; {note}".strip("; ")
    return Finding.judged(name, claim, value, None if value is None else (value, value), note=note, **rest)

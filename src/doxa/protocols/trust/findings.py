"""Rows of the record as findings: an interval by its name, and the finding that is judged by it."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.belief.inference import Interval
from doxa.lab.record import Finding


def interval_of(frame: pl.DataFrame, measure: str, **where: str) -> Interval:
    """Return the first row of a measure as an estimate with its interval; NaN where nothing was measured."""
    rows = frame.filter(measure=measure, **where).drop_nulls("value")
    if not rows.height:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    row = rows.row(0, named=True)
    nan = float("nan")
    low, high = (nan if row[end] is None else row[end] for end in ("low", "high"))
    return Interval(row["value"], low, high, row["n"] or 0)


def finding_of(name: str, claim: str, found: Interval, *, note: str = "", **rest: Any) -> Finding:
    """Return a finding; its note also says why it has no number or no interval."""
    known = found.n > 0 and found.estimate == found.estimate
    why = (
        "" if found.ends and known else ("no interval" if known else "not measured, or nothing could be read")
    )
    told = "; ".join(part for part in (note, why) if part)
    estimate = found.estimate if known else None
    return Finding.judged(name, claim, estimate, found.ends, n=found.n, note=told, **rest)

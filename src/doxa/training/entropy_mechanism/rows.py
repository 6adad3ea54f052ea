"""Recorded numbers as findings: a row with its interval in ``low`` and ``high``."""

from __future__ import annotations

from typing import Any

from doxa.belief.inference import Interval
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Recorder, Tables


def put(recorder: Recorder, measure: str, value: Interval, subject: str, **about: Any) -> None:
    """Record a number with its interval, if it has one."""
    low, high = value.ends or (None, None)
    recorder.measure(
        measure, value.estimate, subject=subject, low=low, high=high, missing="undefined", **about
    )


def number(tables: Tables, measure: str, **where: Any) -> dict[str, Any]:
    """Return the first row of a measure, an empty one where it was not computed in this run."""
    rows = rows_of(tables, measure, **where)
    return rows.row(0, named=True) if rows.height else {"value": None, "missing": "not computed in this run"}


def judged(row: dict[str, Any], name: str, claim: str, **rest: Any) -> Finding:
    """Return the finding that a recorded number lies within bounds."""
    ends = (row["low"], row["high"]) if row.get("low") is not None else None
    why = "" if row["value"] is not None else str(row.get("missing", ""))
    note = "; ".join(part for part in (why, str(rest.pop("note", ""))) if part)
    if ends is None and not note:
        note = "one number of one run has no interval"
    return Finding.judged(name, claim, row["value"], ends, note=note, **rest)

"""What a battery's record says: findings and figures of the published form."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from doxa.lab.figures import Figure, curves
from doxa.lab.record import Finding, Tables, judge
from doxa.protocols.context_drift.outcomes import table_figure

KINDS = ("stated", "behavioural")


def published_findings(
    tables: Tables, ways: Sequence[str], *, noise_points: float, paper: Callable[[str, str], float | None]
) -> list[Finding]:
    """Judge each way of growing the context at its longest, net of the noise floor, item by item.

    Args:
        tables: the record.
        ways: which ways to judge, in this order; a balanced reading is the control.
        noise_points: the control's bound, in percentage points of net shift.
        paper: returns the paper's number for a way and a kind of answer, or None.
    """
    out: list[Finding] = []
    for way in ways:
        for kind in KINDS:
            row = _longest(tables, way, f"net_shift/{kind}")
            if row is None:
                continue
            extra = json.loads(row["extra"])
            ends = (float(extra["low"]), float(extra["high"])) if "low" in extra else None
            control = way == "reading-balanced"
            out.append(
                Finding(
                    id=f"{way}-{kind}",
                    claim=f"{way} moves {kind} answers by less than {noise_points:g} points"
                    if control
                    else f"{way} moves {kind} answers beyond the noise floor",
                    estimate=row["value"],
                    interval=ends,
                    verdict=judge(ends, above=-noise_points, below=noise_points)
                    if control
                    else judge(ends, above=0.0),
                    unit="percentage points",
                    control=control,
                    paper=None if control else paper(way, kind),
                    n=int(extra.get("n", 0)),
                    note=_note(tables, way, kind, row),
                )
            )
    return out


def published_figures(tables: Tables, ways: Sequence[str]) -> list[Figure]:
    """Draw a subject's shifts over length, one figure per way, and belief by behaviour."""
    drawn: list[Figure] = []
    for way in ways:
        rows = [
            row
            for name, label in (("shift", "shift"), ("floor", "noise floor"), ("net_shift", "net shift"))
            for kind in KINDS
            for row in _rows(tables, way, f"{name}/{kind}", f"{kind}, {label}")
        ]
        if rows:
            drawn.append(
                curves(
                    f"shift-{way}",
                    f"{way}: how many answers move",
                    "Percentage of readable items whose answer changed, over the length of the context (rounds, words "
                    "or tool calls). Bands of the net shift are 95 % paired bootstrap intervals over items.",
                    rows,
                    low="low",
                    high="high",
                    group="who",
                    x_title="length",
                    value_title="%",
                )
            )
    return (
        [*drawn, table_figure(tables, "items", "at the longest context, all ways together")] if drawn else []
    )


def _rows(tables: Tables, way: str, measure: str, who: str) -> list[dict[str, Any]]:
    found = tables.measures.filter(pl.col("condition") == way, pl.col("measure") == measure).sort("time")
    rows: list[dict[str, Any]] = []
    for row in found.iter_rows(named=True):
        extra, value = json.loads(row["extra"]), row["value"]
        ends = {"low": extra.get("low", value), "high": extra.get("high", value)}
        rows.append({"time": row["time"], "who": who, "value": value, **ends})
    return rows


def _longest(tables: Tables, way: str, measure: str) -> dict[str, Any] | None:
    """Return the row of a measure at the longest context of a way, or None."""
    rows = tables.measures.filter(pl.col("condition") == way, pl.col("measure") == measure).sort("time")
    return rows.row(-1, named=True) if rows.height else None


def _note(tables: Tables, way: str, kind: str, row: dict[str, Any]) -> str:
    """Return the numbers beside a net shift: raw shift, floor, direction, refusals, skipped items, or why none."""
    parts = [f"at length {row['time']:g}"]
    if row["value"] is None:
        parts.append(json.loads(row["extra"])["missing"])
    names = ("shift", "floor", "directional", "answer_to_refusal", "missing_before", "missing_after")
    for name, measure in (*((name, f"{name}/{kind}") for name in names), ("skipped", "skipped")):
        found = _longest(tables, way, measure)
        if found is not None and found["value"] is not None:
            parts.append(f"{name.replace('_', ' ')} {found['value']:.3g}")
    return "; ".join(parts)

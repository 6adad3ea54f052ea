"""What the study found: each claim with its number, its interval drawn to scale, and the paper's number."""

from __future__ import annotations

from typing import Any, cast

from doxa.canonical import Json
from doxa.lab.report.numbers import shared_scales, shown, with_interval
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.run_data import RunData


def _data(run: RunData, _query: Query) -> Json:
    found = run.findings()
    scales = shared_scales(
        [(one["unit"], (one["estimate"], *(one["interval"] or ()), one["paper"])) for one in found]
    )
    rows: list[dict[str, Any]] = []
    for one, scale in zip(found, scales, strict=True):
        number, ends = with_interval(one["estimate"], tuple(one["interval"]) if one["interval"] else None)
        written = {"number": number, "ends": ends, "paper_number": shown(one["paper"])}
        rows.append({**one, **written, "scale": [scale.low, scale.high]})
    return {"findings": cast(Json, rows)}


PANEL = Panel("findings", "Findings", _data, place=10)

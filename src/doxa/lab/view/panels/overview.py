"""What a run is: its state, tally, command, config, versions and machine."""

from __future__ import annotations

import dataclasses
from typing import cast

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.asking import spending_text, spent_on
from doxa.lab.record import SCHEMAS
from doxa.lab.study_page import provenance
from doxa.lab.view.flight import errors
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.run_data import RunData
from doxa.lab.view.run_list import entry_of


def _data(run: RunData, query: Query) -> Json:
    part = query.get("part", "")
    if part not in ("", "flight"):
        raise InputError(f"part={part!r}: must be flight, or left out")
    now: dict[str, Json] = {
        "entry": cast(Json, dataclasses.asdict(entry_of(run.path))),
        "errors": cast(Json, errors(run.path)),
    }
    if part:
        return now
    manifest = run.manifest
    cells = run.cells()
    return {
        **now,
        "paper": manifest.get("paper", ""),
        "command": manifest["command"],
        "finished": manifest.get("finished", ""),
        "conditions": sorted({cell.condition for cell in cells}),
        "seeds": len({cell.seed for cell in cells}),
        "rows": {name: sum(cell.rows[name] for cell in cells) for name in SCHEMAS},
        "asked": {address: spending_text(spent) for address, spent in spent_on(manifest).items()},
        "config": manifest["config"],
        "provenance": {fact.label: fact.value for fact in provenance(manifest)},
        "damaged": run.damaged(),
    }


PANEL = Panel("overview", "Overview", _data, place=0)

"""The list of runs."""

from __future__ import annotations

import dataclasses
from typing import cast

from doxa.canonical import Json
from doxa.lab.view.pages import Page
from doxa.lab.view.panels import Query
from doxa.lab.view.run_list import Runs


def _data(runs: Runs, _query: Query) -> Json:
    entries = [cast(Json, dataclasses.asdict(entry)) for entry in runs.entries()]
    return {"folder": runs.label, "runs": entries, "unnamed": runs.unnamed()}


PAGE = Page("runs", "Runs", "/", _data, place=0)

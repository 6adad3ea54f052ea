"""The run's figures, each drawn so that it can be pointed at, zoomed and saved."""

from __future__ import annotations

from collections.abc import Iterable

from doxa.canonical import Json
from doxa.lab.figures import Figure
from doxa.lab.report.plots import drawable
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.run_data import RunData


def _data(run: RunData, query: Query) -> Json:
    if "figure" not in query:
        return {"figures": run.figures()}
    name = query["figure"]
    held = run.figure(name)
    figure = Figure(name, held["title"], held["caption"], held["spec"])
    return {"title": figure.title, "caption": figure.caption, "spec": drawable(figure)}


def _applies(run: RunData) -> bool:
    return any(run.path.glob("figures/[!.]*.json"))


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    return [{}, *({"figure": name} for name in run.figures())]


PANEL = Panel("figures", "Figures", _data, _applies, _exported, place=20)

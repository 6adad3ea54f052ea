"""The picture of lines over an axis: means with bands, single seeds faint behind them, every point pointed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doxa.canonical import Json
from doxa.lab.figures.channels import Part, figure, group_channels, layer, quantity
from doxa.lab.figures.rows import Line, short
from doxa.lab.report.markup import visible

_LETTERS = 60
_SPARSE = 60

_TOLD = ("seeds", "rows", "missing", "endless")
_TELLING = {"endless": "infinite"}


def lines_picture(
    name: str,
    title: str,
    means: Sequence[Mapping[str, Any]],
    singles: Sequence[Mapping[str, Any]],
    *,
    group: str,
    known: Sequence[str],
    x_title: str,
    y_title: str,
    domain: tuple[float, float] | None,
    across: tuple[float, float] | None = None,
) -> dict[str, Json]:
    """Return title, size and Vega-Lite specification of one picture.

    Args:
        name: short name for saving.
        title: what is shown.
        means: rows of ``Series.means``, with a column ``group``.
        singles: rows of ``Series.singles``.
        group: the column that tells lines apart.
        known: all its values in their order, so that every picture gives them the same colours.
        x_title: what the axis counts.
        y_title: what is measured, with its unit.
        domain: ends of the upright axis; None fits the data.
        across: ends of the axis of time, the same for all pictures.
    """
    named = dict(zip(known, distinct(known), strict=True))
    told = list(named.values())
    lines = [{group: named[row[group]], **_mean(row)} for row in means]
    whole = all(row["time"] == round(row["time"]) for row in means)
    x: Part = {
        **quantity("time", x_title, across if across and across[0] < across[1] else None),
        "axis": {"grid": False, "tickCount": 6, "labelFlush": False, **({"tickMinStep": 1} if whole else {})},
    }
    y = quantity("mean", y_title, domain)
    place: Part = {"x": x, "y": y}
    band: Part = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    channels = {mark: group_channels(lines, group, mark=mark, known=told) for mark in ("area", "line", "dot")}
    faint: Part = {
        **place,
        "color": channels["line"]["color"],
        "detail": {"field": "seed", "type": "nominal"},
        "tooltip": [
            {"field": group, "type": "nominal"},
            {"field": "seed", "type": "nominal"},
            _number("time"),
            _number("mean"),
        ],
    }
    layers: list[Part] = []
    if singles:
        own: Part = {"values": [{group: named[row[group]], **_single(row)} for row in singles]}
        layers.append({"data": own, **layer("line", faint, strokeWidth=1, opacity=0.3, clip=True)})
    if any(line["low"] is not None for line in lines):
        layers.append(layer("area", {**band, **channels["area"]}, opacity=0.16, clip=True))
        # an area of one moment has no width; an upright rule shows its interval all the same
        if len({row["time"] for row in means}) == 1:
            layers.append(
                layer("rule", {**band, **channels["dot"]}, opacity=0.45, strokeWidth=1.5, clip=True)
            )
    layers.append(layer("line", {**place, **channels["line"]}, clip=True))
    pointed: list[Json] = [
        {"field": group, "type": "nominal"},
        *(_number(column) for column in ("time", "mean", "low", "high")),
        *({**_number(column), "format": ",", "title": _TELLING.get(column, column)} for column in _TOLD),
    ]
    size = 34 if len(lines) <= _SPARSE * max(len(told), 1) else 8
    dots = layer("point", {**place, **channels["dot"], "tooltip": pointed}, size=size)
    drawn = figure(name, title, "", [*layers, dots], lines, 260)
    return {"title": title, "name": name, "spec": dict(drawn.spec)}


def shown(value: object) -> str:
    """Return a name as it stands in a picture: without unseen characters, of at most 60 letters, not blank."""
    text = visible(str(value)).strip() or "(blank)"
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def distinct(values: Sequence[str]) -> list[str]:
    """Return names for values that stay different when they are shown: alike ones get their number."""
    names: list[str] = []
    for value in values:
        name = shown(value)
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def _single(row: Mapping[str, Any]) -> Line:
    return {"time": short(row["time"]), "mean": _short(row["mean"]), "seed": row["seed"]}


def _mean(row: Mapping[str, Any]) -> Line:
    line: Line = {"time": short(row["time"])}
    line |= {column: _short(row[column]) for column in ("mean", "low", "high")}
    return line | {column: row[column] for column in _TOLD}


def _short(number: float | None) -> float | None:
    return None if number is None else short(number)


def _number(column: str) -> Part:
    return {"field": column, "type": "quantitative", "format": ".4~g"}

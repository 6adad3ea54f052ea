"""Parts of a Vega-Lite specification that the charts share."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from doxa.canonical import Json
from doxa.lab.figures.figure import DASHES, PALETTE, THEME, Figure
from doxa.lab.figures.rows import Line, names_of, numbers_of

Part = dict[str, Json]

# names break into lines of at most 24 letters, so that they leave room for the marks on a narrow page
_LETTERS = 24
_WRAP = rf"split(replace(datum.label, regexp('(?!.{{0,{_LETTERS}}}$)(.{{1,{_LETTERS}}})\\s+', 'g'), '$1\n'), '\n')"

_DASHED: Part = {"strokeWidth": 1, "strokeDash": [4, 4], "opacity": 0.55, "color": "currentColor"}


def figure(
    name: str, title: str, caption: str, layers: Sequence[Part], lines: Sequence[Line], height_px: int
) -> Figure:
    """Return the layers as one figure as wide as its page, with its data, theme and spoken description."""
    return Figure(
        name,
        title,
        caption,
        {
            "description": f"{title}. {caption}",
            "width": "container",
            "height": height_px,
            "data": {"values": lines},
            "layer": layers,
            "config": THEME,
        },
    )


def layer(mark: str, encoding: Part, **properties: Json) -> Part:
    """Return one layer; channels that are None are left out."""
    return {
        "mark": {"type": mark, **properties},
        "encoding": {channel: value for channel, value in encoding.items() if value is not None},
    }


def quantity(
    column: str, title: str | None = None, domain: tuple[float, float] | None = None, **properties: Json
) -> Part:
    """Return a channel of numbers; without a domain the axis fits the data and need not show zero."""
    scale: Part = {"domain": domain, "nice": False} if domain else {"zero": False, "nice": True}
    axis: Part = {"tickCount": 5, "labelFlush": False}
    shown: Part = {"title": title or None, "scale": scale, "axis": axis}
    return {"field": column, "type": "quantitative", **shown, **properties}


def names(column: str) -> Part:
    """Return an upright axis of names in the order of the data."""
    axis: Part = {"labelExpr": _WRAP, "ticks": False, "grid": False, "labelOverlap": False}
    return {"field": column, "type": "nominal", "sort": None, "title": None, "axis": axis}


def heads(lines: Sequence[Line], column: str) -> Part:
    """Return an axis of column heads above the figure, aslant where they would collide at 400 px."""
    lying = sum(max(len(name), 5) for name in names_of(lines, column)) <= 36
    turn: Part = {"labelAngle": 0} if lying else {"labelAngle": -40, "labelAlign": "left"}
    axis: Part = {"orient": "top", "ticks": False, "labelOverlap": False, **turn}
    return {"field": column, "type": "nominal", "sort": None, "title": None, "axis": axis}


def group_channels(
    lines: Sequence[Line], group: str | None, *, mark: str, beside: bool = False, known: Sequence[str] = ()
) -> Part:
    """Return what tells groups apart: colour, and for ``mark`` "point" or "line" also shape or dashes.

    ``beside`` moves the groups of one name apart; ``known`` are all groups in their order, where some may be missing.
    """
    if group is None:
        return {"color": {"value": PALETTE[0]}}
    known = list(known) or names_of(lines, group)
    # 44 letters of legend fit on the narrowest page, 400 px
    columns = max(1, min(len(known), 44 // (max(map(len, known), default=1) + 4)))
    place: Part = {"field": group, "type": "nominal", "sort": None}
    legend: Part = {"columns": columns, "symbolOpacity": 1}
    if mark in ("line", "area", "dot"):
        legend |= {"symbolType": "stroke", "symbolSize": 260, "symbolStrokeWidth": 2.5}
    # with equal domains Vega-Lite makes one legend of colour, shape and dashes
    column: Part = {**place, "scale": {"domain": known}, "legend": legend}
    channels: Part = {"color": column}
    if mark == "point":
        channels["shape"] = column
    if mark == "line":
        channels["strokeDash"] = {**column, "scale": {"domain": known, "range": DASHES}}
    if beside:
        channels["yOffset"] = place
    return channels


def height_of(lines: Sequence[Line], label: str, row_px: int) -> int:
    """Return the height in pixels for all names of the upright axis; rows grow where a name takes several lines."""
    known = names_of(lines, label)
    tallest = max((len(textwrap.wrap(name, _LETTERS)) for name in known), default=1)
    return max(row_px, 15 * tallest + 6) * max(len(known), 1)


def pointed_at(lines: Sequence[Line], *columns: str | None) -> list[Part]:
    """Return the tooltip: the columns of the row under the pointer."""
    shown: list[Part] = []
    for column in dict.fromkeys(columns):
        if column and numbers_of(lines, column):
            shown.append({"field": column, "type": "quantitative", "format": ".4~g"})
        elif column:
            shown.append({"field": column, "type": "nominal"})
    return shown


def reference_lines(places: Mapping[str, float] | None, axis: str) -> list[Part]:
    """Return dashed lines across the figure with their names at the end; ``axis`` is the one they stand on."""
    layers: list[Part] = []
    once: Part = {"data": {"values": [{}]}}  # else each row of the data would draw the line again
    for text, place in (places or {}).items():
        at: Part = {axis: {"datum": float(place)}}
        where: Part = {"align": "left", "dx": 4, "y": 0, "dy": -7}
        if axis == "y":
            where = {"align": "right", "x": "width", "dy": -6}
        layers.append({**once, **layer("rule", at, **_DASHED)})
        layers.append({**once, **layer("text", at, text=text, fontSize=11, opacity=0.75, **where)})
    return layers


def shaded_spans(spans: Mapping[str, tuple[float, float]] | None) -> list[Part]:
    """Return shaded stretches of the axis of x, every other one darker, each with its name above it."""
    layers: list[Part] = []
    once: Part = {"data": {"values": [{}]}}
    for place, (text, (low, high)) in enumerate((spans or {}).items()):
        across: Part = {"x": {"datum": float(low)}, "x2": {"datum": float(high)}}
        shade = 0.1 if place % 2 else 0.04
        layers.append({**once, **layer("rect", across, color="currentColor", opacity=shade)})
        middle: Part = {"x": {"datum": (float(low) + float(high)) / 2.0}}
        layers.append({**once, **layer("text", middle, text=text, fontSize=11, opacity=0.75, y=0, dy=-7)})
    return layers

"""Parts of a Vega-Lite specification that the charts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from doxa.canonical import Json
from doxa.lab.figures.figure import DASHES, PALETTE, THEME, Figure
from doxa.lab.figures.rows import Line, names_of, numbers_of

Part = dict[str, Json]

# breaks a name into lines of 12 to 24 letters, so that it leaves room for the marks on a narrow page
_WRAP = r"split(replace(datum.label, regexp('(.{12,24}?)\\s+', 'g'), '$1\n'), '\n')"

_DASHED: Part = {"strokeWidth": 1, "strokeDash": [4, 4], "opacity": 0.55, "color": "currentColor"}


def figure(
    name: str, title: str, caption: str, layers: Sequence[Part], lines: Sequence[Line], height: Json
) -> Figure:
    """Return the layers as one figure as wide as its page, with its data, theme and spoken description."""
    return Figure(
        name,
        title,
        caption,
        {
            "description": f"{title}. {caption}",
            "width": "container",
            "height": height,
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
    return {"field": column, "type": "quantitative", "title": title or None, "scale": scale, **properties}


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


def group_channels(lines: Sequence[Line], group: str | None, *, mark: str, beside: bool = False) -> Part:
    """Return what tells groups apart: colour, and for ``mark`` "point" or "line" also shape or dashes.

    ``beside`` moves the groups of one name apart.
    """
    if group is None:
        return {"color": {"value": PALETTE[0]}}
    known = names_of(lines, group)
    # 44 letters of legend fit on the narrowest page, 400 px
    columns = max(1, min(len(known), 44 // (max(map(len, known), default=1) + 4)))
    column: Part = {"field": group, "type": "nominal", "sort": None}
    channels: Part = {"color": {**column, "legend": {"columns": columns}}}
    if mark == "point":
        channels["shape"] = column
    if mark == "line":
        channels["strokeDash"] = {**column, "scale": {"range": DASHES}}
    if beside:
        channels["yOffset"] = column
    return channels


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
    for text, place in (places or {}).items():
        at: Part = {axis: {"datum": float(place)}}
        where: Part = {"align": "left", "dx": 4, "y": 0, "dy": -7}
        if axis == "y":
            where = {"align": "right", "x": "width", "dy": -6}
        layers.append(layer("rule", at, **_DASHED))
        layers.append(layer("text", at, text=text, fontSize=11, opacity=0.75, **where))
    return layers

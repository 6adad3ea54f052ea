"""The charts that studies share. A study may also bring a specification of its own.

Arguments that all charts have in common:
    name, title, caption: the figure's id, what is shown, how to read it.
    rows: the data; names keep the order in which they first appear.
    label, x, value, low, high, group: columns of ``rows``; ``low`` and ``high`` are the ends of an interval,
        ``group`` sets marks apart by colour and shape.
    value_title, x_title, y_title: what an axis measures, with its unit.
    domain: ends of the axis of values; None fits the data.
    references: dashed lines, name to value, such as ``{"no drift": 0.0}``.
All raise InputError if a column is missing or its name cannot stand in a specification.
"""

from __future__ import annotations

from collections.abc import Mapping

from doxa.canonical import Json
from doxa.lab.figures.channels import (
    Part,
    figure,
    group_channels,
    heads,
    height_of,
    layer,
    names,
    pointed_at,
    quantity,
    reference_lines,
    shaded_spans,
)
from doxa.lab.figures.figure import PALETTE, Figure
from doxa.lab.figures.rows import Rows, lines_of, names_of, numbers_of, short


def intervals(
    name: str,
    title: str,
    caption: str,
    rows: Rows,
    *,
    label: str = "label",
    value: str = "value",
    low: str = "low",
    high: str = "high",
    group: str | None = None,
    value_title: str = "",
    domain: tuple[float, float] | None = None,
    references: Mapping[str, float] | None = None,
) -> Figure:
    """Draw one dot with its lying interval per row; groups share a name, one below the other."""
    lines = lines_of(rows, label, group, value, low, high)
    shared: Part = {"y": names(label), "tooltip": pointed_at(lines, label, group, value, low, high)}
    x = quantity(value, value_title, domain)
    rule = {"x": x, "x2": {"field": high}, **shared, **group_channels(lines, group, mark="rule", beside=True)}
    rule["x"] = {**x, "field": low}
    point = {"x": x, **shared, **group_channels(lines, group, mark="point", beside=True)}
    layers = [layer("rule", rule, opacity=0.55), layer("point", point)]
    height = height_of(lines, label, 26 if group is None else 14 * len(names_of(lines, group)) + 12)
    return figure(name, title, caption, [*reference_lines(references, "x"), *layers], lines, height)


def curves(
    name: str,
    title: str,
    caption: str,
    rows: Rows,
    *,
    x: str = "time",
    value: str = "value",
    low: str | None = None,
    high: str | None = None,
    group: str | None = None,
    x_title: str = "",
    value_title: str = "",
    domain: tuple[float, float] | None = None,
    log_x: bool = False,
    references: Mapping[str, float] | None = None,
    events: Mapping[str, float] | None = None,
    spans: Mapping[str, tuple[float, float]] | None = None,
    height_px: int = 280,
) -> Figure:
    """Draw lines over an axis, with bands where ``low`` and ``high`` are given; a missing value breaks its line.

    ``events`` are dashed upright lines, name to x; ``spans`` are shaded stretches, name to both ends in x; ``log_x``
    sets the axis of x in powers of ten.
    """
    lines = lines_of(rows, x, group, value, low, high)
    scale: Part = {"type": "log", "nice": False} if log_x else {"zero": False, "nice": False}
    across: Part = {**quantity(x, x_title), "scale": scale, "axis": {"grid": False, "tickCount": 6}}
    up = quantity(value, value_title, domain)
    layers = shaded_spans(spans) + reference_lines(references, "y") + reference_lines(events, "x")
    if low and high:
        band: Part = {"x": across, "y": {**up, "field": low}, "y2": {"field": high}}
        layers.append(layer("area", {**band, **group_channels(lines, group, mark="area")}, opacity=0.16))
    line: Part = {"x": across, "y": up}
    layers.append(layer("line", {**line, **group_channels(lines, group, mark="line")}))
    dot: Part = {**line, "tooltip": pointed_at(lines, x, group, value, low, high)}
    # many dots would hide the line; they stay, unseen, so that it can be pointed at
    size = 36 if len(lines) <= 90 else 0
    layers.append(layer("point", {**dot, **group_channels(lines, group, mark="dot")}, size=size))
    return figure(name, title, caption, layers, lines, height_px)


def heatmap(
    name: str,
    title: str,
    caption: str,
    rows: Rows,
    *,
    row: str = "row",
    column: str = "column",
    value: str = "value",
    domain: tuple[float, float] | None = None,
    middle: float | None = None,
    number_format: str = ".2f",
) -> Figure:
    """Draw rows by columns of numbers; a missing value leaves its cell empty.

    Colour fades to nothing at ``middle``, blue above it and amber below; None fades at the lower end of ``domain``.
    ``number_format`` is a d3 format.
    """
    lines = lines_of(rows, row, column, value)
    known = numbers_of(lines, value) or [0.0, 1.0]
    start, end = domain or (min(known), max(known))
    pale = start if middle is None else middle
    reach = max(abs(end - pale), abs(start - pale)) or 1.0
    for line in lines:
        number = line[value]
        line["_strength"] = (
            short(min(abs(number - pale) / reach, 1.0)) if isinstance(number, int | float) else None
        )
    # text stays readable on every cell because strength is opacity over the page's own colour
    strength: Part = {"domain": [0, 1], "range": [0.04, 0.78]}
    colour: Part = {"value": PALETTE[0]}
    if middle is not None:
        below: Part = {"test": {"field": value, "lt": middle}, "value": PALETTE[1]}
        colour["condition"] = below
    place: Part = {
        "x": heads(lines, column),
        "y": names(row),
        "tooltip": pointed_at(lines, row, column, value),
    }
    opacity: Part = {"field": "_strength", "type": "quantitative", "legend": None, "scale": strength}
    text: Part = {"field": value, "type": "quantitative", "format": number_format}
    layers = [
        layer("rect", {**place, "color": colour, "opacity": opacity}, cornerRadius=3),
        {
            "transform": [{"filter": {"field": value, "valid": True}}],
            **layer("text", {**place, "text": text}),
        },
    ]
    return figure(name, title, caption, layers, lines, height_of(lines, row, 30))


def scatter(
    name: str,
    title: str,
    caption: str,
    rows: Rows,
    *,
    x: str = "x",
    y: str = "y",
    low: str | None = None,
    high: str | None = None,
    group: str | None = None,
    label: str | None = None,
    x_title: str = "",
    y_title: str = "",
    diagonal: bool = False,
    references: Mapping[str, float] | None = None,
    height_px: int = 320,
) -> Figure:
    """Draw one point per row, such as a seed or an item; ``low`` and ``high`` add upright intervals.

    ``diagonal`` draws y = x, for recovered against planted; ``label`` names the point under the pointer.
    """
    lines = lines_of(rows, label, group, x, y, low, high)
    ends = _square(numbers_of(lines, x, y, low, high)) if diagonal else None
    shared: Part = {
        "x": quantity(x, x_title, ends),
        "tooltip": pointed_at(lines, label, group, x, y, low, high),
    }
    up = quantity(y, y_title, ends)
    layers = reference_lines(references, "y")
    if ends:
        corners: list[Json] = [{x: end, y: end} for end in ends]
        line: Part = {"x": shared["x"], "y": up}
        dashed = layer("line", line, strokeWidth=1, strokeDash=[4, 4], opacity=0.5, color="currentColor")
        layers.append({"data": {"values": corners}, **dashed})
    if low and high:
        rule: Part = {**shared, "y": {**up, "field": low}, "y2": {"field": high}}
        layers.append(layer("rule", {**rule, **group_channels(lines, group, mark="rule")}, opacity=0.5))
    point: Part = {**shared, "y": up, **group_channels(lines, group, mark="point")}
    layers.append(layer("point", point, opacity=0.85))
    return figure(name, title, caption, layers, lines, height_px)


def bars(
    name: str,
    title: str,
    caption: str,
    rows: Rows,
    *,
    label: str = "label",
    value: str = "value",
    low: str | None = None,
    high: str | None = None,
    group: str | None = None,
    stacked: bool = False,
    value_title: str = "",
    domain: tuple[float, float] | None = None,
    references: Mapping[str, float] | None = None,
) -> Figure:
    """Draw lying bars from zero; groups stand one below the other, or end to end if ``stacked``."""
    lines = lines_of(rows, label, group, value, low, high)
    beside = group is not None and not stacked
    shared: Part = {"y": names(label), "tooltip": pointed_at(lines, label, group, value, low, high)}
    if beside and group:
        shared["yOffset"] = {"field": group, "type": "nominal", "sort": None}
    x: Part = {**quantity(value, value_title, domain), "stack": "zero" if stacked else None}
    if domain is None:
        x["scale"] = {"zero": True, "nice": True}
    if stacked and group:
        order = names_of(lines, group)
        for line in lines:
            line["_order"] = order.index(str(line[group]))
        shared["order"] = {"field": "_order", "type": "quantitative"}
    layers = [layer("bar", {"x": x, **shared, **group_channels(lines, group, mark="bar")})]
    if low and high and not stacked:
        rule: Part = {**shared, "x": {**x, "field": low, "stack": None}, "x2": {"field": high}}
        layers.append(layer("rule", rule, strokeWidth=1.5, color="currentColor"))
    height = height_of(lines, label, 14 * len(names_of(lines, group)) + 12 if beside and group else 28)
    return figure(name, title, caption, [*layers, *reference_lines(references, "x")], lines, height)


def _square(known: list[float]) -> tuple[float, float]:
    """Return common ends of both axes, a little wider than the data."""
    if not known:
        return 0.0, 1.0
    margin = 0.04 * (max(known) - min(known)) or 0.5
    return min(known) - margin, max(known) + margin

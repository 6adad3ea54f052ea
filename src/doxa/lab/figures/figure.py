"""One figure, and the theme that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from doxa.canonical import Json

PALETTE = ("#1a67c2", "#cc7d1e", "#00a389", "#9b4870", "#736b18", "#a47cf9")
"""Blue, amber, teal, plum, olive, lavender.

Each has contrast of at least 3:1 on white and on #15181c, and any two are at least 0.098 apart in OKLab for normal
vision, protanopia, deuteranopia and tritanopia (the first six of Okabe and Ito: 0.076).
"""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"

DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (6, 3), (2, 3), (8, 3, 2, 3), (4, 5), (1, 4))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")

# currentColor lets a figure follow its page from light to dark, into print, and into a saved picture
_INK: dict[str, Json] = {"labelColor": "currentColor", "titleColor": "currentColor"}
_LETTERS: dict[str, Json] = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}

THEME: Mapping[str, Json] = {
    "font": FONT,
    "background": "transparent",
    "padding": 4,
    "view": {"stroke": None},
    "range": {"category": PALETTE, "symbol": SHAPES},
    "axis": {
        **_INK,
        **_LETTERS,
        "labelLimit": 190,
        "labelPadding": 5,
        "titlePadding": 8,
        "domain": False,
        "tickColor": "currentColor",
        "tickOpacity": 0.3,
        "tickSize": 4,
        "gridColor": "currentColor",
        "gridOpacity": 0.1,
    },
    "legend": {**_INK, **_LETTERS, "labelLimit": 300, "orient": "top", "title": None, "symbolSize": 70},
    "header": {**_INK, **_LETTERS},
    "title": {"color": "currentColor", "fontSize": 13, "anchor": "start"},
    "line": {"strokeWidth": 2, "strokeJoin": "round", "strokeCap": "round"},
    "point": {"filled": True, "size": 55, "opacity": 1},
    "rule": {"strokeWidth": 2},
    "text": {"color": "currentColor", "fontSize": 12},
    "bar": {"cornerRadiusEnd": 2},
}
"""Vega-Lite ``config`` of every figure; a report gives it to a specification that has none."""


@dataclass(frozen=True)
class Figure:
    """One figure of a report.

    Attributes:
        id: short stable name, unique within the report.
        title: what is shown, in a few words.
        caption: how to read it: marks, intervals, units, number of seeds.
        spec: a Vega-Lite specification with its data inline.

    """

    id: str
    title: str
    caption: str
    spec: Mapping[str, Json]

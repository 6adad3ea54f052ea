"""A number drawn as a small bar: interval, dot, reference and the paper's value on one line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

from doxa.lab.report.markup import Html, element
from doxa.lab.report.numbers import Scale, shown

_MIDDLE = "10"


@dataclass(frozen=True)
class Bar:
    """What a bar draws.

    Attributes:
        scale: its two ends.
        value: the dot; None draws none.
        interval: the thick line; an infinite end runs to the edge.
        start: a hollow dot where a movement began.
        reference: an upright tick.
        floor: half-width of a pale band around the reference.
        paper: a diamond.
        spoken: what a screen reader says.

    """

    scale: Scale
    value: float | None
    interval: tuple[float, float] | None = None
    start: float | None = None
    reference: float | None = None
    floor: float | None = None
    paper: float | None = None
    spoken: str = ""

    def draw(self) -> Html:
        """Return the bar as inline SVG, as wide as its cell."""
        label = {"role": "img", "aria_label": self.spoken or shown(self.value)}
        return element("svg", *self._parts(), class_="bar", height="32", width="100%", **label)

    def _parts(self) -> Iterable[Html]:
        at = self._at
        yield element("line", class_="axis", x1="0%", x2="100%", y1=_MIDDLE, y2=_MIDDLE)
        if _finite(self.reference) and _finite(self.floor):
            left, right = at(self.reference - self.floor), at(self.reference + self.floor)
            wide = f"{float(right[:-1]) - float(left[:-1]):.2f}%"
            yield element("rect", class_="floor", x=left, width=wide, y="2", height="16")
        ticks = {"zero": 0.0, "reference": self.reference}
        for name, tick in ticks.items():
            if _finite(tick) and self.scale.low <= tick <= self.scale.high:
                yield element("line", class_=name, x1=at(tick), x2=at(tick), y1="2", y2="18")
        if self.interval is not None and not any(math.isnan(end) for end in self.interval):
            low, high = self.interval
            yield element("line", class_="interval", x1=at(low), x2=at(high), y1=_MIDDLE, y2=_MIDDLE)
        if _finite(self.start) and _finite(self.value):
            yield element("line", class_="way", x1=at(self.start), x2=at(self.value), y1=_MIDDLE, y2=_MIDDLE)
            yield element("circle", class_="start", cx=at(self.start), cy=_MIDDLE, r="4")
        if _finite(self.value):
            yield element("circle", class_="dot", cx=at(self.value), cy=_MIDDLE, r="4.5")
        if _finite(self.paper):
            diamond = element("path", class_="paper", d="M0,-5.5 L5.5,0 L0,5.5 L-5.5,0 Z")
            yield element("svg", diamond, x=at(self.paper), y=_MIDDLE, overflow="visible")
        for x, anchor, end in (("0%", "start", self.scale.low), ("100%", "end", self.scale.high)):
            yield element("text", shown(end), class_="end", x=x, y="30", text_anchor=anchor)

    def _at(self, value: float) -> str:
        return f"{self.scale.percent(value):.2f}%"


def _finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)

"""Figures as data: a Vega-Lite specification with its numbers inline, in the one look of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from doxa.canonical import Json


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

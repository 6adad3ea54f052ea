"""Score against entropy with the law through it, and both over steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from doxa.canonical import Json
from doxa.lab.figures import Figure, curves
from doxa.lab.figures.channels import (
    Part,
    figure,
    group_channels,
    layer,
    pointed_at,
    quantity,
    reference_lines,
)
from doxa.lab.figures.figure import DASHES
from doxa.lab.figures.rows import lines_of
from doxa.lab.measured import rows_of
from doxa.lab.record import Tables
from doxa.training.entropy_mechanism.rows import number

CURVE_POINTS = 60
BELOW = 0.05
"""How far below the least score a law is drawn."""
LEAST_NATS = 1e-3
"""Entropies are shown from here on: their axis is a logarithm's."""


def law_figure(
    name: str,
    title: str,
    caption: str,
    points: Sequence[Mapping[str, Any]],
    laws: Mapping[str, tuple[float, float]],
    *,
    ceilings: Mapping[str, float] | None = None,
    height_px: int = 340,
) -> Figure:
    """Draw scores against entropies on a logarithmic axis, with fitted laws as lines.

    Args:
        name: the figure's id.
        title: what is shown.
        caption: how to read it.
        points: rows with ``entropy`` (nats), ``score`` and ``group``.
        laws: by name, a and b of R = -a·exp(H) + b.
        ceilings: dashed lines, name to score.
        height_px: of the figure.
    """
    shown = lines_of(
        [{**row, "entropy": max(float(row["entropy"]), LEAST_NATS)} for row in points],
        "entropy",
        "score",
        "group",
    )
    low, high = _ends([float(row["entropy"]) for row in points])
    floor = min([float(row["score"]) for row in points], default=0.0) - BELOW
    across: Part = {
        **quantity("entropy", "policy entropy H (nats)"),
        "scale": {"type": "log", "domain": [low, high], "nice": False},
        "axis": {"grid": False, "tickCount": 6},
    }
    up = quantity("score", "score R")
    lines: list[dict[str, Json]] = [
        {"entropy": float(entropy), "score": float(b - a * np.exp(entropy)), "law": law}
        for law, (a, b) in laws.items()
        for entropy in np.geomspace(low, high, CURVE_POINTS)
        if b - a * np.exp(entropy) >= floor
    ]
    curve = layer(
        "line",
        {
            "x": across,
            "y": up,
            "strokeDash": {
                "field": "law",
                "type": "nominal",
                "sort": None,
                "legend": {"title": None},
                "scale": {"range": DASHES},
            },
        },
        color="currentColor",
        opacity=0.7,
    )
    point: Part = {
        "x": across,
        "y": up,
        "tooltip": pointed_at(shown, "group", "entropy", "score"),
        **group_channels(shown, "group", mark="point"),
    }
    layers: list[Part] = [
        *reference_lines(ceilings, "y"),
        layer("point", point, size=34, opacity=0.8),
        *([{"data": {"values": lines}, **curve}] if lines else []),
    ]
    return figure(name, title, caption, layers, shown, height_px)


def _ends(entropies: Iterable[float]) -> tuple[float, float]:
    known = [max(entropy, LEAST_NATS) for entropy in entropies]
    return (min(known) * 0.95, max(known) * 1.05) if known else (LEAST_NATS, 1.0)


def log_figures(tables: Tables) -> list[Figure]:
    """Draw a user's log: the law, and entropy and score over steps with the part the forecast was made from."""
    entropy, score = rows_of(tables, "entropy"), rows_of(tables, "score")
    law, forecast = number(tables, "r2"), number(tables, "forecast error")
    laws, ceilings = dict[str, tuple[float, float]](), dict[str, float]()
    if "a" in law:
        laws["all scores"] = law["a"], law["b"]
        ceilings["ceiling"] = law["b"] - law["a"]
    events = dict[str, float]()
    if "until" in forecast:
        laws["first part"] = forecast["a"], forecast["b"]
        events["end of the first part"] = forecast["until"]
    found: list[Figure] = []
    if score.height:
        until = events.get("end of the first part", float("inf"))
        points = [
            {
                "entropy": row["entropy"],
                "score": row["value"],
                "group": "first part" if row["time"] <= until and events else "later" if events else "run",
            }
            for row in score.iter_rows(named=True)
        ]
        found.append(
            law_figure(
                "law",
                "Score against entropy",
                "One point per logged score; lines are the law R = -a·exp(H) + b fitted to all of them and to the "
                "first part, dashed straight the ceiling at H = 0.",
                points,
                laws,
                ceilings=ceilings,
            )
        )
    over: dict[str, Any] = {"x": "time", "value": "value", "x_title": "step", "events": events}
    if entropy.height:
        found.append(
            curves(
                "entropy",
                "Policy entropy over steps",
                "Mean token entropy in nats as logged; the forecast was made from what lies left of the upright line.",
                entropy.sort("time"),
                value_title="H (nats)",
                **over,
            )
        )
    if score.height:
        found.append(
            curves(
                "score",
                "Score over steps",
                "As logged, with the ceiling that the law forecasts.",
                score.sort("time"),
                value_title="R",
                references=ceilings,
                **over,
            )
        )
    return found

"""The figures of the study: regret at each noise level, its growth, estimates, actions, radii, the real system."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, curves, intervals
from doxa.lab.figures.channels import Part, group_channels, layer, quantity
from doxa.lab.figures.figure import THEME
from doxa.lab.figures.rows import lines_of
from doxa.lab.measured import rows_of
from doxa.lab.record import Tables
from doxa.worlds.linear_bandits.actions import budgeted_actions
from doxa.worlds.linear_bandits.experiments import AGENTS, BUDGET, DYNAMIC, RATIOS, STATIC
from doxa.worlds.linear_bandits.pictures import growth_figure, label_of
from doxa.worlds.linear_bandits.report import final

BANDS = "Mean over seeds; the band is one standard error."
DRAWN = (DYNAMIC, STATIC, "D-LinUCB", "UCB1", "B-EXP3", "EXP3")
"""Agents that curves show, as many as can be told apart; the dot plot and the table have them all."""
REST = "Further agents stand in the dot plot and in the table."
PANEL_PX = 270
LEAST = -2.0
"""log10 below which a final regret is drawn at the edge."""


def world_figures(tables: Tables) -> list[Figure]:
    """Draw what was run."""
    return [
        *_regrets(tables, "synthetic"),
        *_two_regimes(tables),
        *_side_by_side(tables),
        *_errors(tables),
        *_shares(tables),
        *_radius(tables),
        *_regrets(tables, "real"),
    ]


def _regrets(tables: Tables, system: str) -> list[Figure]:
    rows = _shown(rows_of(tables, "regret", system=system, kind="pseudo"))
    drawn: list[Figure] = []
    for sigma in rows["sigma"].unique().sort().to_list() if rows.height else []:
        own = rows.filter(pl.col("sigma") == sigma)
        lines = _bands(own, "subject")
        name = f"{system}-{sigma:g}".replace(".", "-")
        drawn.append(
            curves(
                f"regret-{name}",
                f"Cumulative pseudo-regret, {system} system, σ = {sigma:g}",
                f"Σ(J* - ⟨h, u⟩) by agent. {BANDS} {REST}",
                lines,
                x="round",
                low="low",
                high="high",
                group="agent",
                x_title="round",
                value_title="regret",
            )
        )
        drawn.append(
            growth_figure(
                f"growth-{name}",
                f"How regret grows, {system} system, σ = {sigma:g}",
                lines,
                _slopes(tables, system, sigma),
            )
        )
    return drawn


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of agents that curves show; the expert, where there is one, in the place of EXP3."""
    expert = rows.height > 0 and "expert" in rows["subject"].unique().to_list()
    return rows.filter(pl.col("subject").is_in([*DRAWN[:-1], "expert" if expert else DRAWN[-1]]))


def _slopes(tables: Tables, system: str, sigma: float) -> str:
    """Return the slopes of the last decade as text, the mean over seeds of each agent."""
    told: list[str] = []
    for name in (*AGENTS, "expert"):
        known = rows_of(tables, "slope", subject=name, system=system, sigma=sigma)["value"].drop_nulls()
        if known.len():
            told.append(f"{name} {known.to_numpy().mean():.2f}")
    return "Fitted over the last decade: " + ", ".join(told) + "."


def _bands(rows: pl.DataFrame, group: str) -> list[dict[str, Any]]:
    """Return the mean over seeds at each round with one standard error, by agent."""
    means = rows.group_by(group, "time", maintain_order=True).agg(
        pl.col("value").mean().alias("mean"),
        (pl.col("value").std() / pl.len().sqrt()).fill_null(0.0).alias("error"),
    )
    return [
        {
            "round": row["time"],
            "value": row["mean"],
            "low": row["mean"] - row["error"],
            "high": row["mean"] + row["error"],
            "agent": row[group],
        }
        for row in means.iter_rows(named=True)
    ]


def _two_regimes(tables: Tables) -> list[Figure]:
    """Draw regret over rounds at the least and the greatest noise, a panel each, with the same axes."""
    rows = _shown(rows_of(tables, "regret", system="synthetic", kind="pseudo"))
    levels = rows["sigma"].unique().sort().to_list() if rows.height else []
    if len(levels) < 2:
        return []
    lines: list[dict[str, Any]] = []
    for sigma in (levels[0], levels[-1]):
        for row in _bands(rows.filter(pl.col("sigma") == sigma), "subject"):
            if row["low"] > 0.0 and row["round"] >= 10:
                logs = {end: float(np.log10(row[end])) for end in ("value", "low", "high")}
                lines.append({**row, **logs, "noise": f"σ = {sigma:g}"})
    if not lines:
        return []
    title = "Both noise regimes side by side"
    slopes = " ".join(
        f"σ = {sigma:g}: {_slopes(tables, 'synthetic', sigma)}" for sigma in (levels[0], levels[-1])
    )
    caption = f"log₁₀ of mean regret over rounds on a logarithm, the same axes in both. {BANDS} {slopes}"
    drawn = lines_of(lines, "noise", "agent", "round", "value", "low", "high")
    across: Part = {
        **quantity("round", "round"),
        "scale": {"type": "log", "nice": False},
        "axis": {"grid": False, "format": "~s"},  # whole numbers would touch in panels as narrow as these
    }
    up = quantity("value", "log₁₀ regret")
    layers: list[Json] = [
        layer(
            "area",
            {
                "x": across,
                "y": {**up, "field": "low"},
                "y2": {"field": "high"},
                **group_channels(drawn, "agent", mark="area"),
            },
            opacity=0.16,
        ),
        layer("line", {"x": across, "y": up, **group_channels(drawn, "agent", mark="line")}),
    ]
    spec: dict[str, Json] = {
        "description": f"{title}. {caption}",
        "data": {"values": drawn},
        "facet": {"field": "noise", "type": "nominal", "title": None, "sort": None},
        "columns": 2,
        "spec": {"width": PANEL_PX, "height": 260, "layer": layers},
        "config": THEME,
    }
    return [Figure("two-regimes", title, caption, spec)]


def _side_by_side(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "regret", system="synthetic", kind="pseudo")
    levels = rows["sigma"].unique().sort().to_list() if rows.height else []
    lines: list[dict[str, Any]] = []
    for name in AGENTS:
        for sigma in levels:
            values = [
                max(np.log10(max(value, 1e-9)), LEAST)
                for value in final(tables, name, system="synthetic", sigma=sigma).values.values()
            ]
            if values and name != "clairvoyant":
                lines.append(
                    {
                        "label": name,
                        "value": float(np.mean(values)),
                        "low": float(min(values)),
                        "high": float(max(values)),
                        "noise": f"σ = {sigma:g}",
                    }
                )
    if not lines:
        return []
    return [
        intervals(
            "side-by-side",
            "Every noise level side by side",
            "log₁₀ of regret after the last round: mean over seeds, the line from the least seed to the largest.",
            lines,
            group="noise",
            value_title="log₁₀ regret",
        )
    ]


def _errors(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "away", system="synthetic")
    if not rows.height:
        return []
    own = rows.filter(pl.col("subject").is_in([DYNAMIC, STATIC])).with_columns(
        pl.format("{}, σ = {}", "subject", "sigma").alias("agent"), pl.col("value").log10()
    )
    return [
        curves(
            "estimate",
            "How far estimates of h are off",
            f"log₁₀ of the largest error of a coordinate. {BANDS}",
            _bands(own, "agent"),
            x="round",
            low="low",
            high="high",
            group="agent",
            x_title="round",
            value_title="log₁₀ error",
            log_x=True,
        )
    ]


def _shares(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "share", system="synthetic")
    labels = [label_of(action) for action in budgeted_actions(3, BUDGET)]
    drawn: list[Figure] = []
    levels = rows["sigma"].unique().sort().to_list() if rows.height else []
    for sigma in (levels[0], levels[-1]) if len(levels) > 1 else levels:
        for name in (DYNAMIC, STATIC):
            own = rows.filter((pl.col("sigma") == sigma) & (pl.col("subject") == name))
            if not own.height:
                continue
            means = own.group_by("arm", "time", maintain_order=True).agg(pl.col("value").mean())
            lines = means.with_columns(
                pl.Series("action", [labels[arm] for arm in means["arm"].to_list()])
            ).sort("arm", "time")
            drawn.append(
                curves(
                    f"shares-{name}-{sigma:g}".lower().replace(".", "-"),
                    f"{name}: which actions it plays, σ = {sigma:g}",
                    "Share of the rounds since the last mark, mean over seeds; the best is (1, 0.5, 0).",
                    lines,
                    x="time",
                    group="action",
                    x_title="round",
                    value_title="share of rounds",
                    domain=(0.0, 1.0),
                    log_x=True,
                )
            )
    return drawn


def _radius(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "radius regret", subject=DYNAMIC)
    lines: list[dict[str, Any]] = []
    for radius in rows["radius"].unique().sort().to_list() if rows.height else []:
        for ratio in RATIOS:
            own = rows.filter((pl.col("radius") == radius) & (pl.col("ratio") == ratio))
            known = [float(np.log10(value)) for value in own["value"].drop_nulls()]
            if known:
                lines.append(
                    {
                        "ratio": ratio,
                        "value": float(np.mean(known)),
                        "low": float(min(known)),
                        "high": float(max(known)),
                        "system": f"ρ = {radius:g}",
                    }
                )
    if not lines:
        return []
    return [
        curves(
            "radius",
            "What a wrong radius costs",
            "log₁₀ regret of DynLin-UCB told ρ̄ instead of ρ: mean, and from the least seed to the largest. Bounds of "
            "1 or more are refused.",
            lines,
            x="ratio",
            low="low",
            high="high",
            group="system",
            x_title="ρ̄ / ρ",
            value_title="log₁₀ regret",
        )
    ]

"""Figures: believers by day with their SIS fit, the bifurcation, what denials buy, traits, and how graphs matter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, curves, intervals, scatter
from doxa.lab.figures.figure import PALETTE
from doxa.lab.record import Tables
from doxa.lab.units import SHARE
from doxa.society.personas import TRAITS
from doxa.society.pictures import map_over_time, opinions_over_time
from doxa.society.rumour.report import units, with_extra

INPUT = "An input of the embedded mind, not a result."
STATES = {"S": "susceptible", "I": "infected", "R": "recovered"}
FIT = "SIS fit of infected"


def embedded_figures(tables: Tables, seed: int) -> list[Figure]:
    """Return the figures of the embedded experiments that were run; one population is shown day by day.

    Args:
        tables: of the run.
        seed: of the group whose first population is shown.
    """
    measures = with_extra(tables.measures)
    topics, denials = measures.filter(condition="topics"), measures.filter(condition="denials")
    return [
        *courses(topics, "topic", note=f"Speed by topic: {INPUT}"),
        *courses(denials, "policy", name="denials", title="What official denials do, by policy"),
        *day_by_day(tables, "denials", seed, ": the item that is denied, where nobody denies it"),
        *_sweep(measures.filter(condition="sweep")),
        *_frontier(denials),
        *_traits(topics, INPUT),
        *_graphs(measures.filter(condition="controls")),
    ]


def day_by_day(tables: Tables, condition: str, seed: int, told: str = "") -> list[Figure]:
    """Return what moves: credences of one population, and on a graph who believes; nothing where none is on record.

    Args:
        tables: of the run.
        condition: of the population.
        seed: of it.
        told: what else the captions say of it.
    """
    if not tables.beliefs.filter(condition=condition, seed=seed).height:
        return []
    return [
        *opinions_over_time(tables, condition, seed, told=told, what="credence in the item"),
        *map_over_time(tables, condition, seed, kinds=tuple(STATES.values())),
    ]


def courses(
    rows: pl.DataFrame,
    by: str,
    *,
    name: str = "courses",
    title: str = "How a news item spreads",
    note: str = "",
) -> list[Figure]:
    """Return S, I and R by day: means, a band of four fifths of the populations, and the SIS fit where there is one.

    Args:
        rows: measures with what stands beside each as columns.
        by: the column that has a panel to each value.
        name: the figure's id.
        title: what is shown.
        note: ends the caption.
    """
    means = (
        rows.filter(pl.col("measure").is_in([*STATES, "sis-curve"]))
        .group_by(by, "measure", "time", maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("low").mean(), pl.col("high").mean())
    )
    if means.is_empty():
        return []
    values: list[Json] = [
        {
            "panel": panel,
            "state": STATES.get(measure, FIT),
            "day": day,
            "agents": round(value, 3),
            "low": None if low is None else round(low, 3),
            "high": None if high is None else round(high, 3),
        }
        for panel, measure, day, value, low, high in means.iter_rows()
    ]
    fitted = "sis-curve" in means["measure"]
    panels: list[Json] = means[by].unique(maintain_order=True).to_list()
    spec: dict[str, Json] = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": values},
        "facet": {"field": "panel", "type": "nominal", "title": None, "sort": panels},
        "columns": 3,
        "spec": {"width": 190, "height": 130, "layer": _course_layers(fitted)},
    }
    caption = "Lines are means over all populations, bands hold the middle four fifths of them"
    caption += ", dashed is the SIS curve of the mean. " if fitted else ". "
    return [Figure(name, title, f"{caption}{note}".strip(), spec)]


def _course_layers(fitted: bool) -> list[Json]:
    names: list[Json] = [*STATES.values(), *([FIT] if fitted else [])]
    legend: dict[str, Json] = {
        "title": None, "symbolOpacity": 1, "symbolType": "stroke", "symbolSize": 260, "symbolStrokeWidth": 2.5,
    }  # fmt: skip

    def told_apart(ways: Sequence[Json]) -> dict[str, Json]:
        scale: dict[str, Json] = {"domain": names, "range": list(ways[: len(names)])}
        return {"field": "state", "type": "nominal", "scale": scale, "legend": legend}

    colour = told_apart(PALETTE)
    x: dict[str, Json] = {"field": "day", "type": "quantitative", "title": "day", "axis": {"grid": False}}
    y: dict[str, Json] = {"field": "agents", "type": "quantitative", "title": "agents"}
    band: dict[str, Json] = {
        "mark": {"type": "area", "opacity": 0.13},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
    }
    tooltip: list[Json] = [{"field": name} for name in ("panel", "state", "day", "agents")]
    dash = told_apart([[1, 0], [1, 0], [1, 0], [5, 4]])
    line: dict[str, Json] = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "tooltip": tooltip},
    }
    return [band, line]


def _sweep(rows: pl.DataFrame) -> list[Figure]:
    priors = sorted(rows["prior"].drop_nulls().unique().to_list())
    lines = [
        units(rows, name, prior=prior).row(possible=SHARE, prior=prior, what=what)
        for name, what in (("final", "believers at the end"), ("spread", "populations where most believe"))
        for prior in priors
    ]
    if not lines:
        return []
    return [
        curves(
            "bifurcation",
            "A critical plausibility",
            "Share of believers on the last day, and of populations where at least half believe, by the item's "
            "plausibility. Bands are 95 % over groups.",
            lines,
            x="prior",
            low="low",
            high="high",
            group="what",
            x_title="plausibility, log-odds in nats",
            value_title="share",
            domain=(0.0, 1.0),
        )
    ]


def _frontier(rows: pl.DataFrame) -> list[Figure]:
    chosen = rows.filter(measure="area").select("policy", "cost").unique().sort("cost", "policy")
    lines = [
        units(rows, "area", policy=policy).row(
            possible=(0.0, math.inf), policy=policy, cost=cost, kind="once" if cost == 1 else "regular"
        )
        for policy, cost in chosen.iter_rows()
    ]
    if not lines:
        return []
    return [
        scatter(
            "frontier",
            "What official denials buy",
            "Area under the believers by the number of denials in the run; point at a mark for its policy. "
            "Intervals are 95 % over groups.",
            lines,
            x="cost",
            y="value",
            low="low",
            high="high",
            group="kind",
            label="policy",
            x_title="denials",
            y_title="believers, agent-days",
        )
    ]


def _traits(rows: pl.DataFrame, note: str) -> list[Figure]:
    topics = rows.filter(measure="trait-effect")["topic"].unique(maintain_order=True).to_list()
    lines = [
        units(rows, "trait-effect", topic=topic, trait=trait).row(label=trait, topic=topic)
        for trait in TRAITS
        for topic in topics
        if 0.02 < units(rows, "final", topic=topic).mean < 0.98
    ]
    if not lines:
        return []
    return [
        intervals(
            "traits",
            "Who comes to believe, by trait",
            "Share that ever believed among people of a trait's high pole minus that of its low pole, of those who "
            f"doubted at the start. Intervals are 95 % over groups. {note}",
            lines,
            group="topic",
            value_title="difference of shares",
            references={"no difference": 0.0},
        )
    ]


def _graphs(rows: pl.DataFrame) -> list[Figure]:
    chosen = rows.filter(measure="believers")
    lines = [
        units(chosen.filter(time=day), "believers", graph=graph).row(possible=SHARE, day=day, graph=graph)
        for graph in chosen["graph"].unique(maintain_order=True)
        for day in sorted(chosen["time"].unique().to_list())
    ]
    if not lines:
        return []
    return [
        curves(
            "graphs",
            "Whom people can meet",
            "Share of believers by day of a plausible item. Bands are 95 % over groups.",
            lines,
            x="day",
            low="low",
            high="high",
            group="graph",
            x_title="day",
            value_title="share of believers",
            domain=(0.0, 1.0),
        )
    ]

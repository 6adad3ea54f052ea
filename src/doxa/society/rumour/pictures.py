"""Figures: believers by day with their SIS fit, the bifurcation, what denials buy, traits, and how graphs matter."""

from __future__ import annotations

import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, curves, intervals, scatter
from doxa.lab.figures.figure import PALETTE
from doxa.lab.record import Tables
from doxa.society.personas import TRAITS
from doxa.society.rumour.report import units, with_extra

INPUT = "An input of the embedded mind, not a result."
STATES = {"S": "susceptible", "I": "infected", "R": "recovered"}


def embedded_figures(tables: Tables) -> list[Figure]:
    """Return the figures of the embedded experiments that were run."""
    measures = with_extra(tables.measures)
    topics = measures.filter(condition="topics")
    return [
        *courses(topics, f"Speed by topic: {INPUT}"),
        *_sweep(measures.filter(condition="sweep")),
        *_frontier(measures.filter(condition="denials")),
        *_traits(topics, INPUT),
        *_graphs(measures.filter(condition="controls")),
    ]


def courses(rows: pl.DataFrame, note: str) -> list[Figure]:
    """Return S, I and R by day, a panel to each topic: means, a band of four fifths of the populations, the SIS fit."""
    if rows.filter(measure="I").is_empty():
        return []
    means = (
        rows.filter(pl.col("measure").is_in([*STATES, "sis-curve"]))
        .group_by("topic", "measure", "time", maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("low").mean(), pl.col("high").mean())
    )
    values: list[Json] = [
        {
            "topic": topic,
            "state": STATES.get(measure, "SIS fit of infected"),
            "day": day,
            "agents": round(value, 3),
            "low": None if low is None else round(low, 3),
            "high": None if high is None else round(high, 3),
        }
        for topic, measure, day, value, low, high in means.iter_rows()
    ]
    topics: list[Json] = means["topic"].unique(maintain_order=True).to_list()
    names: list[Json] = [*STATES.values(), "SIS fit of infected"]
    colour: dict[str, Json] = {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": names, "range": list(PALETTE[:4])},
        "legend": {"title": None},
    }
    x: dict[str, Json] = {"field": "day", "type": "quantitative", "title": "day", "axis": {"grid": False}}
    y: dict[str, Json] = {"field": "agents", "type": "quantitative", "title": "agents"}
    dash: dict[str, Json] = {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": names, "range": [[1, 0], [1, 0], [1, 0], [5, 4]]},
        "legend": {"title": None},
    }
    band: dict[str, Json] = {
        "mark": {"type": "area", "opacity": 0.13},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
    }
    tooltip: list[Json] = [{"field": name} for name in ("topic", "state", "day", "agents")]
    line: dict[str, Json] = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "tooltip": tooltip},
    }
    spec: dict[str, Json] = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": values},
        "facet": {"field": "topic", "type": "nominal", "title": None, "sort": topics},
        "columns": 3,
        "spec": {"width": 190, "height": 130, "layer": [band, line]},
    }
    caption = (
        "Lines are means over all populations, bands hold the middle four fifths of them, dashed is the SIS curve "
        f"of the mean. {note}"
    )
    return [Figure("courses", "How a news item spreads, by topic", caption.strip(), spec)]


def _sweep(rows: pl.DataFrame) -> list[Figure]:
    priors = sorted(rows["prior"].drop_nulls().unique().to_list())
    lines = [
        units(rows, name, prior=prior).row(prior=prior, what=what)
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
            policy=policy, cost=cost, kind="once" if cost == 1 else "regular"
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
    chosen = rows.filter(measure="I")
    lines = [
        units(chosen.filter(time=day), "I", graph=graph).row(day=day, graph=graph)
        for graph in chosen["graph"].unique(maintain_order=True)
        for day in sorted(chosen["time"].unique().to_list())
    ]
    if not lines:
        return []
    return [
        curves(
            "graphs",
            "Whom people can meet",
            "Believers by day of a plausible item. Bands are 95 % over groups.",
            lines,
            x="day",
            low="low",
            high="high",
            group="graph",
            x_title="day",
            value_title="believers",
        )
    ]

"""Figures: state curves with bands, fusion weights, reliability, the map of clusters, calls against score."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.figures import Figure, bars, curves, scatter
from doxa.lab.record import Tables
from doxa.society.clusters.recording import read_measures
from doxa.society.clusters.report import by_seed

SHOWN = ("symbolic", "neural", "fused", "true probabilities")


def embedded_figures(tables: Tables, shift_day: int) -> list[Figure]:
    """Draw what was measured; a figure whose rows are not there is left out."""
    frame = read_measures(tables.measures)
    main = frame.filter(condition="epidemic")
    if main.is_empty():
        return []
    first = main.filter(pl.col("seed") == pl.col("seed").min())
    found = [states_figure(first), weight_figure(main, shift_day), reliability_figure(main)]
    found += [map_figure(first), frontier_figure(main), ablation_figure(main)]
    weeks = frame.filter(condition="series", measure="week")
    return found + ([weeks_figure(weeks)] if weeks.height else [])


def states_figure(first: pl.DataFrame) -> Figure:
    """Draw counts and the bands forecast a week before, in one seed."""
    rows = first.filter(measure="band").select("time", "value", "low", "high", "state").sort("state", "time")
    return curves(
        "states",
        "Agents in each state, and the week's 90 % band",
        "Lines are what happened, bands the fused path's forecasts from the day at which each week begins; first seed.",
        rows,
        low="low",
        high="high",
        group="state",
        x_title="day",
        value_title="agents",
    )


def weight_figure(main: pl.DataFrame, shift_day: int) -> Figure:
    """Draw the neural path's weight over time."""
    rows = (
        main.filter(measure="weight")
        .group_by("transition", "time", maintain_order=True)
        .agg(pl.col("value").mean())
        .sort("transition", "time")
    )
    return curves(
        "weights",
        "Weight of the neural path in the fusion",
        f"Mean over clusters and seeds. The networks learned from days 8 to 38; contact falls on day {shift_day}.",
        rows,
        group="transition",
        x_title="day",
        value_title="weight",
        domain=(0.0, 1.0),
        references={"even": 0.5},
    )


def reliability_figure(main: pl.DataFrame) -> Figure:
    """Draw how often predicted infections came, in ten bins of equally many agent-days."""
    rows = (
        main.filter(pl.col("path").is_in(SHOWN), measure="reliability")
        .with_columns(place=pl.int_range(pl.len()).over("seed", "path"))
        .group_by("path", "place", maintain_order=True)
        .agg(pl.col("credence").mean(), pl.col("value").mean())
    )
    return scatter(
        "reliability",
        "Predicted infections and what came",
        "Share of susceptible agents infected by the next day against the predicted probability; mean over seeds.",
        rows,
        x="credence",
        y="value",
        group="path",
        x_title="predicted probability",
        y_title="share infected",
        diagonal=True,
    )


def map_figure(first: pl.DataFrame) -> Figure:
    """Draw agents by the two main directions of the hybrid embedding."""
    rows = first.filter(measure="map").select(
        pl.col("value").alias("x"),
        "y",
        cluster=pl.format("cluster {}", "cluster"),
        type=pl.format("type {}", "type"),
    )
    return scatter(
        "map",
        "Clusters of agents",
        "Each point is an agent, by the two main directions of the hybrid embedding; colour is its cluster, the label "
        "its hidden type; first seed.",
        rows,
        x="x",
        y="y",
        group="cluster",
        label="type",
        x_title="first direction",
        y_title="second direction",
    )


def frontier_figure(main: pl.DataFrame) -> Figure:
    """Draw the score against questions a day."""
    rows = (
        main.filter(pl.col("calls") > 0, measure="frontier")
        .group_by("way", maintain_order=True)
        .agg(pl.col("calls").mean(), pl.col("value").mean())
    )
    return scatter(
        "frontier",
        "Questions asked a day against the score",
        "Mean -ln p of agents' next states over the days held out, mean over seeds; less is better.",
        rows,
        x="calls",
        y="value",
        group="way",
        x_title="questions a day",
        y_title="nats",
    )


def ablation_figure(main: pl.DataFrame) -> Figure:
    """Draw the score of every path and ablation above that of the true probabilities."""
    floor = by_seed(main, "nll", path="true probabilities")
    rows: list[dict[str, Any]] = []
    for measure, column in (("nll", "path"), ("nll of labels", "labels")):
        for name in main.filter(measure=measure)[column].unique(maintain_order=True).to_list():
            if name != "true probabilities":
                over = by_seed(main, measure, **{column: name}).minus(floor)
                rows.append(over.row(what=name if column == "path" else f"clusters: {name}"))
    return bars(
        "ablations",
        "Score above that of the true probabilities",
        "Mean -ln p of agents' next states, by path, and of the fused path by what clusters are made of.",
        rows,
        label="what",
        low="low",
        high="high",
        value_title="nats",
    )


def weeks_figure(weeks: pl.DataFrame) -> Figure:
    """Draw reported weekly cases and their bands."""
    rows = weeks.select("time", "value", "low", "high", "unit_name").sort("unit_name", "time")
    log = rows.with_columns(pl.col("value", "low", "high").clip(1.0).log10())
    return curves(
        "weeks",
        "Reported cases of a week, and the 90 % band of the fused path",
        "Powers of ten; each band was forecast on the day at which its week begins.",
        log,
        low="low",
        high="high",
        group="unit_name",
        x_title="days since 22 January 2020",
        value_title="log10 of cases",
    )

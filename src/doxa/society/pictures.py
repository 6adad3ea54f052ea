"""Figures of a population over days: shares with bands, the spread of opinions, and a map that moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.inference import mean_t_interval
from doxa.lab.figures import Figure, curves, histogram_over_time, network_map, shares_over_time
from doxa.lab.record import Tables

BINS = 20


def share_curves(tables: Tables, names: dict[str, str], *, days: int) -> list[Figure]:
    """Draw the share of each compartment by day, a figure to each condition: means over seeds with 95 % intervals.

    Args:
        tables: of the run.
        names: what each condition is called in its title; "" adds nothing.
        days: of the run.
    """
    rows = tables.measures.filter(pl.col("measure") == "share").with_columns(
        state=pl.col("extra").str.json_path_match("$.state")
    )
    found: list[Figure] = []
    for number, (condition, called) in enumerate(names.items(), 1):
        own = rows.filter(pl.col("condition") == condition)
        lines = [
            {"day": day, "state": state, **_mean(one)}
            for (state, day), one in own.group_by(["state", "time"], maintain_order=True)
        ]
        found.append(
            curves(
                "shares" if number == 1 else f"shares-{number}",
                f"Where people are over {days} days" + (f": {called}" if called else ""),
                "Lines are means over seeds, bands their 95 % intervals.",
                lines, x="day", low="low", high="high", group="state", x_title="day",
                value_title="share of the population", domain=(0.0, 1.0),
            )
        )  # fmt: skip
    return found


def opinion_moments(tables: Tables) -> pl.DataFrame:
    """Return the mean and the standard deviation of opinions by condition, seed and day (``time``)."""
    keys = ["condition", "seed", "time"]
    small = tables.beliefs.group_by(keys, maintain_order=True).agg(
        mean=pl.col("credence").mean(), spread=pl.col("credence").std(ddof=0)
    )
    rows = tables.measures.filter(pl.col("measure").is_in(["opinion mean", "opinion spread"]))
    if not rows.height:
        return small
    large = rows.pivot("measure", index=keys, values="value", aggregate_function="first")
    return pl.concat([small, large.rename({"opinion mean": "mean", "opinion spread": "spread"})])


def opinion_curves(tables: Tables, names: dict[str, str]) -> Figure:
    """Draw the mean of opinions and their spread by day, over seeds with 95 % intervals.

    Args:
        tables: of the run.
        names: what each condition is called in the legend; "" adds nothing.
    """
    held = opinion_moments(tables)
    lines = [
        {"day": day, "group": f"{what}, {names[condition]}" if names[condition] else what,
         **_mean(own.select(value=column))}
        for (condition, day), own in held.group_by(["condition", "time"], maintain_order=True)
        if condition in names
        for what, column in (("mean", "mean"), ("standard deviation", "spread"))
    ]  # fmt: skip
    caption = "Lines are means over seeds, bands their 95 % intervals."
    return curves(
        "moments", "Mean and spread of opinions", caption, lines, x="day", low="low", high="high", group="group",
        x_title="day", value_title="opinion", domain=(0.0, 1.0),
    )  # fmt: skip


def opinion_shares(tables: Tables, condition: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of people in each bin of opinion by day, (days + 1, bins), and the bins' edges, of one run.

    A small population has every opinion on record, those missing are left out; a large one has a histogram.
    """
    here = (pl.col("condition") == condition) & (pl.col("seed") == seed)
    held = tables.beliefs.filter(here)
    if held.height:
        edges = np.linspace(0.0, 1.0, BINS + 1)
        days = [
            np.histogram(own["credence"].drop_nulls().to_numpy(), edges)[0]
            for _, own in held.group_by("time", maintain_order=True)
        ]
        counts = np.stack(days).astype(np.float64)
        return counts / np.maximum(counts.sum(1, keepdims=True), 1.0), edges
    bars = tables.measures.filter(here, pl.col("measure") == "opinion histogram").with_columns(
        low=pl.col("extra").str.json_path_match("$.low").cast(pl.Float64),
        high=pl.col("extra").str.json_path_match("$.high").cast(pl.Float64),
    )
    wide = bars.pivot("low", index="time", values="value", aggregate_function="first")
    edges = np.array([*bars["low"].unique().sort(), bars["high"].max()])
    return wide.drop("time").to_numpy(), edges


def opinions_over_time(
    tables: Tables, condition: str, seed: int, *, told: str = "", what: str = "opinion"
) -> list[Figure]:
    """Draw how opinions spread in one run: all days at once, and a histogram that moves.

    Args:
        tables: of the run.
        condition: of the one that is drawn.
        seed: of it.
        told: what else the captions say of it.
        what: the opinion is called.
    """
    shares, edges = opinion_shares(tables, condition, seed)
    days = list(range(len(shares)))
    told = f"Seed {seed}{told}. "
    return [
        shares_over_time(
            "opinions", "Opinions over time", f"{told}One column a day, darker where more people are.",
            shares, edges, moments=days, y_title=what,
        ),
        histogram_over_time(
            "histogram", "Opinions, day by day", f"{told}Bars are the day of the slider, thin lines the first day.",
            shares, edges, moments=days, x_title=what,
        ),
    ]  # fmt: skip


def map_over_time(
    tables: Tables, condition: str, seed: int, *, kinds: Sequence[str] = (), state_title: str = "opinion"
) -> list[Figure]:
    """Draw the map of one run, day by day; nothing where none was recorded."""
    rows = tables.measures.filter(
        pl.col("condition") == condition, pl.col("seed") == seed, pl.col("measure").str.starts_with("map ")
    )
    if not rows.height:
        return []
    x, y = (rows.filter(pl.col("measure") == f"map {axis}") for axis in "xy")
    place_of = {who: place for place, who in enumerate(x["subject"])}
    links = rows.filter(pl.col("measure") == "map link")
    ends = [
        (place_of[a], place_of[b])
        for a, b in zip(links["subject"], links["extra"].str.json_path_match("$.other"), strict=True)
    ]
    states = rows.filter(pl.col("measure") == "map state").pivot(
        "subject", index="time", values="value", aggregate_function="first"
    )
    caption = f"Seed {seed}, {len(place_of)} people: points are people, lines their ties."
    return [
        network_map(
            "map", "Who, and where in the network", caption,
            np.stack([x["value"].to_numpy(), y["value"].to_numpy()], 1),
            np.array(ends, dtype=np.int64).reshape(-1, 2),
            states.select(list(place_of)).to_numpy(),
            moments=states["time"].to_list(), kinds=kinds, state_title=state_title,
            domain=None if kinds else (0.0, 1.0),
        )
    ]  # fmt: skip


def _mean(own: pl.DataFrame) -> dict[str, Any]:
    mean = mean_t_interval(own["value"].to_list())
    low, high = mean.ends or (mean.estimate, mean.estimate)
    return {"value": mean.estimate, "low": max(0.0, low), "high": min(1.0, high)}

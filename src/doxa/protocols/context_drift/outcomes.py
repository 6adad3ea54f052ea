"""Reading recorded drift back: one number per independent unit, as a finding or a row of a figure."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import polars as pl

from doxa.lab.figures import Figure, heatmap
from doxa.lab.record import Tables
from doxa.lab.units import Units

Kind: TypeAlias = Literal["stated", "behavioural", "stated by Bayes", "behavioural by Bayes"]

KINDS: dict[Kind, tuple[str, str]] = {
    "stated": ("stance", "stated"),
    "behavioural": ("option", "behavioural"),
    "stated by Bayes": ("stance", "reference"),
    "behavioural by Bayes": ("option", "reference"),
}
"""What each kind is called in the record: how its proposition begins, and its readout."""

TABLE = {
    "both": ("belief shifted", "behaviour shifted"),
    "belief only": ("belief shifted", "behaviour did not"),
    "behaviour only": ("belief did not", "behaviour shifted"),
    "neither": ("belief did not", "behaviour did not"),
}
"""Row and column of each cell of the table of belief shifted by behaviour shifted."""


def argued(tables: Tables, arm: str, kind: Kind, n: float) -> Units:
    """Return the mean probability of the side argued for after n statements.

    Units are seeds where there are several subjects of one seed each (trainings), else topics of the one subject.
    """
    begins, readout = KINDS[kind]
    rows = tables.beliefs.filter(
        pl.col("condition") == arm,
        pl.col("readout") == readout,
        pl.col("time") == n,
        pl.col("proposition").str.starts_with(begins),
        pl.col("credence").is_not_null(),
    )
    unit = (
        pl.col("seed").cast(pl.String)
        if _trained(tables)
        else pl.col("proposition").str.split(" ").list.last()
    )
    means = rows.group_by(unit.alias("unit"), maintain_order=True).agg(
        (pl.col("credence") * pl.col("n")).sum() / pl.col("n").sum()
    )
    return Units(dict(zip(means["unit"].to_list(), means["credence"].to_list(), strict=True)))


def measured(tables: Tables, name: str, time: float | None = None, condition: str | None = None) -> Units:
    """Return a measure by seed; missing values are left out."""
    rows = tables.measures.filter(pl.col("measure") == name, pl.col("value").is_not_null())
    if time is not None:
        rows = rows.filter(pl.col("time") == time)
    if condition is not None:
        rows = rows.filter(pl.col("condition") == condition)
    return Units(dict(zip(rows["seed"].cast(pl.String).to_list(), rows["value"].to_list(), strict=True)))


def lengths_of(tables: Tables, arm: str) -> list[int]:
    """Return the context lengths recorded for an arm, rising."""
    return sorted({int(time) for time in tables.beliefs.filter(pl.col("condition") == arm)["time"]})


def farthest(tables: Tables, arm: str, kind: Kind, *, up_to: int, every: int = 1) -> tuple[int, Units]:
    """Return the length at which an arm lies farthest from one half, and by how much each unit does.

    Args:
        tables: the record.
        arm: condition.
        kind: what was read.
        up_to: longest context taken into account.
        every: only lengths that are multiples of this; a balanced reading is balanced at even ones.
    """
    found = {
        n: argued(tables, arm, kind, n) for n in lengths_of(tables, arm) if 0 < n <= up_to and n % every == 0
    }
    if not found:
        return 0, Units({})
    n = max(found, key=lambda length: _distance(found[length]))
    return n, found[n].less(0.5)


def curve_rows(tables: Tables, arm: str, kind: Kind, *, who: str) -> list[dict[str, Any]]:
    """Return one figure row per length; kinds that were not recorded give none."""
    found = ((n, argued(tables, arm, kind, n)) for n in lengths_of(tables, arm))
    return [units.row(who=who, time=n) for n, units in found if units.values]


def table_figure(tables: Tables, unit: str, when: str) -> Figure:
    """Draw the 2x2 table of belief shifted by behaviour shifted, at the longest context of each condition."""
    rows = tables.measures.filter(pl.col("measure").str.starts_with("table/"))
    last = rows.filter(pl.col("time") == pl.col("time").max().over("condition"))
    counts = {name: float(last.filter(pl.col("measure") == f"table/{name}")["value"].sum()) for name in TABLE}
    return heatmap(
        "belief-behaviour",
        "Does behaviour move with the stated belief?",
        f"Number of {unit} by whether the stated belief and the behaviour shifted, {when}.",
        [{"row": row, "column": column, "value": counts[name]} for name, (row, column) in TABLE.items()],
        number_format=".0f",
    )


def _distance(units: Units) -> float:
    values = units.values.values()
    return abs(sum(values) / len(values) - 0.5) if values else -math.inf


def _trained(tables: Tables) -> bool:
    return tables.measures.filter(pl.col("measure") == "loss").height > 0

"""Measures: each turns the beliefs of a record into rows of the table ``measures``.

A measure is a function registered by name in ``measures``; a package adds its own through the entry-point group
``doxa.measures``. It takes the tables of a cell, or those that ``doxa.load`` gives back of a whole run, and keeps
conditions, seeds, subjects, readouts and axes apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import polars as pl

from doxa.belief.information import binary_entropy_nats
from doxa.canonical import canonical_json
from doxa.lab.record import SCHEMAS, Tables
from doxa.lab.registry import Registry

Measure: TypeAlias = Callable[[Tables], pl.DataFrame]
"""Turns records into rows with the columns of the table ``measures``."""

measures: Registry[Measure] = Registry("measures")

_APART = ("condition", "seed", "subject", "readout", "axis")


@measures.register("drift")
def drift(tables: Tables) -> pl.DataFrame:
    """Return how far each belief moved, from the first to the last time at which it was read.

        drift = L(last) - L(first)

    L(t) is the log-odds of one proposition at time t in nats, their mean where it was read several times at t. A row
    stands at the last time; its ``extra`` holds ``proposition``, ``readout`` and the first time as ``since``. It is
    missing where a belief was read at fewer than two times, or is certain of the same thing at both.

    Args:
        tables: the record, with beliefs in log-odds; those that were not read are left out.

    Returns:
        One row per condition, seed, subject, readout, axis and proposition, in nats; ±inf from or to certainty.
    """
    keys = [*_APART, "proposition"]
    read = pl.col("log_odds").is_not_null()
    times, log_odds = pl.col("time").filter(read), pl.col("log_odds").filter(read)
    moved = (
        tables.beliefs.group_by(*keys, "time", maintain_order=True)
        .agg(pl.col("log_odds").mean())
        .sort("time")
        .group_by(keys)
        .agg(
            times.first().alias("since"),
            pl.coalesce(times.last(), pl.col("time").last()).alias("time"),
            (log_odds.last() - log_odds.first()).fill_nan(None).alias("value"),
            pl.when(times.len() == 0)
            .then(pl.lit("never read"))
            .when(times.len() == 1)
            .then(pl.lit("read at one time only"))
            .otherwise(pl.lit("certain at both times"))
            .alias("missing"),
        )
        .with_columns(value=pl.when(pl.col("since") < pl.col("time")).then(pl.col("value")))
    )
    return as_rows(moved, "drift", "nats", extra=("proposition", "readout", "since", "missing"))


@measures.register("entropy")
def entropy(tables: Tables) -> pl.DataFrame:
    """Return how undecided a subject is at each time.

        entropy(t) = mean of -c·ln c - (1 - c)·ln(1 - c) over the beliefs read at t

    c is a credence; 0 is certain of everything, ln 2 = 0.693 is decided about nothing. A row's ``extra`` holds
    ``readout``, the number of beliefs read as ``n`` and of those not read as ``unread``; it is missing where n is 0.

    Args:
        tables: the record, with beliefs in log-odds.

    Returns:
        One row per condition, seed, subject, readout, axis and time, in nats in [0, ln 2].
    """
    nats = binary_entropy_nats(tables.beliefs["log_odds"].to_numpy())
    undecided = (
        tables.beliefs.with_columns(nats=pl.Series(nats, dtype=pl.Float64).fill_nan(None))
        .group_by(*_APART, "time", maintain_order=True)
        .agg(
            pl.col("nats").mean().alias("value"),
            pl.col("nats").count().alias("n"),
            pl.col("nats").null_count().alias("unread"),
            pl.lit("no belief was read").alias("missing"),
        )
    )
    return as_rows(undecided, "entropy", "nats", extra=("readout", "n", "unread", "missing"))


def as_rows(frame: pl.DataFrame, measure: str, unit: str = "", *, extra: Sequence[str] = ()) -> pl.DataFrame:
    """Return a frame as rows of the table ``measures``, sorted.

    Args:
        frame: columns condition, seed, subject, axis, time, value, and those named in ``extra``.
        measure: the measure's name.
        unit: unit of the values, or "".
        extra: columns kept as JSON in ``extra``; of these, ``missing`` only where the value is null.
    """
    notes = [
        canonical_json({name: row[name] for name in extra if name != "missing" or row["value"] is None})
        for row in frame.iter_rows(named=True)
    ]
    columns = {"measure": pl.lit(measure), "unit": pl.lit(unit), "extra": pl.Series(notes, dtype=pl.String)}
    table = frame.drop("extra", strict=False).with_columns(**columns)
    rows = table.select(pl.col(name).cast(kind) for name, kind in SCHEMAS["measures"].items())
    return rows.sort([name for name in rows.columns if name != "value"])

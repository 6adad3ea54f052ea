"""Recorded bandit experiments read back: one number for each seed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import polars as pl

from doxa.lab.units import Units, least


def read_measures(measures: pl.DataFrame) -> pl.DataFrame:
    """Return measures with what their ``extra`` says of layer, number, run, prompt and word as columns."""
    extra = pl.col("extra")
    return measures.with_columns(
        *(
            extra.str.json_path_match(f"$.{name}").cast(pl.Int64).alias(name)
            for name in ("layer", "number", "run", "prompt")
        ),
        extra.str.json_path_match("$.word").alias("word"),
    )


def per_seed(frame: pl.DataFrame, measure: str, condition: str, **where: float | int) -> Units:
    """Return the mean of a measure for each seed, over the rows of a condition with the columns given.

    Args:
        frame: what ``read_measures`` returns.
        measure: its name.
        condition: its condition.
        **where: further columns and their values, such as ``time=0.5`` or ``layer=1``.
    """
    rows = frame.filter(measure=measure, condition=condition, **where).drop_nulls("value")
    means = rows.group_by("seed").agg(pl.col("value").mean()).sort("seed")
    return Units(dict(means.iter_rows()))


def at_chosen_layer(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the sweep at the layer that was chosen for each seed."""
    chosen = frame.filter(measure="chosen layer").select(
        "seed", pl.col("value").cast(pl.Int64).alias("layer")
    )
    return frame.filter(condition="sweep").join(chosen, on=["seed", "layer"], how="semi")


def along_multipliers(frame: pl.DataFrame, measure: str) -> dict[float, Units]:
    """Return a measure at the chosen layer for each multiplier, 0 among them, in ascending order."""
    steered = at_chosen_layer(frame)
    found = {0.0: per_seed(frame, measure, "temperature", time=1.0)}
    for multiplier in steered["time"].unique():
        found[float(multiplier)] = per_seed(steered, measure, "sweep", time=float(multiplier))
    return dict(sorted(found.items()))


def least_step(curve: Mapping[float, Units], within: tuple[float, ...]) -> Units:
    """Return the smallest rise from one multiplier to the next, for each seed; above 0 the curve rises throughout."""
    points = [curve[multiplier] for multiplier in sorted(within) if multiplier in curve]
    return least([later.minus(earlier) for earlier, later in pairwise(points)])

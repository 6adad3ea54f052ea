"""Polars' side: a frame with the columns of the record, grouped, filtered and sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from kit.side import Work, serve
from sides.store_rows import ASKED, asked_steps, in_any_order, in_order, rows

HOLDER = ["condition", "seed", "subject", "proposition", "axis", "readout"]


def prepare(case: dict[str, Any]) -> Work:
    made = rows(case)
    frame = pl.DataFrame(made._asdict()).select(
        condition=pl.lit("base"),
        seed=pl.lit(0, dtype=pl.Int64()),
        subject=_named("agent", made.holder),
        proposition=_named("proposition", made.proposition),
        axis=pl.lit("step"),
        time=pl.col("step").cast(pl.Float64()),
        readout=pl.lit("stated"),
        log_odds=(pl.col("credence") / (1 - pl.col("credence"))).log(),
        credence=pl.col("credence"),
        n=pl.lit(1, dtype=pl.Int64()),
        extra=pl.lit("{}"),
    )
    if case["do"] == "as of":
        latest = [
            frame.lazy()
            .filter(pl.col("time") <= float(step))
            .group_by(HOLDER)
            .agg(pl.col("time", "credence").sort_by("time").last())
            for step in asked_steps(case)
        ]
        return lambda: [in_any_order(one.collect()["credence"].to_numpy()) for one in latest]
    about = frame.lazy().filter(pl.col("proposition") == f"proposition {ASKED:04d}").sort([*HOLDER, "time"])
    return lambda: in_order(about.collect()["credence"].to_numpy())


def _named(word: str, numbers: np.ndarray) -> pl.Series:
    return pl.Series([f"{word} {number:04d}" for number in range(int(numbers.max()) + 1)]).gather(numbers)


if __name__ == "__main__":
    serve(prepare, packages=("polars",))

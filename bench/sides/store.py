"""doxa's side: ``beliefs_as_of`` and ``trajectory`` on tables in memory, and what a cell takes on disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kit.side import Work, serve
from sides.store_rows import ASKED, asked_steps, in_any_order, in_order, rows

import doxa
from doxa.belief.log_odds import log_odds_of
from doxa.lab.record import SCHEMAS, Tables
from doxa.lab.store import RunFolder


def prepare(case: dict[str, Any]) -> Work:
    if case["do"] == "size":
        return lambda: _bytes_per_row(case)
    tables = _tables(case, rows(case).credence)
    if case["do"] == "as of":
        steps = [float(step) for step in asked_steps(case)]
        return lambda: [
            in_any_order(doxa.beliefs_as_of(tables, time=step)["credence"].to_numpy()) for step in steps
        ]
    name = f"proposition {ASKED:04d}"
    return lambda: in_order(doxa.trajectory(tables, proposition=name)["credence"].to_numpy())


def _tables(case: dict[str, Any], credence: np.ndarray) -> Tables:
    made = rows(case)
    count = len(made.step)
    beliefs = pl.DataFrame(
        {
            "condition": pl.repeat("base", count, eager=True),
            "seed": pl.repeat(0, count, eager=True, dtype=pl.Int64()),
            "subject": _named("agent", made.holder),
            "proposition": _named("proposition", made.proposition),
            "axis": pl.repeat("step", count, eager=True),
            "time": made.step.astype(np.float64),
            "readout": pl.repeat("stated", count, eager=True),
            "log_odds": log_odds_of(credence),
            "credence": credence,
            "n": pl.repeat(1, count, eager=True, dtype=pl.Int64()),
            "extra": pl.repeat("{}", count, eager=True),
        },
        schema=SCHEMAS["beliefs"],
    )
    return Tables.empty()._replace(beliefs=beliefs)


def _named(word: str, numbers: np.ndarray) -> pl.Series:
    return pl.Series([f"{word} {number:04d}" for number in range(int(numbers.max()) + 1)]).gather(numbers)


def _bytes_per_row(case: dict[str, Any]) -> dict[str, float]:
    """Write a cell with credences in percent, as stated in words, and one with credences of all digits."""
    fine = rows(case).credence
    found: dict[str, float] = {}
    for name, credence in (("in percent", np.round(fine, 2)), ("of all digits", fine)):
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder))
            run.write("cell", {}, _tables(case, credence))
            found[name] = (run.cells / "cell" / "beliefs.parquet").stat().st_size / len(fine)
    return found


if __name__ == "__main__":
    serve(prepare, packages=("polars", "numpy"))

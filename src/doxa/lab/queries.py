"""Questions to the record: what each holder believed at a time, and how one proposition moved.

A holder of a belief is a subject with one proposition in one condition and seed, on one axis and by one readout.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from doxa.errors import InputError
from doxa.lab.record import AXES, READOUTS, Axis, Readout, Tables
from doxa.lab.store import find_run

Source: TypeAlias = Tables | str | os.PathLike[str]
"""Tables, or a finished run by folder or name; of a run, one cell after another is read."""

HOLDER = ("condition", "seed", "subject", "proposition", "axis", "readout")
"""The columns that say whose belief it is and about what."""


def beliefs_as_of(
    source: Source,
    *,
    time: float,
    axis: Axis | None = None,
    readout: Readout | None = None,
    out: Path | str = "runs",
) -> pl.DataFrame:
    """Return what each holder believed at a time: the last of its beliefs that is not later.

    A holder without a belief by then has no row. Of several beliefs at the same time the one recorded last counts.
    A belief that could not be read counts as well: from then on the holder's credence is missing, not the old one.

    Args:
        source: tables, or a finished run.
        time: on the axis of the rows, in its own unit; beliefs at this very time count.
        axis: only beliefs on this axis; all by default, each with the same ``time``.
        readout: only beliefs by this readout; all by default.
        out: folder that holds the runs.

    Returns:
        Rows of the table of beliefs, at most one per holder, in the order of the record.

    Raises:
        InputError: the time is NaN, the axis or readout is unknown, or there is no such run.
        StoreError: a file of the run is damaged, or a cell is missing.
    """
    if time != time:
        raise InputError("time=nan: must be a number; use inf for the last belief of each holder")
    return _read(source, _selection(axis, readout), functools.partial(_last, time=time), out)


def trajectory(
    source: Source,
    *,
    proposition: str,
    axis: Axis | None = None,
    readout: Readout | None = None,
    out: Path | str = "runs",
) -> pl.DataFrame:
    """Return all beliefs about one proposition, holder by holder, each in the order of time.

    Beliefs at the same time stay in the order in which they were recorded; missing ones are kept.

    Args:
        source: tables, or a finished run.
        proposition: id of the proposition.
        axis: only beliefs on this axis; all by default.
        readout: only beliefs by this readout; all by default.
        out: folder that holds the runs.

    Returns:
        Rows of the table of beliefs, sorted by holder and time; none if nobody was asked about the proposition.

    Raises:
        InputError: the axis or readout is unknown, or there is no such run.
        StoreError: a file of the run is damaged, or a cell is missing.
    """
    about = [*_selection(axis, readout), pl.col("proposition") == proposition]
    rows = _read(source, about, _same, out)
    return rows if rows.is_empty() else rows.sort([*_telling(rows), "time"], maintain_order=True)


def _selection(axis: str | None, readout: str | None) -> list[pl.Expr]:
    for name, value, known in (("axis", axis, AXES), ("readout", readout, READOUTS)):
        if value is not None and value not in known:
            raise InputError(f"{name}={value!r}: must be one of {known}")
    chosen = {"axis": axis, "readout": readout}
    return [pl.col(name) == value for name, value in chosen.items() if value is not None]


def _read(
    source: Source,
    wanted: Sequence[pl.Expr],
    reduce: Callable[[pl.DataFrame], pl.DataFrame],
    out: Path | str,
) -> pl.DataFrame:
    """Reduce the wanted rows; of a run cell by cell, so that no more than one cell and the result are in memory."""
    if isinstance(source, Tables):
        return reduce(source.beliefs.filter(*wanted) if wanted else source.beliefs)
    run = find_run(source, Path(out))
    parts = [reduce(run.read_table(key, "beliefs").filter(*wanted)) for key in run.finished_cells()]
    return reduce(pl.concat([Tables.empty().beliefs, *parts]))


def _same(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def _holder(rows: pl.DataFrame) -> list[str]:
    """Return the columns of a holder; where rows of several runs stand together, the run is one of them."""
    return [name for name in ("run", *HOLDER) if name in rows.columns]


def _last(rows: pl.DataFrame, *, time: float) -> pl.DataFrame:
    """Return each holder's last row by time, then by place, that is not later than ``time``."""
    times = rows["time"].to_numpy()
    in_order = bool((times[1:] >= times[:-1]).all())
    if in_order:
        rows = rows.head(int(np.searchsorted(times, time, side="right")))
    if rows.is_empty():
        return rows
    holder = _telling(rows)
    places = rows.lazy().select(*holder, "time").with_row_index("place")
    if in_order:
        latest = places.group_by(holder).agg(pl.last("place"))
    else:
        # the first of several greatest times is taken, so that from behind it is the one recorded last
        latest = (
            places.filter(pl.col("time") <= time)
            .reverse()
            .group_by(holder)
            .agg(pl.col("place").get(pl.col("time").arg_max()))
        )
    return rows[latest.select(pl.col("place").sort()).collect()["place"]]


def _telling(rows: pl.DataFrame) -> list[str]:
    """Return the columns by which holders differ here; the others would only cost time."""
    columns = _holder(rows)
    ends = rows.select(columns).row(0), rows.select(columns).row(-1)
    telling = {name for name, first, last in zip(columns, *ends, strict=True) if first != last}
    alike = rows.select(
        pl.col(name).eq_missing(pl.col(name).first()).all() for name in columns if name not in telling
    )
    telling |= {column.name for column in alike if not column[0]}
    return [name for name in columns if name in telling] or columns[:1]

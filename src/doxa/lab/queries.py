"""Questions to the record: what each holder believed at a time, and how one proposition moved.

A holder of a belief is a subject with one proposition in one condition and seed, on one axis and by one readout.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, cast

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
    return rows.sort([*_holder(rows), "time"], maintain_order=True)


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
    places = (
        np.arange(np.searchsorted(times, time, side="right")) if in_order else np.flatnonzero(times <= time)
    )
    if not places.size:
        return rows.clear()
    holders = rows.select(_holder(rows))
    codes, count = _holder_codes(holders.head(places.size) if in_order else holders[places])
    # Of equal codes the last assignment stands: one pass finds the last row of each holder.
    last = np.full(count, -1)
    last[codes] = places
    if not in_order:
        # Where that row is not a holder's latest, the pass is made again over the later ones, in the order of time.
        later = np.flatnonzero(times[places] > times[last[codes]])
        later = later[np.argsort(times[places[later]], kind="stable")]
        last[codes[later]] = places[later]
    return rows[np.sort(last[last >= 0])]


def _holder_codes(holders: pl.DataFrame) -> tuple[np.ndarray, int]:
    """Return a whole number for each row, equal for rows of one holder, and how many numbers there may be."""
    codes, count = np.zeros(1, dtype=np.int64), 1
    for column in holders:
        if not column.null_count() and (column == column[0]).all():
            continue
        own, many = _codes(column)
        codes = codes * many + own
        count *= many
        if count > max(4 * len(column), 65_536):
            codes, count = _dense(codes)
    return np.broadcast_to(codes, holders.height), count


def _codes(column: pl.Series) -> tuple[np.ndarray, int]:
    """Return a whole number for each value of a column, equal for equal values, and a bound on them.

    Most columns of a record change rarely from row to row, so that one value of each stretch is looked at.
    """
    stretch = column.rle_id().to_numpy()
    if 8 * (int(stretch[-1]) + 1) > len(column):
        return _values(column)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(stretch)) + 1))
    codes, count = _values(column.gather(starts))
    return codes[stretch], count


def _values(column: pl.Series) -> tuple[np.ndarray, int]:
    if column.dtype == pl.String():
        column = column.cast(pl.Categorical).to_physical()
    low, high = cast(tuple[int, int], (column.min(), column.max()))
    if column.null_count() or high - low > max(4 * len(column), 65_536):
        return _dense(column.rank("dense").fill_null(0).to_numpy())
    return column.to_numpy() - np.int64(low), high - low + 1


def _dense(codes: np.ndarray) -> tuple[np.ndarray, int]:
    values, dense = np.unique(codes, return_inverse=True)
    return dense, len(values)

"""Numbers with intervals as measures, and back from the record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from doxa.belief.inference import Interval
from doxa.lab.record import Recorder


class Estimated(NamedTuple):
    """One recorded number.

    Attributes:
        value: the number; None if it could not be computed.
        interval: its ends, or None.
        n: units it rests on.
        extra: what else was recorded with it.
    """

    value: float | None
    interval: tuple[float, float] | None
    n: int
    extra: Mapping[str, Any]


def record_interval(recorder: Recorder, name: str, found: Interval, *, subject: str, **extra: Any) -> None:
    """Add a number with its interval as a measure."""
    ends = found.ends
    missing = {"missing": "no rows"} if found.estimate != found.estimate else {}
    recorder.measure(
        name,
        found.estimate,
        subject=subject,
        interval=None if ends is None else list(ends),
        n=found.n,
        **missing,
        **extra,
    )


def read_estimates(measures: pl.DataFrame, name: str) -> list[Estimated]:
    """Return all numbers of a name, in the order they were recorded."""
    rows: list[Estimated] = []
    for row in measures.filter(pl.col("measure") == name).iter_rows(named=True):
        extra: dict[str, Any] = json.loads(row["extra"] or "{}")
        ends = extra.pop("interval", None)
        interval = (float(ends[0]), float(ends[1])) if ends else None
        rows.append(Estimated(row["value"], interval, int(extra.pop("n", 0)), extra))
    return rows


def read_estimate(measures: pl.DataFrame, name: str) -> Estimated:
    """Return the number of a name, or an empty one where it was not recorded."""
    found = read_estimates(measures, name)
    return found[0] if found else Estimated(None, None, 0, {"missing": "was not run"})

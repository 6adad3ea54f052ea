"""The internal readout in the record: what was read inside, by which direction, and what its controls read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from doxa.audit.protocol import Reading
from doxa.audit.span import Span
from doxa.belief.inference import bootstrap
from doxa.lab.record import Recorder, Tables

if TYPE_CHECKING:
    from doxa.lens.calibrated import Calibrated

CONTROLS = ("permuted labels", "random direction")


def record_fit(recorder: Recorder, address: str, fitted: Calibrated, place: str) -> None:
    """Record which direction reads and where, and how it and its controls do on what they never saw."""
    record_inner(
        recorder,
        address,
        layer=fitted.reading.layer,
        place=place,
        accuracy={
            "held out": fitted.reading.accuracy,
            CONTROLS[0]: fitted.permuted.accuracy,
            CONTROLS[1]: fitted.random.accuracy,
        },
    )


def record_inner(
    recorder: Recorder, address: str, *, layer: int, place: str, accuracy: Mapping[str, float]
) -> None:
    """Record how a direction does on what it never saw.

    Args:
        recorder: of the cell.
        address: of the subject.
        layer: where it reads, counted from 0.
        place: at which token.
        accuracy: share right on held-out examples, by name: ``held out`` and the controls.
    """
    recorder.measure("inner_layer", layer, subject=address, unit="layer", place=place)
    for name, share in accuracy.items():
        recorder.measure("inner_accuracy", share, subject=address, unit="share", of=name)


def record_no_inner(recorder: Recorder, address: str, reason: str) -> None:
    """Record why nothing was read inside."""
    recorder.measure("inner_layer", None, subject=address, missing=reason)


def inner_absent(tables: Tables) -> str:
    """Return why nothing was read inside, "" if something was."""
    rows = tables.measures.filter(pl.col("measure") == "inner_layer")
    missing = rows["extra"].str.json_path_match("$.missing").drop_nulls()
    if len(missing):
        return str(missing[0])
    return "" if rows.height else "not read"


def inner_readings(
    tables: Tables, rows: pl.DataFrame, rng: np.random.Generator, *, reference: float | None
) -> list[Reading]:
    """Return the card's numbers of the internal readout at the last turn, and those of its controls.

    Args:
        tables: of the subject.
        rows: internal rows with columns ``time``, ``share``, ``cluster`` and ``control`` (null for what was read).
        rng: source of the resamples.
        reference: where the reading would be if nothing were wrong.
    """
    absent = inner_absent(tables)
    if absent:
        return [Reading("inside", "inside", None, readout="internal", reference=reference, note=absent)]
    last = rows.filter(pl.col("time") == pl.col("time").max(), pl.col("share").is_not_null())
    mine = last.filter(pl.col("control").is_null())
    out = [replace(_reading("inside", "inside", mine, rng, _fit_note(tables)), reference=reference)]
    for name in CONTROLS:
        mine = last.filter(pl.col("control") == name)
        if mine.height:
            label = f"inside, {name}"
            control = _reading(f"inside_{name.replace(' ', '_')}", label, mine, rng, "control")
            out.append(replace(control, shown=False))
    return out


def _reading(name: str, label: str, rows: pl.DataFrame, rng: np.random.Generator, note: str) -> Reading:
    span = None
    if rows.height > 1:
        span = Span.of(bootstrap(rows["share"].to_numpy(), clusters=rows["cluster"].to_list(), rng=rng))
    return Reading(name, label, span, readout="internal", note=note)


def _fit_note(tables: Tables) -> str:
    """Return where it was read and how the direction did on what it never saw."""
    read = tables.measures.filter(pl.col("measure") == "inner_layer")
    layers = read["value"].unique().sort().to_list()
    place = read["extra"].str.json_path_match("$.place").first()
    rows = tables.measures.filter(pl.col("measure") == "inner_accuracy").with_columns(
        of=pl.col("extra").str.json_path_match("$.of")
    )
    shares = rows.group_by("of", maintain_order=True).agg(pl.col("value").mean())
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.iter_rows())
    where = f"{place}, layer {', '.join(f'{layer:.0f}' for layer in layers)}"
    return f"{where}; right on examples it never saw: {told}"

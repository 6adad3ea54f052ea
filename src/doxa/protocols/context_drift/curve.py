"""Shift against the length of the context: rounds of a conversation, or words of a reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.errors import InputError
from doxa.protocols.context_drift.asking import Contexts, MeasureOptions
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.measuring import measure
from doxa.protocols.context_drift.shifts import PROBES, shift
from doxa.streams import stream
from doxa.subjects.base import Subject

CURVE: dict[str, pl.DataType] = {
    "length": pl.Int64(),
    "probe": pl.String(),
    "shift": pl.Float64(),
    "floor": pl.Float64(),
    "net_shift": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "directional": pl.Float64(),
    "likert_delta": pl.Float64(),
    "n": pl.Int64(),
}
"""Columns of a length curve; shifts in percent, ``low`` and ``high`` the 95 % interval of ``net_shift``."""


def length_curve(
    model: Subject,
    items: Sequence[BeliefItem],
    context_at: Callable[[int], Contexts],
    lengths: Sequence[int],
    *,
    pre: pl.DataFrame | None = None,
    sides: Mapping[str, int] | None = None,
    probes: Sequence[str] = PROBES,
    options: MeasureOptions | None = None,
    rng: np.random.Generator | None = None,
) -> pl.DataFrame:
    """Return the shift of label and behaviour after contexts of several lengths.

    Args:
        model: who is asked.
        items: the battery.
        context_at: the contexts of one length, by item id: for a conversation ``cut_rounds`` of the longest one,
            for a reading what ``Reading(texts, max_words=length)`` gives.
        lengths: rounds or words, rising, each >= 1.
        pre: baseline with two passes; measured here if None.
        sides: the side each item's context argues for.
        probes: what to ask.
        options: how to ask.
        rng: source of the bootstrap.

    Raises:
        InputError: no lengths, or not rising from 1.
    """
    if not lengths or lengths[0] < 1 or list(lengths) != sorted(set(lengths)):
        raise InputError(f"lengths={tuple(lengths)}: must rise, from 1 on")
    rng = stream(0, "context-drift", "curve") if rng is None else rng
    if pre is None:
        pre = measure(model, items, None, probes, passes=2, options=options)
    rows: list[dict[str, Any]] = []
    for length in lengths:
        post = measure(model, items, context_at(length), probes, first_pass=2, options=options)
        for probe in ("label", "behavior"):
            if probe not in probes:
                continue
            found = shift(pre, post, sides=sides, probe=probe, rng=rng)
            low, high = found.ci or (None, None)
            rows.append(
                {
                    "length": length,
                    "probe": probe,
                    **{
                        name: getattr(found, name)
                        for name in ("shift", "floor", "net_shift", "directional", "likert_delta", "n")
                    },
                    "low": low,
                    "high": high,
                }
            )
    return pl.DataFrame(rows, schema=CURVE).with_columns(pl.col(pl.Float64).fill_nan(None))

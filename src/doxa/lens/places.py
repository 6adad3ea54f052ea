"""Which tokens of a row are meant: a position, or a span whose mean is taken, for all rows or for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError

Place: TypeAlias = int | slice
"""A position among a row's own tokens, negative from its end; a slice is the mean over a span."""

Places: TypeAlias = Place | Sequence[Place | Sequence[Place]] | Int[np.ndarray, "*rows"]
"""One place for all rows, or one entry for each row: a place, or several (the same number for every row)."""

Spans: TypeAlias = Int[np.ndarray, "rows places 2"]
"""First position of every place, and the one after its last."""


def spans(places: Places, lengths: Sequence[int]) -> Spans:
    """Return the spans that places mean in rows of these lengths.

    Raises:
        InputError: a place is outside its row, a span is empty, or there is not one entry for each row.
    """
    each = [places] * len(lengths) if isinstance(places, int | np.integer | slice) else list(places)
    if len(each) != len(lengths):
        raise InputError(
            f"places: {len(each)} entries for {len(lengths)} rows; give one place for all, or an entry for each row"
        )
    rows = [_row(entry, length, row) for row, (entry, length) in enumerate(zip(each, lengths, strict=True))]
    counts = sorted({len(row) for row in rows})
    if len(counts) != 1 or counts[0] == 0:
        raise InputError(f"places: rows have {counts} of them; give every row the same number, at least one")
    return np.array(rows, dtype=np.int64)


def _row(entry: Any, length: int, row: int) -> list[tuple[int, int]]:
    several = [entry] if isinstance(entry, int | np.integer | slice) else list(entry)
    return [_span(place, length, row) for place in several]


def _span(place: Any, length: int, row: int) -> tuple[int, int]:
    if isinstance(place, slice):
        if place.step not in (None, 1):
            raise InputError(f"places: {place} has a step; a span is every token from start to stop")
        start, stop, _ = place.indices(length)
        if stop <= start:
            raise InputError(f"places: {place} holds no token of row {row}, which has {length}")
        return start, stop
    position = int(place)
    if not -length <= position < length:
        raise InputError(f"places: position {position} is outside row {row}, which has {length} tokens")
    return position % length, position % length + 1

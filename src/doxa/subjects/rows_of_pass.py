"""Which rows a forward pass holds: who runs the pass says so, and who hooks into the model can ask.

A hook sees tensors. Whether a row's prompt ends at token 12, or which of a thousand rows stands in place 3 of this
batch, only the caller knows.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class RowsOfPass:
    """What is known of the rows of the passes under way, in the order of the batch.

    Attributes:
        prompt_lengths: tokens of each row's prompt, where the rest is generated.
        indices: the place of each row in the list that the caller was given; empty where a pass holds
            what stands before all of them.
        lengths: tokens of each row at the end of the pass, where rows are padded on the right without a mask.
    """

    prompt_lengths: Sequence[int] | None = None
    indices: Sequence[int] | None = None
    lengths: Sequence[int] | None = None


_CURRENT: ContextVar[RowsOfPass | None] = ContextVar("rows_of_pass", default=None)


@contextmanager
def rows_of_pass(rows: RowsOfPass) -> Generator[None]:
    """Say for the duration of a block which rows the forward passes hold."""
    token = _CURRENT.set(rows)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_rows() -> RowsOfPass | None:
    """Return what was said of the passes under way, None where nobody said anything."""
    return _CURRENT.get()

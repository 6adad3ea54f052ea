"""Rows of token ids: checked, put into batches of about one length, and sent through a model without its head.

Rows are padded on the right and carry no mask: in a causal model nothing sees what stands behind it. A prefix that
stands before all rows is computed once, and its keys and values are shown to every batch.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Int
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from doxa.errors import ContextError, InputError
from doxa.subjects.rows_of_pass import RowsOfPass, rows_of_pass
from doxa.subjects.transformers_loading import undisturbed

Row: TypeAlias = Sequence[int] | Int[np.ndarray, " _"]
"""Token ids of one sequence, without padding."""

GPU_TOKENS = 32768
CPU_NUMBERS = 2**18
"""A processor is fastest where a pass's tokens times the width stay in its cache: by a tenth at width 512."""

BATCH_ROWS = 512

PAST_SHARE = 8
"""How many tokens of the past may stand behind one of a batch, because each row gets its own copy of them."""

PADDING_TOKENS = 128
"""Padding that costs less than one more pass."""


@dataclass(frozen=True)
class Batch:
    """Rows that go through the model side by side.

    Attributes:
        indices: their places in the list that was given.
        tokens: their ids, padded on the right with 0.
        lengths: how many are their own.
    """

    indices: Int[np.ndarray, " rows"]
    tokens: Int[np.ndarray, "rows width"]
    lengths: Int[np.ndarray, " rows"]


def checked_rows(model: Any, rows: Sequence[Row], prefix: Row | None = None) -> list[Int[np.ndarray, " _"]]:
    """Return the rows as arrays.

    Raises:
        InputError: there is no row, one is empty, or an id is not in the vocabulary.
        ContextError: a row with its prefix is longer than the model takes.
    """
    if len(rows) == 0:
        raise InputError("rows=[]: give at least one row of token ids")
    config = model.config.get_text_config()
    size = int(model.get_input_embeddings().weight.shape[0])
    limit = getattr(config, "max_position_embeddings", None)
    before = 0 if prefix is None else len(prefix)
    arrays: list[Int[np.ndarray, " _"]] = []
    for place, row in enumerate(rows):
        ids = np.asarray(row)
        if ids.ndim != 1 or len(ids) == 0 or ids.dtype.kind not in "iu":
            raise InputError(f"rows[{place}]: must be a sequence of at least one token id, found {row!r:.60}")
        outside = ids[(ids < 0) | (ids >= size)]
        if len(outside):
            raise InputError(
                f"rows[{place}]: token id {outside[0]} is not in the vocabulary of {size}; rows carry no padding"
            )
        if isinstance(limit, int) and 0 < limit < len(ids) + before:
            raise ContextError(
                f"rows[{place}]: {len(ids) + before} tokens with its prefix; the model takes {limit}"
            )
        arrays.append(ids.astype(np.int64, copy=False))
    return arrays


def batches(rows: Sequence[Int[np.ndarray, " _"]], batch_tokens: int, past: int = 0) -> Iterator[Batch]:
    """Yield the rows in batches of at most ``batch_tokens`` places, padding included; the longest come first.

    A row that is longer than that stands alone. Behind a prefix of ``past`` tokens a batch looks back on at most
    ``PAST_SHARE`` times as many.
    """
    left = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
    while left:
        width = len(rows[left[0]])
        most = min(BATCH_ROWS, batch_tokens // width, PAST_SHARE * batch_tokens // (past + width))
        taken = _together(rows, left[: max(1, most)])
        yield _batch(rows, left[:taken], width)
        del left[:taken]


def _together(rows: Sequence[Int[np.ndarray, " _"]], places: Sequence[int]) -> int:
    """Return how many of these rows, the longest first, go into one pass before padding costs more than another."""
    width = len(rows[places[0]])
    padding = 0
    for count, place in enumerate(places):
        padding += width - len(rows[place])
        if padding > PADDING_TOKENS + width * (count + 1) // 16:
            return count
    return len(places)


def _batch(rows: Sequence[Int[np.ndarray, " _"]], places: Sequence[int], width: int) -> Batch:
    tokens = np.zeros((len(places), width), dtype=np.int64)
    for line, place in enumerate(places):
        tokens[line, : len(rows[place])] = rows[place]
    lengths = np.array([len(rows[place]) for place in places])
    return Batch(np.array(places), tokens, lengths)


def device_of(model: Any) -> torch.device:
    """Return where a model takes its token ids; ``model.device`` goes through its parameters to find out."""
    return model.get_input_embeddings().weight.device


def batch_size(model: Any, batch_tokens: int | None) -> int:
    """Return how many tokens one pass holds.

    Raises:
        InputError: fewer than one.
    """
    if batch_tokens is not None:
        if batch_tokens < 1:
            raise InputError(f"batch_tokens={batch_tokens}: must be >= 1")
        return batch_tokens
    weight = model.get_input_embeddings().weight
    return GPU_TOKENS if weight.device.type == "cuda" else min(4096, max(512, CPU_NUMBERS // weight.shape[1]))


class Prefix:
    """Keys and values of what stands before every row, computed once.

    Attributes:
        length: tokens that the cache holds; 0 where the model's cache cannot be shared.
        repeated: tokens that have to stand before each row again, where nothing can be shared.
    """

    def __init__(self, model: Any, tokens: Row | None) -> None:
        self._cache: Any = None
        self.length = 0
        self.repeated = np.array([] if tokens is None else tokens, dtype=np.int64)
        if len(self.repeated) == 0 or not _takes_cache(model):
            return
        ids = torch.from_numpy(self.repeated[None]).to(device_of(model))
        with undisturbed(model), rows_of_pass(RowsOfPass(indices=())):
            cache = model.get_decoder()(input_ids=ids, use_cache=True).past_key_values
        if _shareable(cache):
            self._cache, self.length = cache, len(self.repeated)
            self.repeated = self.repeated[:0]

    def cache(self, rows: int) -> Any:
        """Return a cache in which every one of ``rows`` rows has the prefix behind it, None without one.

        Keys and values are views of the one computed prefix until a layer adds to them, which copies.
        """
        if self._cache is None:
            return None
        shown = copy.copy(self._cache)
        shown.layers = [copy.copy(layer) for layer in self._cache.layers]
        for layer in shown.layers:
            layer.keys = layer.keys.expand(rows, *layer.keys.shape[1:])
            layer.values = layer.values.expand(rows, *layer.values.shape[1:])
        return shown


def _takes_cache(model: Any) -> bool:
    return "past_key_values" in inspect.signature(model.get_decoder().forward).parameters


def _shareable(cache: Any) -> bool:
    """Whether every layer only ever appends to its keys and values."""
    kinds = (DynamicLayer, DynamicSlidingWindowLayer)
    layers: list[Any] = cache.layers if type(cache) is DynamicCache else []
    return bool(layers) and all(type(layer) in kinds and layer.is_initialized for layer in layers)

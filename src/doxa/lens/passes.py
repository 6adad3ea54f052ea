"""The forward pass under way, and the absolute position of every token in it.

Positions count a row's own tokens from 0, padding left out. They mean the same whether a row comes whole, in parts
with a key-value cache, or padded on either side.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch.utils.hooks import RemovableHandle

from doxa.subjects.rows_of_pass import RowsOfPass, current_rows


class Pass:
    """One forward pass of a decoder, as seen before it starts.

    Attributes:
        rows: what the caller said of its rows, or None.
        past: tokens that stand in the key-value cache, padding included.
    """

    def __init__(self, inputs: dict[str, Any]) -> None:
        self.rows: RowsOfPass | None = current_rows()
        self._inputs = inputs
        cache = inputs.get("past_key_values")
        # read now: the blocks will add to the cache
        self.past = 0 if cache is None else int(cache.get_seq_length())
        self._masks: dict[int, torch.Tensor | None] = {}

    @cached_property
    def positions(self) -> Int[torch.Tensor, "rows tokens"]:
        """The position of each token in its row; -1 for padding."""
        tokens = self._tokens
        count, width = int(tokens.shape[0]), int(tokens.shape[1])
        counted = self.past + torch.arange(width, device=tokens.device).expand(count, width)
        if self.rows is not None and self.rows.lengths is not None:
            ends = torch.tensor(list(self.rows.lengths), device=tokens.device)
            return torch.where(counted < ends[:, None], counted, -1)
        mask, given = self._inputs.get("attention_mask"), self._inputs.get("position_ids")
        if isinstance(mask, torch.Tensor) and mask.ndim == 2 and mask.shape[1] >= width:
            seen = mask.to(tokens.device) != 0
            return torch.where(seen, seen.cumsum(dim=1) - 1, -1)[:, -width:]
        if isinstance(given, torch.Tensor):
            flat = given if given.ndim == 2 else given[0]
            return flat.to(tokens.device).expand(count, width)
        return counted

    @cached_property
    def lengths(self) -> Int[torch.Tensor, " rows"]:
        """Tokens of each row up to the end of this pass."""
        return self.positions.amax(dim=1) + 1

    def once(self, key: object, make: Callable[[Pass], torch.Tensor | None]) -> torch.Tensor | None:
        """Return what ``make`` made of this pass the first time it was asked for under the key."""
        if id(key) not in self._masks:
            self._masks[id(key)] = make(self)
        return self._masks[id(key)]

    @property
    def _tokens(self) -> torch.Tensor:
        """Something with a row and a column for each token."""
        ids = self._inputs.get("input_ids")
        return self._inputs["inputs_embeds"] if ids is None else ids


class Watch:
    """Keeps the pass under way of one decoder, while it is attached."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._names = tuple(inspect.signature(decoder.forward).parameters)
        self._current: Pass | None = None

    @property
    def current(self) -> Pass:
        """The pass under way."""
        if self._current is None:
            raise RuntimeError("no forward pass is under way")
        return self._current

    def attach(self) -> RemovableHandle:
        """Hook the watch to its decoder."""

        def hook(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            del module
            self._current = Pass(dict(zip(self._names, arguments, strict=False)) | named)

        return self._decoder.register_forward_pre_hook(hook, with_kwargs=True)

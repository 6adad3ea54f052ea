"""Keys and values of the scoring tree: what trunks leave behind, put before the rows that continue them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache

from doxa.subjects.scoring_rows import Row


class State(NamedTuple):
    """Keys and values a trunk left behind, one pair per layer, each ``[heads, tokens, width]``."""

    layers: list[tuple[torch.Tensor, torch.Tensor]]


class TreeCache(DynamicCache):
    """Puts the pasts' keys and values before those of the rows; keeps the new ones only where asked.

    Args:
        rows: a batch, its rows padded on the left to the longest.
        keep: whether later rows continue these.
    """

    def __init__(self, rows: Sequence[Row], *, keep: bool) -> None:
        super().__init__()
        pasts = [row.plan.past for row in rows]
        self._paths = [[] if past is None else past.path() for past in pasts]
        if all(past == pasts[0] for past in pasts):
            self._paths = self._paths[:1]
        self.past_length = max(row.plan.past_length for row in rows)
        self._keep = keep
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._room: list[torch.Tensor] = []

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002  # every layer holds the same past
        """Return how many past positions stand before the rows, padding included."""
        return self.past_length

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return past and new keys and values of one layer, ``[rows, heads, past + new, width]``.

        They are good until the next layer asks, which writes into the same memory.
        """
        del args, kwargs
        if self._keep:
            self._kept[layer_idx] = (key_states, value_states)
        if self.past_length == 0:
            return key_states, value_states
        new = (key_states, value_states)
        if [room.shape[:2] + room.shape[3:] for room in self._room] != [
            part.shape[:2] + part.shape[3:] for part in new
        ]:
            # past places that a shorter row does not fill are never seen, but must be finite
            self._room = [
                part.new_zeros(*part.shape[:2], self.past_length + part.shape[2], part.shape[3])
                for part in new
            ]
        for part, room in enumerate(self._room):
            self._fill(room, new[part], layer_idx, part)
        return self._room[0], self._room[1]

    def _fill(self, room: torch.Tensor, new: torch.Tensor, layer: int, part: int) -> None:
        for row, path in enumerate(self._paths):
            target = room if len(self._paths) == 1 else room[row]
            start = 0
            for past in path:
                state: State = past.trunk.state
                target[..., start : start + past.tokens, :] = state.layers[layer][part][:, : past.tokens]
                start += past.tokens
        room[..., self.past_length :, :] = new

    def state(self, row: int, padding: int, kept: int) -> State:
        """Return what the first ``kept`` tokens of a row leave for those that continue it."""
        stop = padding + kept
        return State(
            [
                (keys[row, :, padding:stop].clone(), values[row, :, padding:stop].clone())
                for _, (keys, values) in sorted(self._kept.items())
            ]
        )

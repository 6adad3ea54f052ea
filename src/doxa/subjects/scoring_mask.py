"""Who sees whom in a batch of rows of the scoring tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from doxa.subjects.scoring_rows import Past, Row


def padded(parts: Sequence[Int[np.ndarray, " _"]], size: int, fill: int) -> Int[torch.Tensor, "rows n"]:
    """Stack arrays of different lengths, filled up on the left."""
    out = np.full((len(parts), size), fill, dtype=np.int64)
    for line, part in zip(out, parts, strict=True):
        line[size - len(part) :] = part
    return torch.from_numpy(out)


@dataclass
class Masks:
    """Builds attention masks in the form that one model wants.

    Args:
        model: the model, which is only read.
    """

    model: Any

    def __post_init__(self) -> None:
        config = self.model.config.get_text_config()
        self.layer_types: list[str] | None = getattr(config, "layer_types", None)
        window: int | None = getattr(config, "sliding_window", None)
        slides = self.layer_types is None or "sliding_attention" in self.layer_types
        self.window = window if slides else None
        """How far a sliding layer looks back, in tokens; None where there is none."""

    def of(
        self, rows: Sequence[Row], longest: int, past: int
    ) -> torch.Tensor | dict[str, torch.Tensor] | None:
        """Return the mask of rows padded to ``longest`` behind ``past`` places, ``[rows, 1, new, past + new]``.

        Rows that need none, because each token sees all before it, get none: the model's own causal attention
        does half the work.
        """
        if past == 0 and all(row.plan.spine and len(row.tokens) == longest for row in rows):
            return None
        device = self.model.device
        # padding has an empty interval, so nobody sees it; it sees itself, so that its softmax is finite
        enter = padded([row.enter for row in rows], longest, -1).to(device)
        leave = padded([row.leave for row in rows], longest, -2).to(device)
        own = (enter[:, None, :] <= enter[:, :, None]) & (enter[:, :, None] <= leave[:, None, :])
        own |= torch.eye(longest, dtype=torch.bool, device=device)
        before = torch.from_numpy(np.stack([_past_positions(row.plan.past, past) for row in rows])).to(device)
        seen = torch.cat([(before >= 0)[:, None, :].expand(-1, longest, -1), own], dim=2)
        if self.window is None:
            return self._added(seen)
        position = padded([row.positions for row in rows], longest, 0).to(device)
        near = torch.cat([before, position], dim=1)[:, None, :] > (position - self.window)[:, :, None]
        if self.layer_types is None:
            return self._added(seen & near)
        return {"full_attention": self._added(seen), "sliding_attention": self._added(seen & near)}

    def _added(self, seen: torch.Tensor) -> torch.Tensor:
        """Return a mask that is added to the scores: once for all layers, where a boolean one is converted in each."""
        dtype = self.model.dtype
        hidden = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=seen.device)
        return torch.where(seen, torch.zeros((), dtype=dtype, device=seen.device), hidden)[:, None]


def _past_positions(past: Past | None, size: int) -> Int[np.ndarray, " past"]:
    """Return the position of each past token, -1 where there is none; padding stands on the right."""
    out = np.full(size, -1, dtype=np.int64)
    if past is not None:
        out[: past.length] = np.concatenate([piece.trunk.positions[: piece.tokens] for piece in past.path()])
    return out

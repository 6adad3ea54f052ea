"""Head ablation: the output of one attention head is replaced before the heads are mixed."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from doxa.errors import InputError
from doxa.lens.anatomy import anatomy
from doxa.lens.capture import stream_activations
from doxa.lens.hooks import edit_input
from doxa.lens.rows import Row
from doxa.subjects.alterations import altered


@contextmanager
def ablated_head(
    model: Any, layer: int, head: int, value: Literal["zero"] | Float[np.ndarray, " head_width"] = "zero"
) -> Generator[None]:
    """Replace what one head of one layer puts out, at every token, while the block runs.

    Args:
        model: a causal model of transformers.
        layer: its block, counted from 0.
        head: the query head, counted from 0.
        value: "zero", or what stands in its place, such as a row of ``head_means``.

    Raises:
        InputError: no such layer or head, the value has another width, or the heads are not found in this model.
    """
    projection, heads = _heads(model, layer)
    if not 0 <= head < heads:
        raise InputError(f"head={head}: must be in 0..{heads - 1}")
    given = None if isinstance(value, str) else torch.from_numpy(np.asarray(value, dtype=np.float32))
    if isinstance(value, str) and value != "zero":
        raise InputError(f"value={value!r}: must be 'zero' or an array")

    def edit(mixed: torch.Tensor) -> torch.Tensor:
        width = mixed.shape[-1] // heads
        if given is not None and given.shape != (width,):
            raise InputError(f"value of shape {tuple(given.shape)}: a head of this model puts out ({width},)")
        changed = mixed.clone()
        changed[..., head * width : (head + 1) * width] = 0.0 if given is None else given.to(mixed.device)
        return changed

    handle = edit_input(projection, edit)
    said = "zero" if given is None else hashlib.sha256(given.numpy().tobytes()).hexdigest()
    try:
        with altered(model, f"{said} for head {head} of layer {layer}"):
            yield
    finally:
        handle.remove()


def head_means(
    model: Any, rows: Sequence[Row], layer: int, *, batch_tokens: int | None = None
) -> Float[np.ndarray, "heads head_width"]:
    """Return the mean output of each head of a layer at the last token of rows, before the heads are mixed.

    Raises:
        InputError: no such layer, or the heads are not found in this model.
    """
    projection, heads = _heads(model, layer)
    kept: list[torch.Tensor] = []
    total: Any = 0.0
    handle = edit_input(projection, kept.append)
    try:
        for part in stream_activations(model, rows, {}, batch_tokens=batch_tokens):
            mixed = kept.pop()
            ends = torch.tensor([len(rows[row]) - 1 for row in part.rows], device=mixed.device)
            last = mixed[torch.arange(len(ends), device=mixed.device), ends]
            total = total + last.double().sum(dim=0).cpu().numpy()
    finally:
        handle.remove()
    return (np.asarray(total) / len(rows)).astype(np.float32).reshape(heads, -1)


def _heads(model: Any, layer: int) -> tuple[nn.Module, int]:
    """Return the matrix that mixes the heads of a layer, and how many it mixes."""
    known = anatomy(model)
    known.require([layer], "attention")
    heads = getattr(model.config.get_text_config(), "num_attention_heads", None)
    if not known.projections or not isinstance(heads, int):
        raise InputError(
            f"{type(model).__name__}: no matrix was found that maps the heads to what attention returns"
        )
    return known.projections[layer], heads

"""The logit lens: what a model would say if the stream at a layer went straight to its head (nostalgebraist, 2020)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.lens.anatomy import anatomy
from doxa.lens.capture import Wanted, stream_activations
from doxa.lens.rows import Row
from doxa.subjects.transformers_loading import undisturbed


@overload
def lens_logits(
    model: Any, hidden: Float[np.ndarray, "*shape width"], *, final_norm: bool = True
) -> Float[np.ndarray, "*shape vocabulary"]: ...
@overload
def lens_logits(
    model: Any, hidden: Float[torch.Tensor, "*shape width"], *, final_norm: bool = True
) -> Float[torch.Tensor, "*shape vocabulary"]: ...
def lens_logits(
    model: Any,
    hidden: Float[np.ndarray, "*shape width"] | Float[torch.Tensor, "*shape width"],
    *,
    final_norm: bool = True,
) -> Float[np.ndarray, "*shape vocabulary"] | Float[torch.Tensor, "*shape vocabulary"]:
    """Return W_U · LN_final(h) of residual vectors h, in float32; at the last layer these are the model's own logits.

    The model's own code makes them, so that soft caps and scales behind the head are in them.

    Args:
        model: a causal model of transformers.
        hidden: residual vectors of any layer, as captured; an array gives an array.
        final_norm: whether the final norm stands before the head.

    Raises:
        InputError: the width is not the model's.
    """
    known = anatomy(model)
    given = torch.from_numpy(np.ascontiguousarray(hidden)) if isinstance(hidden, np.ndarray) else hidden
    if given.shape[-1] != known.width:
        raise InputError(f"hidden has width {given.shape[-1]}, the model's residual stream {known.width}")
    flat = given.reshape(1, -1, known.width)
    with undisturbed(model):
        stream = flat.to(model.device, model.dtype)
        logits = _head(model, known.final_norm(stream) if final_norm else stream).float()
    logits = logits.reshape(*given.shape[:-1], -1)
    return logits.cpu().numpy() if isinstance(hidden, np.ndarray) else logits


def logit_lens_margin(
    model: Any,
    rows: Sequence[Row],
    true_ids: Sequence[int] | Int[np.ndarray, " rows"],
    false_ids: Sequence[int] | Int[np.ndarray, " rows"],
    *,
    prefix: Row | None = None,
    batch_tokens: int | None = None,
) -> Float[np.ndarray, "rows depths"]:
    """Return log p(true) - log p(false) in nats at each row's last token, from every depth.

    Args:
        model: a causal model of transformers.
        rows: token ids without padding.
        true_ids: for each row the token whose log-probability counts for it.
        false_ids: the token that counts against.
        prefix: token ids that stand before every row.
        batch_tokens: places of one forward pass.

    Returns:
        One column for the embedding, then one for each block; the last is the model's own margin.

    Raises:
        InputError: not one pair of ids for each row, a pair is one token, or rows, prefix or activations are as
            ``activations`` refuses them.
    """
    for_, against = np.asarray(true_ids), np.asarray(false_ids)
    if not len(for_) == len(against) == len(rows):
        raise InputError(
            f"{len(for_)} true and {len(against)} false ids for {len(rows)} rows; give one of each"
        )
    same = np.flatnonzero(for_ == against)
    if len(same):
        raise InputError(
            f"rows[{same[0]}]: true and false are the same token {for_[same[0]]}; take the first that differs"
        )
    layers = tuple(range(-1, anatomy(model).layers))
    margins = np.empty((len(rows), len(layers)), dtype=np.float32)
    wanted = {"stream": Wanted(layers)}
    for part in stream_activations(model, rows, wanted, prefix=prefix, batch_tokens=batch_tokens):
        depths = part.values["stream"].transpose(1, 2, 0, 3)[0]
        for column, stream in enumerate(depths):
            logits = lens_logits(model, stream)
            line = np.arange(len(part.rows))
            margins[part.rows, column] = logits[line, for_[part.rows]] - logits[line, against[part.rows]]
    return margins


def _head(model: Any, stream: Float[torch.Tensor, "one tokens width"]) -> torch.Tensor:
    """Run all of a model that stands behind its decoder."""
    with _decoder_returns(model.get_decoder(), stream):
        ids = torch.zeros(stream.shape[:2], dtype=torch.long, device=stream.device)
        return model(input_ids=ids, use_cache=False).logits


@contextmanager
def _decoder_returns(decoder: Any, stream: torch.Tensor) -> Generator[None]:
    """Let a decoder return given hidden states instead of computing them.

    A ``forward`` of the decoder's own (such as accelerate's, or a patch) is put back.
    """

    def forward(*arguments: Any, **named: Any) -> _Returned:
        del arguments, named
        return _Returned(stream)

    own = vars(decoder).get("forward")
    decoder.forward = forward
    try:
        yield
    finally:
        del decoder.forward
        if own is not None:
            decoder.forward = own


class _Returned:
    """What every decoder's output has in common; the fields that only some have are None."""

    def __init__(self, stream: torch.Tensor) -> None:
        self.last_hidden_state = stream

    def __getitem__(self, place: int) -> Any:
        return self.last_hidden_state if place == 0 else None

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

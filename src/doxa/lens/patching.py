"""Patching: what stands at a site of a layer is overwritten during forward passes of given rows."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.lens.ablation import ablated_head, head_means
from doxa.lens.anatomy import Site, anatomy
from doxa.lens.capture import next_log_probs
from doxa.lens.passes import Pass, Watch
from doxa.lens.places import Places
from doxa.lens.rows import Row
from doxa.subjects.alterations import altered

__all__ = ["ablated_head", "head_means", "patched", "patched_log_probs"]

Values = Float[np.ndarray, "rows width"] | Float[np.ndarray, "rows positions width"]


@contextmanager
def patched(
    model: Any,
    layer: int,
    values: Values,
    *,
    site: Site = "residual",
    places: Places | Literal["all"] = -1,
) -> Generator[None]:
    """Overwrite a site of a layer during forward passes of exactly these rows.

    The passes may be one's own (the rows in their order, padded on either side with an attention mask) or those of
    ``activations``, ``stream_activations`` and ``logit_lens_margin``, which say themselves which rows they hold.

    Args:
        model: a causal model of transformers.
        layer: output of block ``layer``, counted from 0; -1 is the embedding.
        values: what is written, ``[rows, width]``, or ``[rows, positions, width]`` for several positions.
        site: the residual stream after the block, or the write of its attention or MLP.
        places: positions in each row's own tokens, negative from the end of the row as far as a pass holds it;
            "all" writes position p of ``values`` at position p, as many as a row has.

    Raises:
        InputError: layer, site or width do not fit the model; in a pass, rows or positions do not fit the values.
    """
    known = anatomy(model)
    known.require([layer], site)
    patch = _Patch(np.asarray(values), places, known.width)
    watch = Watch(known.decoder)

    def edit(hidden: torch.Tensor) -> torch.Tensor | None:
        return patch.write(hidden, watch.current)

    written = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    with ExitStack() as stack:
        stack.enter_context(altered(model, f"{written} at {site} of layer {layer}, places {places}"))
        stack.callback(watch.attach().remove)
        stack.callback(known.attach(layer, site, edit).remove)
        yield


def patched_log_probs(
    model: Any,
    rows: Sequence[Row],
    layer: int,
    values: Values,
    *,
    site: Site = "residual",
    places: Places | Literal["all"] = -1,
    read: int = -1,
    batch_tokens: int | None = None,
) -> Float[np.ndarray, "rows vocabulary"]:
    """Return log-probabilities of the next token, in nats, while a site is overwritten (see ``patched``).

    Args:
        model: a causal model of transformers.
        rows: token ids without padding; ``values`` has an entry for each.
        layer: where it is written.
        values: what is written.
        site: residual stream or a write.
        places: at which positions.
        read: position of each row that is read.
        batch_tokens: places of one forward pass.

    Raises:
        InputError: as in ``patched``.
    """
    if len(values) != len(rows):
        raise InputError(f"{len(values)} values for {len(rows)} rows; give one for each")
    with patched(model, layer, values, site=site, places=places):
        return next_log_probs(model, rows, at=read, batch_tokens=batch_tokens)


class _Patch:
    """Values on their way into the passes of their rows."""

    def __init__(self, values: np.ndarray, places: Places | Literal["all"], width: int) -> None:
        if values.ndim not in (2, 3) or values.shape[-1] != width:
            raise InputError(
                f"values of shape {values.shape}: must be (rows, {width}) or (rows, positions, {width})"
            )
        if values.ndim == 2:
            values = values[:, None]
        if isinstance(places, slice):
            raise InputError(
                f"places={places}: a span is read as a mean and cannot be written; name the positions"
            )
        self._values = torch.from_numpy(np.ascontiguousarray(values))
        self._all = isinstance(places, str)
        if isinstance(places, str):
            if places != "all":
                raise InputError(f"places={places!r}: must be positions or 'all'")
            self._places = torch.arange(values.shape[1]).expand(len(values), -1)
        else:
            self._places = torch.from_numpy(_positions(places, *values.shape[:2]))

    def write(self, hidden: torch.Tensor, passing: Pass) -> torch.Tensor | None:
        """Return the hidden states of a pass with the values in their places."""
        picked = self._rows(passing, len(hidden))
        if picked is None:
            return None
        values = self._values[picked].to(hidden.device, hidden.dtype)
        places = self._places[picked].to(hidden.device)
        positions, lengths = passing.positions.to(hidden.device), passing.lengths.to(hidden.device)
        places = torch.where(places < 0, places + lengths[:, None], places)
        if not self._all and bool((places < 0).any()):
            raise InputError("places: a position lies before the start of its row")
        # [rows, positions, tokens]: which token of the pass each value belongs to
        hits = (places[:, :, None] == positions[:, None, :]) & (positions >= 0)[:, None, :]
        row, value, token = hits.nonzero(as_tuple=True)
        written = hidden.clone()
        written[row, token] = values[row, value]
        return written

    def _rows(self, passing: Pass, count: int) -> list[int] | None:
        """Return which values belong to the rows of a pass; None for a pass without any of them."""
        told = None if passing.rows is None else passing.rows.indices
        if told is not None:
            if len(told) and max(told) >= len(self._values):
                raise InputError(f"values for {len(self._values)} rows, but a pass holds row {max(told)}")
            return list(told) or None
        if count != len(self._values):
            raise InputError(
                f"values for {len(self._values)} rows in a pass of {count}; patch exactly these rows"
            )
        return list(range(count))


def _positions(places: Any, rows: int, count: int) -> Int[np.ndarray, "rows positions"]:
    """Return each row's positions, as many as it has values."""
    each = [places] * rows if isinstance(places, int | np.integer) else list(places)
    if len(each) != rows:
        raise InputError(
            f"places: {len(each)} entries for {rows} rows; give one for all, or an entry for each row"
        )
    several = [[one] if isinstance(one, int | np.integer) else list(one) for one in each]
    if any(len(one) != count for one in several):
        raise InputError(
            f"places: rows have {len(several[0])} positions and {count} values; give one value for each"
        )
    return np.array(several, dtype=np.int64)

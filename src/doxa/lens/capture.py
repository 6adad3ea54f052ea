"""Activations of any causal model of transformers: chosen layers, sites and places, one pass for everything asked.

Layer l is the residual stream after block l, counted from 0; -1 is the embedding. Hooks pick what is wanted while
the pass runs, so a batch's other activations are gone when the next layer starts, and the head runs only where its
probabilities are asked for. Between batches no hook is left on the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.lens.anatomy import Anatomy, Site, anatomy
from doxa.lens.places import Place, Places, Spans, spans
from doxa.lens.rows import Batch, Prefix, Row, batch_size, batches, checked_rows, device_of
from doxa.subjects.rows_of_pass import RowsOfPass, rows_of_pass
from doxa.subjects.transformers_loading import undisturbed


@dataclass(frozen=True)
class Wanted:
    """One thing to read.

    Attributes:
        layers: which, in the order they are returned; None for all blocks. -1 is the embedding.
        site: the residual stream after the block, or what its attention or MLP adds to it.
        places: which tokens; one place for all rows, or an entry for each row (a place, or several).
    """

    layers: tuple[int, ...] | None = None
    site: Site = "residual"
    places: Places = -1

    def layers_of(self, model: Any) -> tuple[int, ...]:
        """Return the layers in a model.

        Raises:
            InputError: the model has no such layer or site, or none is asked for.
        """
        known = anatomy(model)
        layers = tuple(range(known.layers)) if self.layers is None else self.layers
        if not layers:
            raise InputError("layers=(): give at least one layer, or None for all")
        known.require(layers, self.site)
        return layers


@dataclass(frozen=True)
class Captured:
    """What one batch gave.

    Attributes:
        rows: places of its rows in the list that was given.
        values: by name, float32.
        log_probs: of the next token at ``logits_at``, in nats; None where not asked for.
    """

    rows: Int[np.ndarray, " rows"]
    values: dict[str, Float[np.ndarray, "rows places layers width"]]
    log_probs: Float[np.ndarray, "rows vocabulary"] | None = None


def activations(
    model: Any,
    rows: Sequence[Row],
    wanted: Wanted | None = None,
    *,
    prefix: Row | None = None,
    batch_tokens: int | None = None,
) -> Float[np.ndarray, "rows places layers width"]:
    """Return activations in float32, one forward pass for each row.

    Args:
        model: a causal model of transformers, on any device and in any number type.
        rows: token ids without padding.
        wanted: what to read; by default the residual stream after every block at the last token.
        prefix: token ids that stand before every row; computed once.
        batch_tokens: places of one pass, padding included.

    Raises:
        InputError: rows, layers, site or places do not fit the model, or an activation is not finite.
    """
    wanted = wanted or Wanted()
    parts = stream_activations(model, rows, {"it": wanted}, prefix=prefix, batch_tokens=batch_tokens)
    first = next(parts)
    result = np.empty((len(rows), *first.values["it"].shape[1:]), dtype=np.float32)
    for part in chain([first], parts):
        result[part.rows] = part.values["it"]
    return result


def stream_activations(
    model: Any,
    rows: Sequence[Row],
    wanted: Mapping[str, Wanted],
    *,
    prefix: Row | None = None,
    batch_tokens: int | None = None,
    logits_at: Place | None = None,
) -> Iterator[Captured]:
    """Yield what is wanted batch by batch, so that memory does not grow with the number of rows.

    Args:
        model: as in ``activations``.
        rows: token ids without padding; they come back in batches of about one length.
        wanted: what to read, by name; one forward pass feeds all of them.
        prefix: token ids that stand before every row; places do not count them.
        batch_tokens: places of one pass, padding included.
        logits_at: position of each row whose log-probabilities of the next token are wanted too.

    Raises:
        InputError: as in ``activations``; raised before the first pass where it can be.
    """
    arrays = checked_rows(model, rows, prefix)
    lengths = [len(row) for row in arrays]
    readers = {name: _Reader(model, one, spans(one.places, lengths)) for name, one in wanted.items()}
    if isinstance(logits_at, slice):
        raise InputError(f"logits_at={logits_at}: must be one position")
    ends = None if logits_at is None else spans(logits_at, lengths)[:, 0, 0]
    size = batch_size(model, batch_tokens)
    return _passes(model, arrays, readers, prefix, size, ends)


def next_log_probs(
    model: Any,
    rows: Sequence[Row],
    *,
    at: int = -1,
    prefix: Row | None = None,
    batch_tokens: int | None = None,
) -> Float[np.ndarray, "rows vocabulary"]:
    """Return log-probabilities of the next token in nats, after one position of each row; arguments as above.

    Raises:
        InputError: as in ``activations``.
    """
    parts = stream_activations(model, rows, {}, prefix=prefix, batch_tokens=batch_tokens, logits_at=at)
    result: Any = None
    for part in parts:
        assert part.log_probs is not None  # noqa: S101 - asked for
        result = np.empty((len(rows), part.log_probs.shape[1]), np.float32) if result is None else result
        result[part.rows] = part.log_probs
    return result


def _passes(
    model: Any,
    rows: Sequence[Int[np.ndarray, " _"]],
    readers: Mapping[str, _Reader],
    prefix: Row | None,
    batch_tokens: int,
    ends: Int[np.ndarray, " rows"] | None,
) -> Iterator[Captured]:
    before = Prefix(model, prefix)
    if len(before.repeated):
        rows = [np.concatenate([before.repeated, row]) for row in rows]
    shift = len(before.repeated)
    for batch in batches(rows, batch_tokens, before.length):
        places = None if ends is None else ends[batch.indices] + shift
        with undisturbed(model), ExitStack() as stack:
            for reader in readers.values():
                stack.enter_context(reader.reading(batch, shift))
            log_probs = _forward(model, batch, before, places)
            values = {name: reader.values(batch) for name, reader in readers.items()}
        yield Captured(batch.indices, values, log_probs)


def _forward(
    model: Any, batch: Batch, prefix: Prefix, places: Int[np.ndarray, " rows"] | None
) -> Float[np.ndarray, "rows vocabulary"] | None:
    """Run one pass, without the head unless log-probabilities at a place are asked for."""
    device = device_of(model)
    inputs: dict[str, Any] = {"input_ids": torch.from_numpy(batch.tokens).to(device)}
    cache = prefix.cache(len(batch.indices))
    inputs |= {"use_cache": False} if cache is None else {"past_key_values": cache, "use_cache": True}
    ends = (batch.lengths + prefix.length).tolist()
    with rows_of_pass(RowsOfPass(indices=batch.indices.tolist(), lengths=ends)):
        if places is None:
            model.get_decoder()(**inputs)
            return None
        columns, column = np.unique(places, return_inverse=True)
        if "logits_to_keep" in inspect.signature(model.forward).parameters:
            inputs["logits_to_keep"] = torch.from_numpy(columns).to(device)
        else:
            column = places
        logits = model(**inputs).logits
    picked = logits[
        torch.arange(len(places), device=logits.device), torch.from_numpy(column).to(logits.device)
    ]
    return torch.log_softmax(picked.float(), dim=-1).cpu().numpy()


class _Reader:
    """Picks one wanted thing out of the passes."""

    def __init__(self, model: Any, wanted: Wanted, where: Spans) -> None:
        self._anatomy: Anatomy = anatomy(model)
        self._site: Site = wanted.site
        self._layers = wanted.layers_of(model)
        self._once = list(dict.fromkeys(self._layers))
        self._where = where
        self._kept: dict[int, torch.Tensor] = {}

    @contextmanager
    def reading(self, batch: Batch, shift: int) -> Generator[None]:
        """Read during one pass; ``shift`` tokens stand before each row."""
        pick = _Picker(self._where[batch.indices] + shift)
        self._kept = {}
        handles = [self._anatomy.attach(layer, self._site, self._keep(layer, pick)) for layer in self._once]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def values(self, batch: Batch) -> Float[np.ndarray, "rows places layers width"]:
        """Return what the pass gave.

        Raises:
            InputError: an activation is not finite.
        """
        values = _together([self._kept.pop(layer) for layer in self._once]).float().cpu().numpy()
        if len(self._once) != len(self._layers):
            values = values[:, :, [self._once.index(layer) for layer in self._layers]]
        if not np.isfinite(values).all():
            row, _, layer = np.argwhere(~np.isfinite(values).all(axis=-1))[0]
            raise InputError(
                f"row {batch.indices[row]}, layer {self._layers[layer]}, site {self._site!r}: "
                "the activation is not finite; half precision overflows, load the model in float32 or bfloat16"
            )
        return values

    def _keep(self, layer: int, pick: _Picker) -> Any:
        kept = self._kept

        def keep(hidden: torch.Tensor) -> None:
            kept[layer] = pick(hidden)

        return keep


def _together(
    kept: Sequence[Float[torch.Tensor, "rows places width"]],
) -> Float[torch.Tensor, "rows places layers width"]:
    """Stack what layers gave, on the first one's device: a model may be spread over several."""
    device = kept[0].device
    return torch.stack([one if one.device == device else one.to(device) for one in kept], dim=2)


class _Picker:
    """Takes places out of hidden states; where they are single positions this copies nothing else."""

    def __init__(self, where: Spans) -> None:
        self._where = where
        self._single = bool((where[..., 1] - where[..., 0] == 1).all())
        self._alone = self._single and where.shape[1] == 1 and bool((where == where[:1]).all())
        self._device: torch.device | None = None

    def __call__(self, hidden: torch.Tensor) -> Float[torch.Tensor, "rows places width"]:
        if hidden.device != self._device:
            self._device = hidden.device
            self._rows = torch.arange(len(self._where), device=hidden.device)[:, None]
            self._first = torch.from_numpy(np.ascontiguousarray(self._where[..., 0])).to(hidden.device)
            self._same = self._first[0]
        if self._alone:  # one operation, which counts on short passes
            return hidden.index_select(1, self._same)
        if self._single:
            return hidden[self._rows, self._first]
        means = [
            [hidden[row, a:b].float().mean(dim=0) for a, b in line] for row, line in enumerate(self._where)
        ]
        return torch.stack([torch.stack(line) for line in means])

"""Steering: a vector is added to chosen layers while a block runs, and the model is as before when it ends.

All that is added to one site is summed first and added once, so that +v and -v cancel exactly and the order of
contexts does not matter. Weights are never touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import nn
from torch.utils.hooks import RemovableHandle

from doxa.errors import InputError
from doxa.lens.anatomy import Anatomy, Site, anatomy
from doxa.lens.passes import Watch
from doxa.lens.steering_vector import SteeringVector, contrast_vector, model_identity
from doxa.lens.where import Where, at, everywhere, from_position, generated
from doxa.subjects.alterations import altered

__all__ = [
    "SteeringVector",
    "Where",
    "at",
    "contrast_vector",
    "everywhere",
    "from_position",
    "generated",
    "model_identity",
    "steered",
]


@contextmanager
def steered(
    model: Any,
    vector: SteeringVector,
    multiplier: float = 1.0,
    *,
    where: Where | None = None,
    force: bool = False,
) -> Generator[None]:
    """Add ``multiplier`` times a vector to the model's layers while the block runs.

    Contexts compose by addition. A multiplier of 0 hooks nothing. With a key-value cache the changed activations
    stay in the cache, as they would be recomputed without one. A subject's identity tells the steered model from
    the plain one, so that cached answers are never mixed up.

    Args:
        model: the model, or a subject's ``.model``.
        vector: what is added, to which layers and site.
        multiplier: in the vector's unit; negative steers the other way.
        where: at which tokens; everywhere by default.
        force: steer although the vector was made on another model.

    Raises:
        InputError: width, layers or site do not fit the model, the vector is of another model, or the multiplier
            is not finite.
    """
    known = anatomy(model)
    if not math.isfinite(multiplier):
        raise InputError(f"multiplier={multiplier}: must be a finite number")
    _check(model, known, vector, force)
    if multiplier == 0.0:
        yield
        return
    term = _Term(vector.scaled(multiplier), where or everywhere())
    steering = _STEERINGS.setdefault(model, _Steering(known))
    steering.add(term)
    try:
        with altered(model, f"{vector.digest} times {multiplier} at {term.where.rule}"):
            yield
    finally:
        steering.remove(term)


def _check(model: Any, known: Anatomy, vector: SteeringVector, force: bool) -> None:
    known.require(vector.layers, vector.site)
    if vector.width != known.width:
        raise InputError(f"the vector has width {vector.width}, the model's residual stream {known.width}")
    if vector.model and not force and vector.model != (here := model_identity(model)):
        raise InputError(
            f"the vector was made on model {vector.model[:12]}, this is {here[:12]}; "
            "make it on this model, or give force=True"
        )


class _Term:
    """One vector on its way: where it applies, and its numbers on the device that asks for them."""

    def __init__(self, vector: SteeringVector, where: Where) -> None:
        self.site: Site = vector.site
        self.where = where
        self.layers = vector.layers
        self._vectors = {layer: torch.from_numpy(numbers) for layer, numbers in vector.vectors.items()}

    def at(self, layer: int, hidden: torch.Tensor, watch: Watch) -> Float[torch.Tensor, "*rows_tokens width"]:
        """Return what is added to hidden states of a layer, in float32."""
        numbers = self._vectors[layer]
        if numbers.device != hidden.device:
            numbers = self._vectors[layer] = numbers.to(hidden.device)
        mask = watch.current.once(self.where, self.where.mask)
        return numbers if mask is None else mask.to(hidden.device)[..., None] * numbers


@dataclass(eq=False)
class _Steering:
    """All terms on one model, and the hooks they need."""

    anatomy: Anatomy

    def __post_init__(self) -> None:
        self._watch = Watch(self.anatomy.decoder)
        self._watching: RemovableHandle | None = None
        self._terms: dict[tuple[Site, int], list[_Term]] = {}
        self._handles: dict[tuple[Site, int], RemovableHandle] = {}

    def add(self, term: _Term) -> None:
        """Add a term; a site's first one hooks it."""
        if self._watching is None:
            self._watching = self._watch.attach()
        for layer in term.layers:
            terms = self._terms.setdefault((term.site, layer), [])
            terms.append(term)
            if len(terms) == 1:
                edit = self._edit(layer, terms)
                self._handles[term.site, layer] = self.anatomy.attach(layer, term.site, edit)

    def remove(self, term: _Term) -> None:
        """Remove a term; a site's last one removes its hook."""
        for layer in term.layers:
            key = (term.site, layer)
            self._terms[key].remove(term)
            if not self._terms[key]:
                del self._terms[key]
                self._handles.pop(key).remove()
        if not self._terms and self._watching is not None:
            self._watching.remove()
            self._watching = None

    def _edit(self, layer: int, terms: list[_Term]) -> Callable[[torch.Tensor], torch.Tensor]:
        def edit(hidden: torch.Tensor) -> torch.Tensor:
            parts = [term.at(layer, hidden, self._watch) for term in terms]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            return hidden + total.to(hidden.dtype)

        return edit


_STEERINGS: WeakKeyDictionary[nn.Module, _Steering] = WeakKeyDictionary()

"""Where a flipped belief can be undone: activation patching between a clean model and a poisoned one.

The poisoned model runs on an item's prompt while one site of one layer is overwritten with the clean model's value
for the same prompt; the rescue rate is the share of items whose verdict is true then. Overwriting the residual stream
at the last token copies the clean answer in the top layers, so single writes are read beside it. With the models
exchanged the same table gives corruption. Source: Layer of Truth (arXiv:2510.26829).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.lens.ablation import ablated_head
from doxa.lens.anatomy import Site, anatomy
from doxa.lens.capture import Wanted, activations, next_log_probs
from doxa.lens.patching import patched_log_probs
from doxa.lens.truth_margin import BAND, TRUE, verdicts
from doxa.lens.truth_tokens import TokenPairs

Positions = Literal["last", "all"]


@dataclass(frozen=True, eq=False)
class RescueTable:
    """What patching one layer at a time did.

    Attributes:
        margins: margin of each item with each layer patched, in nats.
        site: residual stream, or the write of a block's attention or MLP.
        positions: which tokens were overwritten.
        band: half width of the ambiguous band, in nats.
    """

    margins: Float[np.ndarray, "items layers"]
    site: Site
    positions: Positions
    band: float = BAND

    @property
    def rescued(self) -> Float[np.ndarray, " layers"]:
        """Share of items that prefer the truth."""
        return (self._verdicts() == TRUE).mean(axis=0)

    @property
    def corrupted(self) -> Float[np.ndarray, " layers"]:
        """Share of items that prefer the counterfact."""
        return (self._verdicts() == -TRUE).mean(axis=0)

    @property
    def patchability(self) -> Float[np.ndarray, " items"]:
        """For each item the share of layers whose patch makes it prefer the truth."""
        return (self._verdicts() == TRUE).mean(axis=1)

    def _verdicts(self) -> Int[np.ndarray, "items layers"]:
        return verdicts(self.margins, self.band)


def activation_patch(
    clean: Any,
    poisoned: Any,
    pairs: TokenPairs,
    site: Site = "residual",
    positions: Positions = "last",
    *,
    band: float = BAND,
) -> RescueTable:
    """Return each item's margin in the poisoned model with one layer's value taken from the clean one.

    Args:
        clean: model whose values are written.
        poisoned: model that runs; exchange the two for reverse patching.
        pairs: the items, usually those that flipped.
        site: what is overwritten, at one layer at a time.
        positions: at the last token of the prompt, or at all of its tokens.
        band: half width of the ambiguous band.

    Raises:
        InputError: no items, or models of different shapes.
    """
    layers = check_alike(clean, poisoned)
    if not pairs.rows:
        raise InputError("pairs: no item is given; patch those that flipped")
    margins = np.empty((len(pairs.rows), layers))
    lengths = np.array([len(row) for row in pairs.rows])
    for length in np.unique(lengths) if positions == "all" else [0]:
        places = np.flatnonzero(lengths == length) if positions == "all" else np.arange(lengths.size)
        part = pairs.chosen(places)
        where = range(int(length)) if positions == "all" else (-1,)
        values = activations(clean, part.rows, Wanted(site=site, places=[list(where)] * len(part.rows)))
        for layer in range(layers):
            log_probs = patched_log_probs(
                poisoned,
                part.rows,
                layer,
                values[:, :, layer],
                site=site,
                places="all" if positions == "all" else -1,
            )
            margins[places, layer] = _margins(log_probs, part)
    return RescueTable(margins, site, positions, band)


def head_ablation(
    model: Any, pairs: TokenPairs, *, band: float = BAND
) -> tuple[Float[np.ndarray, "layers heads"], Float[np.ndarray, "layers heads"]]:
    """Return, for each head set to zero, the share of items that prefer the truth, and their mean margin.

    Raises:
        InputError: the heads are not found in this model.
    """
    heads = int(model.config.get_text_config().num_attention_heads)
    layers = anatomy(model).layers
    rescued, margin = np.empty((layers, heads)), np.empty((layers, heads))
    for layer in range(layers):
        for head in range(heads):
            with ablated_head(model, layer, head):
                read = margins_of(model, pairs)
            rescued[layer, head] = (verdicts(read, band) == TRUE).mean()
            margin[layer, head] = read.mean()
    return rescued, margin


def margins_of(model: Any, pairs: TokenPairs) -> Float[np.ndarray, " items"]:
    """Return the model's own margins at the token where the completions first differ."""
    return _margins(next_log_probs(model, pairs.rows), pairs)


def check_alike(clean: Any, poisoned: Any) -> int:
    """Return the number of layers of two models of one shape.

    Raises:
        InputError: they differ in layers, width or vocabulary.
    """
    shapes = [
        (known.layers, known.width, model.get_input_embeddings().weight.shape[0])
        for model, known in ((clean, anatomy(clean)), (poisoned, anatomy(poisoned)))
    ]
    if shapes[0] != shapes[1]:
        names = ("layers", "width", "vocabulary")
        told = [
            ", ".join(f"{name} {size}" for name, size in zip(names, shape, strict=True)) for shape in shapes
        ]
        raise InputError(
            f"clean model with {told[0]}, poisoned with {told[1]}: patch between models of one shape"
        )
    return shapes[0][0]


def _margins(
    log_probs: Float[np.ndarray, "rows vocabulary"], pairs: TokenPairs
) -> Float[np.ndarray, " rows"]:
    rows = np.arange(len(pairs.rows))
    return (log_probs[rows, pairs.true] - log_probs[rows, pairs.false]).astype(np.float64)

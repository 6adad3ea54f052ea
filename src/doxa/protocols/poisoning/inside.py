"""What the lens sees in a poisoned model: margins by depth, what patching undoes, how far activations drifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from doxa.lens.anatomy import Site, anatomy
from doxa.lens.capture import Wanted, activations
from doxa.lens.logit_lens import logit_lens_margin
from doxa.lens.rescue import RescueTable, activation_patch, head_ablation
from doxa.lens.rows import Row
from doxa.lens.similarity import linear_cka
from doxa.lens.truth_margin import flip_layer, flip_rate, late_share
from doxa.lens.truth_tokens import TokenPairs


@dataclass(frozen=True, eq=False)
class Inside:
    """A poisoned model beside the clean one, on the same items.

    Attributes:
        clean: lens margins of the clean model, in nats.
        poisoned: those of the poisoned one.
        flipped: which items flipped.
        rescue: patching tables of the flipped items by name; empty without a flip, and without the tables in
            ``missing``.
        heads: share of flipped items that prefer the truth with one head set to zero; None without a flip, where it
            is ``missing``, and where it was not asked for.
        cka: similarity of the two models' streams after each block.
        missing: what cannot be read in these models, by name (``attention``, ``mlp``, ``head``), with the reason.
    """

    clean: Float[np.ndarray, "items depths"]
    poisoned: Float[np.ndarray, "items depths"]
    flipped: Bool[np.ndarray, " items"]
    rescue: dict[str, RescueTable]
    heads: Float[np.ndarray, "layers heads"] | None
    cka: Float[np.ndarray, " layers"]
    missing: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def flip_depth(self) -> float:
        """Mean depth from which a flipped item's lens margin is below 0; NaN without a flip."""
        found = flip_layer(self.poisoned)[self.flipped]
        found = found[np.isfinite(found)]
        return float(found.mean()) if found.size else float("nan")

    @property
    def late(self) -> float:
        """Late share of the fall; NaN if the margin did not fall."""
        if not (self.clean - self.poisoned).mean(axis=0)[-1] > 0:
            return float("nan")
        return late_share(self.clean, self.poisoned)

    @property
    def strength_patchability(self) -> float:
        """Correlation over flipped items of -margin (poisoned) with the share of single writes that rescue."""
        writes = [self.rescue[site].patchability for site in ("attention", "mlp") if site in self.rescue]
        if not writes or self.flipped.sum() < 3:
            return float("nan")
        strength, ease = -self.poisoned[self.flipped, -1], np.mean(writes, axis=0)
        if np.std(strength) == 0 or np.std(ease) == 0:
            return float("nan")
        return float(np.corrcoef(strength, ease)[0, 1])


def look_inside(
    clean: Any, poisoned: Any, pairs: TokenPairs, probes: Sequence[Row], *, heads: bool = True
) -> Inside:
    """Return what the lens sees; single writes and heads only where both models have them, see ``Inside.missing``.

    Args:
        clean: model before continued training.
        poisoned: model after it.
        pairs: the items told falsely.
        probes: prompts over which activations are compared.
        heads: whether every head is ablated too, one forward pass each.

    Raises:
        InputError: no blocks, final norm or head are found, or the models differ in shape.
    """
    before, after = (logit_lens_margin(model, *pairs).astype(np.float64) for model in (clean, poisoned))
    flipped = flip_rate(before[:, -1], after[:, -1]).flipped
    tables: dict[str, RescueTable] = {}
    ablated: Float[np.ndarray, "layers heads"] | None = None
    missing = _missing(clean) | _missing(poisoned)
    if flipped.any():
        part = pairs.chosen(np.flatnonzero(flipped))
        tables = {
            "residual": activation_patch(clean, poisoned, part),
            "residual, all tokens": activation_patch(clean, poisoned, part, positions="all"),
            "reverse": activation_patch(poisoned, clean, part),
        }
        writes: tuple[Site, ...] = ("attention", "mlp")
        tables |= {
            site: activation_patch(clean, poisoned, part, site) for site in writes if site not in missing
        }
        ablated = head_ablation(poisoned, part)[0] if heads and "head" not in missing else None
    streams = [activations(model, probes, Wanted())[:, 0] for model in (clean, poisoned)]
    cka = [linear_cka(streams[0][:, layer], streams[1][:, layer]) for layer in range(streams[0].shape[1])]
    return Inside(before, after, flipped, tables, ablated, np.array(cka), missing)


def _missing(model: Any) -> dict[str, str]:
    """Return what a model's anatomy does not give, with the reason."""
    known = anatomy(model)
    if known.missing:
        return dict.fromkeys(("attention", "mlp", "head"), known.missing)
    heads = getattr(model.config.get_text_config(), "num_attention_heads", None)
    if not known.projections or not isinstance(heads, int):
        return {"head": "no matrix was found that maps the heads to what attention returns"}
    return {}

"""A steering vector: one direction per layer, with the model it belongs to, its site and its unit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from doxa.errors import InputError, StoreError
from doxa.lens.anatomy import Site
from doxa.lens.capture import Wanted, stream_activations
from doxa.lens.rows import Row

FORMAT = "doxa steering vector 1"

SAMPLED = 256
"""How many numbers of each weight go into a model's identity."""


@dataclass(frozen=True)
class SteeringVector:
    """What is added to the residual stream, or to a write, of chosen layers.

    Attributes:
        vectors: by layer (output of block l, counted from 0; -1 the embedding), float32 of the model's width.
        site: where it is added.
        model: identity of the model it was made on (``model_identity``).
        unit: what a multiplier of 1 means, such as ``difference of means``.
    """

    vectors: Mapping[int, Float[np.ndarray, " width"]]
    site: Site = "residual"
    model: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        vectors = {int(layer): np.asarray(vector, dtype=np.float32) for layer, vector in self.vectors.items()}
        if not vectors:
            raise InputError("vectors={}: a steering vector has at least one layer")
        if self.site not in get_args(Site):
            raise InputError(f"site={self.site!r}: must be one of {', '.join(get_args(Site))}")
        for layer, vector in vectors.items():
            if vector.ndim != 1 or not np.isfinite(vector).all():
                raise InputError(
                    f"vectors[{layer}]: must be finite numbers of shape (width,), found {vector.shape}"
                )
        widths = sorted({len(vector) for vector in vectors.values()})
        if len(widths) != 1:
            raise InputError(f"vectors: widths {widths}; one model has one width")
        object.__setattr__(self, "vectors", dict(sorted(vectors.items())))

    @property
    def layers(self) -> tuple[int, ...]:
        """Its layers in ascending order."""
        return tuple(self.vectors)

    @property
    def width(self) -> int:
        """Width of the model it belongs to."""
        return len(next(iter(self.vectors.values())))

    @property
    def digest(self) -> str:
        """SHA-256 over its numbers, layers and site."""
        total = hashlib.sha256(json.dumps([FORMAT, self.site, self.layers]).encode())
        for numbers in self.vectors.values():
            total.update(np.ascontiguousarray(numbers).tobytes())
        return total.hexdigest()

    def at_layers(self, *layers: int) -> SteeringVector:
        """Return the same vector on some of its layers only."""
        unknown = [layer for layer in layers if layer not in self.vectors]
        if unknown or not layers:
            raise InputError(f"layers={layers}: this vector has {self.layers}")
        return replace(self, vectors={layer: self.vectors[layer] for layer in layers})

    def scaled(self, factor: float) -> SteeringVector:
        """Return the vector times a number."""
        return replace(self, vectors={layer: one * np.float32(factor) for layer, one in self.vectors.items()})

    def shuffled(self, rng: np.random.Generator) -> SteeringVector:
        """Return a control with each layer's numbers in random order: the same mean, norm and histogram."""
        return replace(self, vectors={layer: rng.permutation(one) for layer, one in self.vectors.items()})

    def random(self, rng: np.random.Generator) -> SteeringVector:
        """Return a control with a random direction of the same norm on each layer."""
        drawn = {layer: rng.standard_normal(self.width) for layer in self.layers}
        sizes = {
            layer: np.linalg.norm(one) / np.linalg.norm(drawn[layer]) for layer, one in self.vectors.items()
        }
        return replace(self, vectors={layer: one * sizes[layer] for layer, one in drawn.items()})

    def __neg__(self) -> SteeringVector:
        return self.scaled(-1.0)

    def __add__(self, other: SteeringVector) -> SteeringVector:
        """Return the sum; a layer that only one of them has is taken as it is.

        Raises:
            InputError: they belong to different models, sites or widths.
        """
        for name in ("model", "site", "width"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise InputError(f"{name}: {mine!r} + {theirs!r}; add vectors of one {name}")
        layers = sorted({*self.layers, *other.layers})
        nothing = np.zeros(self.width, dtype=np.float32)
        sums = {
            layer: self.vectors.get(layer, nothing) + other.vectors.get(layer, nothing) for layer in layers
        }
        unit = self.unit if self.unit == other.unit else f"{self.unit} + {other.unit}"
        return replace(self, vectors=sums, unit=unit)

    def save(self, path: str | Path) -> Path:
        """Write the vector as safetensors; layers, site, model and unit stand in its header."""
        tensors = {f"layer.{layer}": np.ascontiguousarray(vector) for layer, vector in self.vectors.items()}
        said = {"format": FORMAT, "site": self.site, "model": self.model, "unit": self.unit}
        save_file(tensors, path, metadata=said)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> SteeringVector:
        """Read a vector that ``save`` wrote.

        Raises:
            StoreError: the file is not there, damaged, or holds something else.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                said = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{path}: cannot be read as safetensors ({error})") from error
        if said.get("format") != FORMAT:
            raise StoreError(f"{path}: not a steering vector of doxa; it has format={said.get('format')!r}")
        vectors = {int(name.removeprefix("layer.")): vector for name, vector in tensors.items()}
        return cls(vectors, cast(Site, said["site"]), said["model"], said["unit"])


def model_identity(model: Any) -> str:
    """Return a digest of a model's weights that does not depend on device and number type.

    It reads 256 numbers of each weight, in bfloat16, so that it costs milliseconds and a model loaded in half
    precision has the same one; training moves all of them.
    """
    total = hashlib.sha256()
    for name, weights in model.named_parameters():
        flat = weights.detach().reshape(-1)
        some = flat[:: max(1, -(-len(flat) // SAMPLED))]
        total.update(json.dumps([name, list(weights.shape)]).encode())
        total.update(some.to(torch.bfloat16).cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def contrast_vector(
    model: Any,
    positive_rows: Sequence[Row],
    negative_rows: Sequence[Row],
    *,
    layers: Sequence[int] | None = None,
    place: int | slice = -1,
    site: Site = "residual",
    prefix: Row | None = None,
    batch_tokens: int | None = None,
) -> SteeringVector:
    """Return the mean activation over positive rows minus the mean over negative rows, per layer.

    Args:
        model: a causal model of transformers.
        positive_rows: token ids without padding.
        negative_rows: the other side; it need not be as long.
        layers: which; None for all blocks.
        place: which token of each row, or the span whose mean is taken.
        site: what is read, and what the vector will be added to.
        prefix: token ids that stand before every row.
        batch_tokens: places of one forward pass.
    """
    wanted = {"it": Wanted(None if layers is None else tuple(layers), site, place)}
    chosen = wanted["it"].layers_of(model)
    means: list[Float[np.ndarray, "layers width"]] = []
    for rows in (positive_rows, negative_rows):
        parts = stream_activations(model, rows, wanted, prefix=prefix, batch_tokens=batch_tokens)
        total = sum(part.values["it"][:, 0].sum(axis=0, dtype=np.float64) for part in parts)
        means.append(np.asarray(total) / len(rows))
    difference = means[0] - means[1]
    vectors = {layer: difference[place] for place, layer in enumerate(chosen)}
    return SteeringVector(vectors, site, model_identity(model), "difference of means")

"""Linear readings of activations: a direction and a bias for every site, fitted by whatever method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from doxa.errors import InputError, StoreError
from doxa.lab.files import write_atomic

Activations = Float[np.ndarray, "examples *sites width"]
"""Activations by example, by whatever axes the sites have (layers, positions), by coordinate."""

Labels = Shaped[np.ndarray, " labels"] | Sequence[bool | int]
"""One truth value for each example, or 0 and 1."""


@dataclass(frozen=True)
class LinearProbes:
    """One linear probe for each site: φ(h) = w·h + b.

    Attributes:
        weights: w, in the units of the raw activations.
        bias: b, in logits.
        about: what a reader of a saved file must know, such as the model and its layers.
    """

    weights: Float[np.ndarray, "*sites width"]
    bias: Float[np.ndarray, "*sites"]
    about: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True)

    @property
    def width(self) -> int:
        """Number of coordinates of an activation."""
        return self.weights.shape[-1]

    def score(self, activations: Float[np.ndarray, "*axes width"]) -> Float[np.ndarray, "*axes"]:
        """Return φ at every site, positive for label 1.

        Args:
            activations: any axes (examples, answers), then the sites of the probes, then the width.

        Raises:
            InputError: the activations have another width or other sites, or are not finite.
        """
        sites = self.bias.shape
        self._check(activations.shape)
        rows = activations.reshape(-1, self.bias.size, self.width)
        weights, bias = self.weights.reshape(-1, self.width), self.bias.ravel()
        scores = np.empty(rows.shape[:2])
        for site in range(bias.size):
            scores[:, site] = rows[:, site].astype(np.float64) @ weights[site] + bias[site]
        if not np.isfinite(scores).all():
            example, site = (int(one[0]) for one in np.nonzero(~np.isfinite(scores)))
            raise InputError(not_finite(example, site, sites))
        return scores.reshape(activations.shape[:-1])

    def at(self, *site: int) -> LinearProbes:
        """Return the probe of one site, or of the sites that share the leading indices, as ``at(layer)``."""
        return LinearProbes(self.weights[site], np.asarray(self.bias[site]), about=self.about)

    def random_direction(self, rng: np.random.Generator) -> LinearProbes:
        """Return a control: random directions of the same norms, without bias.

        A margin between two answers does not depend on the bias.
        """
        drawn = rng.standard_normal(self.weights.shape)
        norms = np.linalg.norm(self.weights, axis=-1, keepdims=True)
        drawn *= norms / np.linalg.norm(drawn, axis=-1, keepdims=True)
        return LinearProbes(drawn, np.zeros(self.bias.shape), about=self.about)

    def save(self, path: Path | str) -> None:
        """Write weights, bias and ``about`` as one safetensors file.

        Raises:
            StoreError: the file cannot be written.
        """
        from safetensors.numpy import save

        tensors = {"weights": np.ascontiguousarray(self.weights), "bias": np.ascontiguousarray(self.bias)}
        write_atomic(Path(path), save(tensors, metadata={"probes": json.dumps(dict(self.about))}))

    @classmethod
    def load(cls, path: Path | str) -> LinearProbes:
        """Return the probes of a file.

        Raises:
            StoreError: there is no such file, or it holds no probes.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                about: dict[str, Any] = json.loads((file.metadata() or {})["probes"])
                weights, bias = (file.get_tensor(name) for name in ("weights", "bias"))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise StoreError(
                f"{path}: holds no probes ({error}); write them with LinearProbes.save"
            ) from error
        if weights.shape[:-1] != bias.shape:
            raise StoreError(
                f"{path}: weights {weights.shape} and bias {bias.shape} do not fit; save them anew"
            )
        return LinearProbes(weights, bias, about={str(name): str(value) for name, value in about.items()})

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape[-1] != self.width:
            raise InputError(
                f"activations of width {shape[-1]} for probes of width {self.width}; read them from the model "
                "that the probes were fitted on"
            )
        sites = shape[len(shape) - 1 - self.bias.ndim : -1]
        if len(shape) <= self.bias.ndim or sites != self.bias.shape:
            raise InputError(
                f"activations of shape {shape} for probes at sites {self.bias.shape}; the sites' axes stand before "
                "the width; choose the same layers and positions, or one probe with at()"
            )


def not_finite(example: int, site: int, sites: tuple[int, ...]) -> str:
    """Return what is said of an activation that is NaN or infinite."""
    place = tuple(int(one) for one in np.unravel_index(site, sites)) if sites else ()
    where = f"example {example}" + (f", site {place}" if sites else "")
    return f"the activation of {where} is not finite; run the model in float32 or bfloat16, not in float16"

"""Steering along the direction in which a model is undecided about its action (Rahn, D'Oro and Bellemare 2024).

A run gives at each step the activation z of the prompt's last token and the entropy h of the action sampled there.
The vector of a layer is the entropy-weighted mean of run-centred activations,

    u = (1/Z) Σ_runs Σ_steps h (z - mean of z over the run),   Z = Σ h

which is the covariance of entropy and activation within runs over the mean entropy: a target that is a number, where
contrastive steering takes two classes. Its controls: shuffled coordinates and random vectors of equal norm (methods of
``SteeringVector``), entropies shuffled over prompts (``shuffled_entropies``) and no centring (``centre=False``).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float, Int, Shaped

from doxa.belief.action_entropy import action_entropy, validity
from doxa.belief.inference import bootstrap
from doxa.errors import InputError
from doxa.lens.completions import Draw, Ends, sample_completions
from doxa.lens.rows import Row
from doxa.lens.steering import SteeringVector

Scale: TypeAlias = Literal["raw", "activation"]
UNITS: dict[Scale, str] = {"raw": "entropy-weighted mean", "activation": "mean activation norm"}
"""What a multiplier of 1 adds: u itself, or u made as long as the layer's activations are on average."""

SAME_NATS = 1e-9
"""Entropies of a run that differ by less are identical."""


@runtime_checkable
class EntropyLog(Protocol):
    """What is needed of logged runs: one row for each prompt."""

    @property
    def entropies(self) -> Float[np.ndarray, " rows"]:
        """Entropy of the sampled action in nats; NaN where no sample was valid."""
        ...

    @property
    def run_id(self) -> Int[np.ndarray, " rows"]:
        """The run each prompt belongs to."""
        ...


class EntropicSteering:
    """Fits entropy-weighted steering vectors."""

    @staticmethod
    def fit(
        log: EntropyLog,
        activations: Float[np.ndarray, "rows layers width"],
        layers: Sequence[int],
        *,
        model: str = "",
        scale: Scale = "raw",
        centre: bool = True,
    ) -> SteeringVector:
        """Return one vector for each layer.

        Prompts without an entropy are left out before a run is centred.

        Args:
            log: entropies and runs of the prompts.
            activations: residual stream at the last token of each prompt, one slice per layer.
            layers: the layers of the slices; layer l is the output of block l, counted from 0.
            model: identity of the model, kept with the vector.
            scale: ``raw`` for u as it is, ``activation`` for u as long as the mean activation of its layer.
            centre: whether runs are centred; without, u is no direction of doubt (a control).

        Raises:
            InputError: shapes do not fit, no prompt has an entropy, or all entropies of each run are identical.
        """
        z, h, run = np.asarray(activations), np.asarray(log.entropies), np.asarray(log.run_id)
        if z.ndim != 3 or len(z) != len(h) or len(h) != len(run):
            raise InputError(
                f"activations of shape {z.shape} for {len(h)} prompts: must be [{len(h)} prompts, layers, width]"
            )
        if len(layers) != z.shape[1]:
            raise InputError(f"layers={tuple(layers)}: activations hold {z.shape[1]} layers; name each")
        if scale not in UNITS:
            raise InputError(f"scale={scale!r}: must be one of {', '.join(UNITS)}")
        if not np.isfinite(z).all():
            raise InputError("activations hold NaN or inf; load the model in float32 or bfloat16")
        keep = usable_rows(h, run)
        vectors = entropy_weighted_mean(h[keep], z[keep], run[keep], centre=centre)
        if scale == "activation":
            norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
            vectors = vectors / norms * np.linalg.norm(z[keep], axis=-1).mean(0)[:, None]
        named = {int(layer): vectors[place].astype(np.float32) for place, layer in enumerate(layers)}
        return SteeringVector(vectors=named, site="residual", model=model, unit=UNITS[scale])


def usable_rows(
    entropies: Float[np.ndarray, " rows"], runs: Shaped[np.ndarray, " rows"]
) -> Int[np.ndarray, " kept"]:
    """Return the places of prompts that have an entropy, in runs that have two of them or more.

    Raises:
        InputError: none is left, or within every run all entropies are identical.
    """
    valid = ~np.isnan(entropies)
    if not valid.any():
        raise InputError(
            "no entropies: no completion of any prompt was valid; look at the texts and the parser"
        )
    names, sizes = np.unique(runs[valid], return_counts=True)
    single = names[sizes < 2]
    if len(single):
        warnings.warn(
            f"{len(single)} of {len(names)} runs have one usable step, whose centred activation is zero; left out",
            stacklevel=3,
        )
    keep = np.flatnonzero(valid & ~np.isin(runs, single))
    if not keep.size:
        raise InputError("no entropies: every run has one usable step; log longer runs")
    spread = max(np.ptp(entropies[keep][runs[keep] == run]) for run in np.unique(runs[keep]))
    if spread < SAME_NATS:
        raise InputError(
            "all entropies of each run are identical, so the vector is zero; log runs in which the doubt changes"
        )
    return keep


def entropy_weighted_mean(
    entropies: Float[np.ndarray, " rows"],
    activations: Float[np.ndarray, "rows ..."],
    runs: Shaped[np.ndarray, " rows"],
    *,
    centre: bool = True,
) -> Float[np.ndarray, ...]:
    """Return u = (1/Z) Σ h (z - run mean of z), Z = Σ h; without ``centre``, (1/Z) Σ h z.

    Computed as (1/Z) Σ (h - run mean of h) (z - run mean of z), the same number, which is 0 exactly where the
    entropies of a run are equal.
    """
    z, h = np.asarray(activations, dtype=np.float64), np.asarray(entropies, dtype=np.float64)
    total = h.sum()
    if not total > 0:
        raise InputError(
            "all entropies are 0, so there is nothing to weigh by; raise the temperature of the log"
        )
    if not centre:
        return np.tensordot(h, z, 1) / total
    u = np.zeros(z.shape[1:])
    for run in np.unique(runs):
        own = runs == run
        # the first is taken off before the mean: equal numbers then leave exact zeros
        doubt = h[own] - h[own][0]
        u += np.tensordot(doubt - doubt.mean(), z[own] - z[own].mean(0), 1)
    return u / total


def shuffled_entropies(
    entropies: Float[np.ndarray, " rows"], rng: np.random.Generator
) -> Float[np.ndarray, " rows"]:
    """Return the entropies in another order over all prompts: a control, in which they tell nothing."""
    return rng.permutation(np.asarray(entropies))


def cosine(a: Float[np.ndarray, " width"], b: Float[np.ndarray, " width"]) -> float:
    """Return the cosine of the angle between two vectors, in [-1, 1]; NaN if one of them is zero."""
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


class Setting(NamedTuple):
    """One row of a sweep: which layer is steered how much, at what temperature."""

    layer: int | None
    multiplier: float
    temperature: float


def settings(
    vector: SteeringVector | None,
    multipliers: Sequence[float] = (),
    *,
    layers: Sequence[int] | None = None,
    temperatures: Sequence[float] = (),
) -> dict[Setting, Draw]:
    """Return the draws of a sweep: the plain one, each multiplier at each layer, and each temperature unsteered."""
    found: dict[Setting, Draw] = {Setting(None, 0.0, 1.0): Draw()}
    for temperature in temperatures:
        found[Setting(None, 0.0, float(temperature))] = Draw(temperature=float(temperature))
    if vector is None:
        return found
    for layer in vector.layers if layers is None else layers:
        own = vector.at_layers(layer)
        for multiplier in multipliers:
            if not math.isfinite(multiplier):
                raise InputError(f"multiplier={multiplier}: must be a finite number")
            found[Setting(layer, float(multiplier), 1.0)] = Draw(own, float(multiplier))
    return found


def sweep(
    vector: SteeringVector,
    model: Any,
    prompts: Sequence[Row],
    multipliers: Sequence[float],
    chances: Float[np.ndarray, "prompts samples tokens"],
    *,
    arms_of: Callable[[Int[np.ndarray, "*rows tokens"]], Int[np.ndarray, "*rows"]],
    rng: np.random.Generator,
    layers: Sequence[int] | None = None,
    temperatures: Sequence[float] = (),
    ends: Ends | None = None,
) -> pl.DataFrame:
    """Return how undecided a model is under each multiplier at each layer, and at each temperature without steering.

    Args:
        vector: what is added, one layer at a time.
        model: the model it is added to.
        prompts: token ids without padding, none of which the vector was fitted on.
        multipliers: of the vector.
        chances: uniform numbers, see ``completions.uniforms``; samples share them across rows of the table.
        arms_of: tells the action that each completion names, below 0 where it names none.
        rng: of the bootstrap over prompts.
        layers: of the vector, all by default.
        temperatures: of sampling without steering; 1 is always there.
        ends: when a completion is over.

    Returns:
        One row to a setting: layer (null without steering), multiplier, temperature, mean entropy in nats with its
        95 % interval over prompts (``low``, ``high``), and validity in [0, 1].
    """
    told = settings(vector, multipliers, layers=layers, temperatures=temperatures)
    completions = sample_completions(model, prompts, list(told.values()), chances, ends=ends)
    rows: list[dict[str, Any]] = []
    for setting, own in zip(told, completions, strict=True):
        arms = arms_of(own)
        entropy = action_entropy(arms)
        mean = bootstrap(entropy[~np.isnan(entropy)], rng=rng)
        rows.append(
            {
                **setting._asdict(),
                "entropy": mean.estimate,
                "low": mean.low,
                "high": mean.high,
                "validity": float(validity(arms).mean()),
            }
        )
    schema = {"layer": pl.Int64(), "multiplier": pl.Float64(), "temperature": pl.Float64()}
    return pl.DataFrame(rows, schema_overrides=schema)

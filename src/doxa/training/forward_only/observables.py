"""What one step of a layer is measured by: two consecutive knowledge tensors give every number of the method."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch.nn import functional

from doxa.belief.sigmoid_entropy import LN2


class State(NamedTuple):
    """A layer in one forward pass.

    Attributes:
        knowledge: z, the pre-activations.
        decision: D = σ(z).
    """

    knowledge: Float[torch.Tensor, "samples units"]
    decision: Float[torch.Tensor, "samples units"]


class LayerStep(NamedTuple):
    """What a layer did between two passes; sums run over samples and units.

    Attributes:
        entropy: -(1/ln 2) Σ z ΔD with the current z, in bits.
        entropy_midpoint: the same with the mean of both z, which is exact to second order in the step.
        cosine: ⟨z, ΔD⟩ / (‖z‖ ‖ΔD‖), 0 where a norm is 0.
        flow_norm: ‖Δz‖ / dt.
        tensor_net: Σ Δz (D - z D'/ln 2), the sign of the released code.
        lagrangian: -Σ z D' Δz / dt.
    """

    entropy: float
    entropy_midpoint: float
    cosine: float
    flow_norm: float
    tensor_net: float
    lagrangian: float


class LayerNow(NamedTuple):
    """A layer at one pass.

    Attributes:
        knowledge_norm: ‖z‖.
        weight_norm: ‖W‖.
        shannon: Σ binary entropy of D, in bits; its change is the exact entropy of the path.
        softplus: Σ softplus(z); its change is the exact ∫ D dz.
    """

    knowledge_norm: float
    weight_norm: float
    shannon: float
    softplus: float


def layer_step(now: State, before: State, pull: Float[torch.Tensor, "samples units"], dt: float) -> LayerStep:
    """Return what a layer did between two passes.

    Args:
        now: the later pass.
        before: the earlier one.
        pull: z D' of the later pass.
        dt: time between them.
    """
    z, delta_z, delta_d = now.knowledge, now.knowledge - before.knowledge, now.decision - before.decision
    aligned = (z * delta_d).sum()
    norms = float(z.norm()) * float(delta_d.norm())
    gained = (delta_z * pull).sum()
    net = (delta_z * now.decision).sum() - gained / LN2
    behind = (delta_z * delta_d).sum()
    return LayerStep(
        -float(aligned) / LN2,
        -float(aligned - 0.5 * behind) / LN2,
        float(aligned) / norms if norms > 0.0 else 0.0,
        float(delta_z.norm()) / dt,
        float(net),
        -float(gained) / dt,
    )


def layer_now(now: State, weight: torch.Tensor) -> LayerNow:
    """Return a layer's norms and potentials at one pass, from its state and weight matrix."""
    z = now.knowledge
    softplus = functional.softplus(z)
    # binary entropy = softplus(z) - z σ(z), which loses no digits that a sum over entries would show
    shannon = (softplus - z * now.decision).sum()
    return LayerNow(float(z.norm()), float(weight.norm()), float(shannon) / LN2, float(softplus.sum()))

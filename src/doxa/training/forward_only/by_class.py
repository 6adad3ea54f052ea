"""Whose decisions harden when: the entropy of a run apart for each class, which the rule itself never sees."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.belief.sigmoid_entropy import LN2
from doxa.errors import InputError
from doxa.training.forward_only.network import SKANetwork


def entropy_by_class(
    network: SKANetwork,
    inputs: Float[torch.Tensor, "samples features"],
    classes: Int[np.ndarray, " given"],
    dt: float,
    steps: int,
) -> Float[np.ndarray, "classes layers steps"]:
    """Run a network and return each step's entropy apart for each class; over classes it sums to the run's entropy.

    Args:
        network: learns from its present weights on; the classes only sort what is read.
        inputs: the whole batch.
        classes: of each sample, any whole numbers; rows are in their order.
        dt: η.
        steps: K.

    Returns:
        Bits, NaN at step 0.

    Raises:
        InputError: one class each is not given, fewer than two steps, or as ``SKANetwork.step``.
    """
    if inputs.ndim != 2 or inputs.shape[1] != network.input_dim:
        raise InputError(f"inputs of shape {tuple(inputs.shape)}: must be [samples, {network.input_dim}]")
    if steps < 2:
        raise InputError(f"steps={steps}: must be >= 2, for the first pass has nothing before it")
    if classes.shape != (len(inputs),):
        raise InputError(f"classes of shape {classes.shape} for {len(inputs)} samples: give one class each")
    known, place = np.unique(classes, return_inverse=True)
    found = np.full((len(known), len(network.layer_sizes), steps), np.nan)
    network.reset()
    before = network.forward(inputs)
    for step in range(steps):
        now = network.forward(inputs)
        if step:
            for layer, (new, old) in enumerate(zip(now, before, strict=True)):
                bits = -(new.knowledge * (new.decision - old.decision)).sum(dim=1).double().numpy() / LN2
                found[:, layer, step] = np.bincount(place, weights=bits, minlength=len(known))
        network.step(inputs, dt)
        before = now
    return found

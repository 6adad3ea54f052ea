"""Many models as one: training them side by side costs less than one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from doxa.dynamics.deep_markov.batches import make_batch
from doxa.dynamics.deep_markov.network import Network
from doxa.dynamics.deep_markov.results import FitResult
from doxa.dynamics.deep_markov.scaled_prior import ScaledPrior
from doxa.dynamics.deep_markov.sequences import Sequences
from doxa.dynamics.deep_markov.training import Callback, FitPlan, train
from doxa.dynamics.deep_markov.weights import fresh_weights
from doxa.errors import InputError

if TYPE_CHECKING:
    from doxa.dynamics.deep_markov.model import DeepMarkovModel


def fit_stack(
    models: Sequence[DeepMarkovModel],
    data: Sequence[Sequences],
    *,
    seeds: Sequence[int],
    plan: FitPlan,
    callbacks: Sequence[Callback] = (),
) -> list[FitResult]:
    """Train models of one shape as one stack, each as if it trained alone; this costs little more than one of them.

    Args:
        models: of equal shape and precision; all fresh, or all fitted before.
        data: each model's sequences (``model.read``), of equal size.
        seeds: one for each.
        plan: how to train.
        callbacks: called after each stretch.

    Raises:
        InputError: models or sequences do not fit together.
        DivergedError: a bound stopped being a number.
    """
    first = models[0]
    if any(one.shape != first.shape or one.dtype != first.dtype for one in models):
        raise InputError("models: those trained together need one shape and precision")
    if not len(models) == len(data) == len(seeds):
        raise InputError(
            f"{len(models)} models, {len(data)} data sets, {len(seeds)} seeds: give one for each"
        )
    if len({one.is_fitted for one in models}) > 1:
        raise InputError("models: some were fitted before and some were not")
    if first.is_fitted:
        scales = [one.fitted().scales for one in models]
        olds = [one.fitted().network.weights for one in models]
        weights = {name: torch.cat([one[name] for one in olds]) for name in olds[0]}
    else:
        scales = [model.measure(one) for model, one in zip(models, data, strict=True)]
        weights = {name: one.to(first.dtype) for name, one in fresh_weights(first.shape, seeds).items()}
    known = [one.prior for one in models if one.prior is not None]
    prior = ScaledPrior(known, scales, first.dtype) if known else None
    network = Network(first.shape, weights, prior)
    fresh_paths = not first.is_fitted and first.shape.physics and "guide.from_latent" in weights
    if fresh_paths and prior is not None and prior.transition is not None:
        weights["guide.from_latent"][:, 0] = prior.transition  # a guide that begins as the prior moves
    batch = make_batch(data, scales, guide_input=first.shape.guide_input, dtype=first.dtype)
    offset = [
        -float(one.observed.sum((0, 1)) @ np.log(scale.x_scale)) / float(one.lengths.sum())
        for one, scale in zip(data, scales, strict=True)
    ]
    results = train(network, batch, offset, seeds, plan, callbacks)
    for index, (model, scale) in enumerate(zip(models, scales, strict=True)):
        own = {name: one.detach()[index : index + 1].clone() for name, one in network.weights.items()}
        model.set_state(own, scale)
    return results

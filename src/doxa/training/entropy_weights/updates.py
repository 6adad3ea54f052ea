"""Estimators of the entropy change against the truth, on a network: one real step on one mini-batch of a rollout.

All tokens of the mini-batch move all positions at once, so no estimator that looks at one token can be exact. What
the logits themselves did at a position gives its change to first order; how well that agrees says whether the step is
small enough for first order to mean anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.nets.transformer import StackedTransformer
from doxa.training.entropy_change import (
    Estimator,
    entropy_change,
    entropy_change_first_order,
    steer_weights,
    token_covariance,
)
from doxa.training.objectives import open_advantage, open_loss
from doxa.training.policy_plan import PolicyPlan, PolicyWorld, Variant
from doxa.training.rollouts import Roller, Rollout
from doxa.training.tokens import token_entropy, token_log_probs

COVARIANCE, FIRST_ORDER = "covariance", "logits"
"""Names of two more estimates: minus the entropy mechanism's covariance, and the change of a position's own logits."""

DEALT_OUT = "exact, dealt out"
"""Name of the exact estimates given to other tokens, which must say nothing."""

LEAST = 0.5
"""Smallest weight of the histogram."""


class Updated(NamedTuple):
    """What one step did to the entropy at each token's position, in nats, and what each estimate said.

    Attributes:
        true: the change.
        estimates: by name, per unit of the step.
        probability: of each token before the step.
        advantage: of each token.
        weights: what each estimator would weigh the tokens by, with the smallest weight 1/2.
    """

    true: Float[np.ndarray, " tokens"]
    estimates: Mapping[str, Float[np.ndarray, " tokens"]]
    probability: Float[np.ndarray, " tokens"]
    advantage: Float[np.ndarray, " tokens"]
    weights: Mapping[str, Float[np.ndarray, " tokens"]]


def measured_update(
    net: StackedTransformer,
    world: PolicyWorld,
    seed: int,
    *names: str | int,
    step: float,
    group: int = 8,
    mini_batches: int = 4,
) -> Updated:
    """Draw a rollout, take one step of plain gradient descent on its first mini-batch, and compare.

    Args:
        net: a stack of one policy; copied, not changed.
        world: prompts and rewards.
        seed: of the rollout's streams.
        names: of those streams.
        step: learning rate.
        group: responses to each prompt.
        mini_batches: the first of so many is stepped on; groups go to them in turn.
    """
    one = net.select([0])
    rollout = _rollout(one, world, seed, group, names)
    groups = np.arange(0, len(world.prompts), mini_batches)
    rows = torch.from_numpy((groups[:, None] * group + np.arange(group)).ravel())
    for weight in one.weights.values():
        weight.requires_grad_(True)
    before = _logits(one, rollout, rows)
    mask, actions = rollout.mask[0, rows], rollout.drawn.tokens[0, rows]
    advantage = rollout.advantage[0, rows]
    log_prob = token_log_probs(before, actions)
    loss = open_loss("policy-gradient")(log_prob, log_prob.detach(), advantage, mask).loss
    _descend(one, loss, step)
    with torch.no_grad():
        after = _logits(one, rollout, rows)
    before, log_prob = before.detach(), log_prob.detach()
    estimates = {
        name: entropy_change(before, actions, advantage, estimator=name) for name in get_args(Estimator)
    }
    estimates[COVARIANCE] = -token_covariance(advantage, log_prob, mask)
    estimates[FIRST_ORDER] = entropy_change_first_order(before, after - before)

    def told(x: torch.Tensor) -> Float[np.ndarray, " tokens"]:
        return x[mask].double().numpy()

    return Updated(
        told(token_entropy(after) - token_entropy(before)),
        {name: told(estimate) for name, estimate in estimates.items()},
        told(log_prob.exp()),
        told(advantage),
        {name: told(steer_weights(estimates[name], mask, LEAST)) for name in get_args(Estimator)},
    )


def _rollout(
    net: StackedTransformer, world: PolicyWorld, seed: int, group: int, names: Sequence[str | int]
) -> Rollout:
    variant = Variant("measured")
    estimator = open_advantage(variant.advantage)
    return Roller([world], [variant], [seed], [estimator], PolicyPlan(group=group), names)(net, 0)


def _logits(
    net: StackedTransformer, rollout: Rollout, rows: Int[torch.Tensor, " rows"]
) -> Float[torch.Tensor, "rows most vocabulary"]:
    """Return the logits that each token of some responses was, or would be, drawn from, in float64 at the end."""
    first, most = int(rollout.start[0, 0]), rollout.mask.shape[-1]
    tokens = rollout.tokens[:, rows, : first + most]
    return net.logits(net.hidden(tokens, range(first, first + most)))[0].double()


def _descend(net: StackedTransformer, loss: torch.Tensor, step: float) -> None:
    """Move the weights one step down the gradient."""
    weights = list(net.weights.values())
    with torch.no_grad():
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.sub_(step * gradient)

"""Estimators of the entropy change against the truth, on softmax tables: one row, one sampled action, one step."""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.entropy_change import Estimator, entropy_change
from doxa.training.tokens import token_entropy

SCALES = (2.0, 4.0)
"""Standard deviations of a row's logits are drawn evenly between these (spec's feasibility run)."""


class Rows(NamedTuple):
    """Rows of a softmax table, each with an action drawn from it and an advantage."""

    logits: Float[torch.Tensor, "draws actions"]
    actions: Int[torch.Tensor, " draws"]
    advantages: Float[torch.Tensor, " draws"]

    @property
    def probability(self) -> Float[torch.Tensor, " draws"]:
        """Probability of each row's action."""
        return self.logits.softmax(-1).gather(-1, self.actions[:, None])[:, 0]


class Estimated(NamedTuple):
    """What a step did to each row's entropy, in nats, and what each estimator said it would do."""

    true: Float[np.ndarray, " draws"]
    estimates: dict[str, Float[np.ndarray, " draws"]]


def draw_rows(seed: int, actions: int, draws: int) -> Rows:
    """Return rows with logits ~ Normal(0, s^2), s ~ Uniform(2, 4), advantages ~ Normal(0, 1), in float64.

    Args:
        seed: of the stream ``("entropy-change", "tables", actions)``.
        actions: columns of a row, at least 2.
        draws: rows, at least 2.

    Raises:
        InputError: fewer than 2 actions or draws.
    """
    if actions < 2 or draws < 2:
        raise InputError(f"actions={actions}, draws={draws}: both must be >= 2")
    rng = stream(seed, "entropy-change", "tables", actions)
    logits = rng.normal(size=(draws, actions)) * rng.uniform(*SCALES, size=(draws, 1))
    # the largest of logits plus Gumbel noise is a draw from their softmax
    chosen = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    advantages = rng.normal(size=draws)
    return Rows(torch.from_numpy(logits), torch.from_numpy(chosen), torch.from_numpy(advantages))


def stepped_entropy_change(rows: Rows, step: float) -> Float[torch.Tensor, " draws"]:
    """Return H(z + step A (e_a - p)) - H(z) of each row: one ascent step on A ln p_a, on policy."""
    ascent = torch.nn.functional.one_hot(rows.actions, rows.logits.shape[1]) - rows.logits.softmax(-1)
    moved = rows.logits + step * rows.advantages[:, None] * ascent
    return token_entropy(moved) - token_entropy(rows.logits)


def estimate_rows(rows: Rows, step: float) -> Estimated:
    """Return the true changes of one step and those of every estimator."""
    estimates = {
        name: entropy_change(rows.logits, rows.actions, rows.advantages, estimator=name, eta=step).numpy()
        for name in get_args(Estimator)
    }
    return Estimated(stepped_entropy_change(rows, step).numpy(), estimates)

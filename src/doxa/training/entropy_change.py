"""What updates do to a policy's entropy: estimates of it, weights from them, tables, and the change itself.

The estimates stand in ``doxa.training.entropy_estimators`` with their derivation; they can be had from here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

import torch
from jaxtyping import Float, Int, Shaped

from doxa.errors import InputError
from doxa.training.aggregation import valid_tokens
from doxa.training.batches import check_log_probs, check_share, checked_entropy
from doxa.training.entropy_estimators import (
    Estimator,
    covariance_law,
    entropy_change,
    entropy_change_first_order,
    first_order_change,
    official_omega,
    token_covariance,
)
from doxa.training.tokens import token_entropy

__all__ = [
    "EntropyChange",
    "Estimator",
    "Quadrants",
    "WeightKind",
    "covariance_law",
    "covariance_metrics",
    "entropy_change",
    "entropy_change_first_order",
    "first_order_change",
    "measure_entropy_change",
    "official_omega",
    "quadrants",
    "steer_weights",
    "token_covariance",
]

WeightKind = Literal["exp", "linear"]


class Quadrants(NamedTuple):
    """Tokens by the sign of their advantage and by their probability.

    Rows are A > 0 and A < 0; columns are likely tokens, ln p > -H, and unlikely ones. Tokens without advantage are in
    none. To first order likely tokens with A > 0 and unlikely ones with A < 0 lower the entropy, the others raise it.

    Attributes:
        counts: number of tokens.
        changes: sum of their estimated entropy changes in nats, per unit step.
    """

    counts: Int[torch.Tensor, "2 2"]
    changes: Float[torch.Tensor, "2 2"]


class EntropyChange(NamedTuple):
    """Entropies before and after a training step, in nats.

    Attributes:
        before: at each position.
        after: at the same positions, with the same tokens before them.
    """

    before: Float[torch.Tensor, "*rows"]
    after: Float[torch.Tensor, "*rows"]

    @property
    def change(self) -> Float[torch.Tensor, "*rows"]:
        """After minus before."""
        return self.after - self.before


def steer_weights(
    omega: Float[torch.Tensor, "batch time"],
    mask: Shaped[torch.Tensor, "batch time"],
    lambda_min: float = 0.8,
    lambda_max: float = 1.0,
    kind: WeightKind = "exp",
    floor: float = 0.02,
) -> Float[torch.Tensor, "batch time"]:
    """Return STEER's weights λ, falling with |Ω|; 0 under mask 0, and all 0 where no token is valid.

        exp      λ = λ_min ^ (|Ω| / max(max |Ω|, floor))
        linear   λ from λ_max at the least |Ω| to λ_min at the largest; halfway where all are equal

    Args:
        omega: Ω per token, any sign.
        mask: 1 for tokens of the response.
        lambda_min: weight of the largest |Ω|, in (0, 1] for ``exp``.
        lambda_max: weight of the least |Ω| for ``linear``.
        kind: of the two.
        floor: |Ω| below which the largest does not count as large, > 0.

    Raises:
        InputError: a bound is out of range.
    """
    _check_bounds(lambda_min, lambda_max, kind, floor)
    valid = mask > 0
    if not bool(valid.any()):
        return torch.zeros_like(omega)
    size = torch.where(valid, omega.detach().abs(), 0.0)
    largest = size.amax()
    if kind == "exp":
        share = size / largest.clamp(min=floor)
        weights = torch.pow(lambda_min, share).clamp(lambda_min, 1.0).masked_fill(share == 1.0, lambda_min)
    else:
        least = size.masked_fill(~valid, torch.inf).amin()
        spread = largest - least
        share = torch.where(spread > 0, (size - least) / spread.clamp(min=1e-30), 0.5)
        weights = torch.lerp(share.new_tensor(lambda_max), share.new_tensor(lambda_min), share)
    return torch.where(valid, weights, 0.0)


def _check_bounds(lambda_min: float, lambda_max: float, kind: str, floor: float) -> None:
    if kind not in get_args(WeightKind):
        raise InputError(f"kind={kind!r}: must be exp or linear")
    if kind == "exp" and not 0.0 < lambda_min <= 1.0:
        raise InputError(
            f"lambda_min={lambda_min:g}: must be in (0, 1] for exp; 0.8 is the published one, 1 is GRPO"
        )
    if kind == "linear" and not 0.0 <= lambda_min <= lambda_max:
        raise InputError(
            f"lambda_min={lambda_min:g}, lambda_max={lambda_max:g}: must be 0 <= min <= max, as .8 and 1.2"
        )
    if not floor > 0.0:
        raise InputError(f"floor={floor:g}: must be > 0, as 0.02")


def covariance_metrics(
    adv: torch.Tensor,
    logp: Float[torch.Tensor, "batch time"],
    mask: Shaped[torch.Tensor, "batch time"],
    tops: Sequence[float] = (2e-2, 2e-3, 2e-4),
) -> dict[str, torch.Tensor]:
    """Return the mean covariance of a batch, and the means of the tokens where it is largest.

    Args:
        adv: advantages, (B, T) or (B,).
        logp: log-probabilities of the sampled tokens.
        mask: 1 for tokens of the response.
        tops: shares of tokens, each at least one token.

    Returns:
        ``covariance`` and, for each share, ``covariance_top_<share>``.

    Raises:
        InputError: no token is valid or a share is none.
    """
    for top in tops:
        check_share("top", top)
    with torch.no_grad():
        found = token_covariance(adv, logp, mask)[valid_tokens(mask)]
        numbers = [max(1, int(len(found) * top)) for top in tops]
        largest = found.topk(max(numbers, default=1)).values
        return {"covariance": found.mean()} | {
            f"covariance_top_{top:g}": largest[:number].mean()
            for top, number in zip(tops, numbers, strict=True)
        }


def quadrants(
    logp: Float[torch.Tensor, "batch time"],
    adv: torch.Tensor,
    entropy: torch.Tensor,
    mask: Shaped[torch.Tensor, "batch time"],
    change: Float[torch.Tensor, "batch time"] | None = None,
) -> Quadrants:
    """Return how many tokens stand in each quadrant, and what they do to the entropy.

    Args:
        logp: log-probabilities of the sampled tokens.
        adv: advantages, (B, T) or (B,).
        entropy: entropy in nats at each token.
        mask: 1 for tokens of the response.
        change: entropy change of each token; without it the token's own term, ``own_logit`` on-policy.

    Raises:
        InputError: no token is valid, an entropy is missing or out of range, or logits stand in logp's place.
    """
    with torch.no_grad():
        valid = valid_tokens(mask)
        h = checked_entropy(entropy, valid, "quadrants")
        check_log_probs("logp", float(torch.where(valid, logp, 0.0).amax()))
        a = (adv.unsqueeze(-1) if adv.ndim == 1 else adv).expand_as(logp)
        if change is None:
            change = -official_omega(logp, logp, a, h, "own_logit")
        likely = logp > -h
        cells = [valid & sign & side for sign in (a > 0, a < 0) for side in (likely, ~likely)]
        counts = torch.stack([cell.sum() for cell in cells])
        changes = torch.stack([torch.where(cell, change, 0.0).sum() for cell in cells])
        return Quadrants(counts.view(2, 2), changes.view(2, 2))


def measure_entropy_change(
    model: Callable[..., Any],
    batch: Mapping[str, Any] | torch.Tensor,
    step_fn: Callable[[], object],
    *,
    temperature: float = 1.0,
) -> EntropyChange:
    """Return the entropy at every position before and after a training step, on one and the same batch.

    Args:
        model: gives logits, or an object with ``logits`` as models of transformers do, of shape (..., vocabulary). A
            module is read in evaluation mode, because dropout would change entropies too, and put back.
        batch: what it is called with: a mapping is spread over its keywords, as ``model(**batch)``.
        step_fn: takes the step; what it returns is ignored.
        temperature: of sampling.

    Raises:
        InputError: the step has put other positions into the batch.
    """
    before = _entropies(model, batch, temperature)
    step_fn()
    after = _entropies(model, batch, temperature)
    if before.shape != after.shape:
        raise InputError(
            f"entropies of shape {tuple(before.shape)} before and {tuple(after.shape)} after the step: the model must "
            "be asked for the same positions"
        )
    return EntropyChange(before, after)


def _entropies(
    model: Callable[..., Any], batch: Mapping[str, Any] | torch.Tensor, temperature: float
) -> torch.Tensor:
    training = isinstance(model, torch.nn.Module) and model.training
    if training:
        cast(torch.nn.Module, model).eval()
    try:
        with torch.no_grad():
            found = model(**batch) if isinstance(batch, Mapping) else model(batch)
            return token_entropy(getattr(found, "logits", found), temperature=temperature)
    finally:
        if training:
            cast(torch.nn.Module, model).train()

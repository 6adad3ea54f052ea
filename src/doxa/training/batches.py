"""What every loss does first: it looks at its tensors once, cheaply, and blanks out what no mask lets through."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.training.aggregation import masked_mean, valid_tokens

ROUNDING = 1e-2
"""How far above 0 a log-probability, or below 0 an entropy, may stand by rounding: bfloat16 keeps three digits."""

FAR_RATIO = 0.1
"""Mean |ln ratio| in nats from which log-probabilities of one and the same policy are called far apart."""


class ObjectiveWarning(UserWarning):
    """A loss is well defined and yet unlikely to be what was meant."""


class TokenBatch(NamedTuple):
    """A checked micro-batch, 0 wherever the mask is 0.

    Attributes:
        log_prob: of the current policy, with its gradient.
        drift: ln π - ln π_old per token.
        advantage: per token.
        valid: the mask.
        tokens: number of valid tokens.
    """

    log_prob: Float[torch.Tensor, "batch time"]
    drift: Float[torch.Tensor, "batch time"]
    advantage: Float[torch.Tensor, "batch time"]
    valid: Bool[torch.Tensor, "batch time"]
    tokens: Int[torch.Tensor, ""]

    def mean(self, x: Float[torch.Tensor, "batch time"]) -> Float[torch.Tensor, ""]:
        """Return the mean over valid tokens of what is 0 elsewhere."""
        return x.sum() / self.tokens

    def share(self, which: Bool[torch.Tensor, "batch time"]) -> Float[torch.Tensor, ""]:
        """Return the share of valid tokens that are marked."""
        return (which & self.valid).sum() / self.tokens


def token_batch(
    logp: torch.Tensor, old_logp: torch.Tensor, adv: torch.Tensor, mask: torch.Tensor
) -> TokenBatch:
    """Check a micro-batch and blank out what stands under mask 0.

    Args:
        logp: log-probabilities of the sampled tokens under the current policy, (B, T).
        old_logp: the same under the policy that sampled them.
        adv: advantages, (B, T), or (B,) for one per response.
        mask: 1 for tokens of the response.

    Raises:
        InputError: shapes differ, no token is valid, old_logp carries a gradient, logits stand where log-probabilities
            should, or an advantage is not finite.
    """
    _check_shapes(logp, old_logp, adv, mask)
    if old_logp.requires_grad:
        raise InputError(
            "old_logp requires a gradient: the policy that sampled is fixed; pass old_logp.detach(), else the "
            "ratio's gradient is zero"
        )
    valid = valid_tokens(mask)
    log_prob = torch.where(valid, logp, 0.0)
    old = torch.where(valid, old_logp, 0.0)
    advantage = torch.where(valid, (adv.unsqueeze(-1) if adv.ndim == 1 else adv).detach(), 0.0).to(logp.dtype)
    seen = torch.stack([log_prob.detach().amax(), old.amax().to(logp.dtype), advantage.abs().amax()]).tolist()
    _check_values(*seen)
    return TokenBatch(log_prob, log_prob - old, advantage, valid, valid.sum())


def _check_shapes(logp: torch.Tensor, old_logp: torch.Tensor, adv: torch.Tensor, mask: torch.Tensor) -> None:
    if logp.ndim == 3:
        raise InputError(
            f"logp of shape {tuple(logp.shape)}: these are logits of a whole vocabulary; pass "
            "token_log_probs(logits, tokens)"
        )
    if logp.ndim != 2 or old_logp.shape != logp.shape or mask.shape != logp.shape:
        raise InputError(
            f"logp {tuple(logp.shape)}, old_logp {tuple(old_logp.shape)}, mask {tuple(mask.shape)}: all three must "
            "be (responses, tokens)"
        )
    if adv.shape not in (logp.shape, logp.shape[:1]):
        raise InputError(
            f"advantages of shape {tuple(adv.shape)}: must be {tuple(logp.shape)}, or {tuple(logp.shape[:1])} for "
            "one per response"
        )


def check_log_probs(name: str, highest: float) -> None:
    """Refuse log-probabilities of which the highest is above 0.

    Raises:
        InputError: it is, or is NaN.
    """
    if math.isnan(highest):
        raise InputError(f"{name} is NaN where the mask is 1: are the weights or the logits finite?")
    if not highest <= ROUNDING:
        raise InputError(
            f"{name} reaches {highest:.4g}: log-probabilities are at most 0; if these are logits, pass "
            "token_log_probs(logits, tokens)"
        )


def _check_values(highest: float, highest_old: float, largest_advantage: float) -> None:
    check_log_probs("logp", highest)
    check_log_probs("old_logp", highest_old)
    if not math.isfinite(largest_advantage):
        raise InputError(
            "an advantage is NaN or infinite: a group of one has no standard deviation and a missing reward no "
            "advantage; use grpo_advantage, or set those advantages to 0"
        )


def checked_entropy(
    entropy: torch.Tensor | None,
    valid: Bool[torch.Tensor, "batch time"],
    who: str,
    vocabulary: int | None = None,
) -> Float[torch.Tensor, "batch time"]:
    """Return entropies without gradient, 0 where the mask is 0.

    Args:
        entropy: entropy in nats at each position, of the full vocabulary at the sampling temperature.
        valid: the mask.
        who: what needs them, for messages.
        vocabulary: number of tokens, where known: no entropy exceeds its logarithm.

    Raises:
        InputError: entropies are missing, of another shape, negative, NaN or above ln V.
    """
    if entropy is None:
        raise InputError(
            f"{who} needs the entropy of every token and got none: compute it in the forward pass with "
            "token_statistics(...) or token_entropy(logits); in TRL compute_entropy=True of "
            "_get_per_token_logps_and_entropies, in verl calculate_entropy=True of the actor"
        )
    if entropy.shape != valid.shape:
        raise InputError(f"entropy of shape {tuple(entropy.shape)}: must be {tuple(valid.shape)}")
    blank = torch.where(valid, entropy.detach(), 0.0)
    low, high = torch.stack(torch.aminmax(blank)).tolist()
    if not low >= -ROUNDING:
        raise InputError(f"entropy={low:.4g}: must be at least 0 nats; was its sign turned for a loss?")
    limit = math.inf if vocabulary is None else math.log(vocabulary)
    if not high <= limit + ROUNDING:
        raise InputError(
            f"entropy={high:.4g} nats: at most ln {vocabulary} = {limit:.4g}; entropies are in nats, not bits"
        )
    return blank


def check_share(name: str, value: float) -> None:
    """Refuse a share of tokens that is none.

    Raises:
        InputError: it is outside (0, 1].
    """
    if not 0.0 < value <= 1.0:
        hint = f"; {value:g} % of the tokens is {name}={value / 100:g}" if value > 1.0 else ""
        raise InputError(f"{name}={value:g}: must be a fraction in (0, 1]{hint}")


def warn_far_ratio(logp: torch.Tensor, old_logp: torch.Tensor, mask: torch.Tensor) -> None:
    """Warn if policies that should be one and the same are far apart; to be called on the first update of a rollout.

    Args:
        logp: log-probabilities as the training pass has them.
        old_logp: as they were at sampling.
        mask: 1 for tokens of the response.

    Raises:
        InputError: no token is valid.
    """
    drift = float(masked_mean((logp.detach() - old_logp).abs(), mask))
    if not drift <= FAR_RATIO:
        warnings.warn(
            f"mean |ln ratio| = {drift:.3g} on the first update, where both policies are the same: are logp and "
            "old_logp of the same temperature, tokens and weights?",
            ObjectiveWarning,
            stacklevel=2,
        )

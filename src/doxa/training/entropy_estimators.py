"""How much one update changes a policy's entropy: covariances, first-order estimates, weights.

At one position with logits z, p = softmax(z) and entropy H, ∂H/∂z_k = -p_k (ln p_k + H), so a small change Δz gives

    ΔH ≈ -Σ_k p_k (ln p_k + H) Δz_k = -Cov_{k~p}(ln p_k, Δz_k)                  error O(Δz²)

One ascent step of size η on the surrogate ρ A of a sampled token a has Δz = η w (e_a - p), with w = A ρ, or 0 where the
clip takes the gradient, and so

    ΔH ≈ -η w [p_a (ln p_a + H) - Σ_k p_k² (ln p_k + H)]                        "exact", to first order

The entropy mechanism (Cui et al. 2025) follows the covariance of advantages and log-probabilities over a batch; STEER
(Hao et al. 2025) weighs tokens by an estimate of |ΔH| from the token's own term.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int, Shaped

from doxa.errors import InputError, did_you_mean
from doxa.training.aggregation import masked_mean, valid_tokens
from doxa.training.tokens import logit_statistics

Estimator = Literal["official", "squared", "own_logit", "exact"]


def token_covariance(
    adv: torch.Tensor, logp: Float[torch.Tensor, "batch time"], mask: Shaped[torch.Tensor, "batch time"]
) -> Float[torch.Tensor, "batch time"]:
    """Return C = (A - mean A) (ln π - mean ln π) per token, means over all valid tokens; 0 elsewhere.

    Its mean over the batch is the covariance that the entropy mechanism tracks: positive while entropy falls.

    Args:
        adv: advantages, (B, T) or (B,).
        logp: log-probabilities of the sampled tokens.
        mask: 1 for tokens of the response.

    Raises:
        InputError: no token is valid.
    """
    valid = valid_tokens(mask)
    advantage = (adv.unsqueeze(-1) if adv.ndim == 1 else adv).expand_as(logp)
    centred = (advantage - masked_mean(advantage, valid)) * (logp - masked_mean(logp, valid))
    return torch.where(valid, centred, 0.0)


def entropy_change_first_order(
    logits: Float[torch.Tensor, "*rows vocabulary"], dlogits: Float[torch.Tensor, "*rows vocabulary"]
) -> Float[torch.Tensor, "*rows"]:
    """Return -Cov_p(ln p, Δz) at each position, the entropy change in nats to first order in Δz.

    Args:
        logits: z, already divided by the temperature; -inf excludes a token.
        dlogits: Δz, finite wherever a token is not excluded.
    """
    log_p = torch.log_softmax(logits, -1)
    p = log_p.exp()
    log_p, step = (torch.where(p > 0, x, 0.0) for x in (log_p, dlogits))
    centred = log_p - (p * log_p).sum(-1, keepdim=True)
    return -(p * centred * step).sum(-1)


def covariance_law(
    logp_table: Float[torch.Tensor, "*states actions"],
    adv_table: Float[torch.Tensor, "*states actions"],
    kind: Literal["pg", "npg"] = "pg",
) -> Float[torch.Tensor, "*states"]:
    """Return the entropy change per unit step of a tabular softmax policy under its expected update.

    Args:
        logp_table: log-probabilities of every action in every state.
        adv_table: advantages of every action.
        kind: ``pg``, the exact expected policy gradient: -Cov(ln π, π (A - E A)); ``npg``, the natural one:
            -Cov(ln π, A).

    Raises:
        InputError: the kind is unknown.
    """
    if kind == "npg":
        return entropy_change_first_order(logp_table, adv_table)
    if kind != "pg":
        raise InputError(f"kind={kind!r}: must be pg or npg")
    p = logp_table.exp()
    mean = (p * adv_table).sum(-1, keepdim=True)
    return entropy_change_first_order(logp_table, p * (adv_table - mean))


def first_order_change(
    logp: Float[torch.Tensor, "*rows"],
    entropy: Float[torch.Tensor, "*rows"],
    concentration: Float[torch.Tensor, "*rows"],
    weight: Float[torch.Tensor, "*rows"],
) -> Float[torch.Tensor, "*rows"]:
    """Return w [p_a (ln p_a + H) - Σ_k p_k² (ln p_k + H)], minus the entropy change per unit step.

    Args:
        logp: ln p_a of the token.
        entropy: H in nats.
        concentration: Σ_k p_k² (ln p_k + H), see ``TokenStatistics``.
        weight: w = A ρ, 0 where the gradient is clipped.
    """
    return weight * (logp.exp() * (logp + entropy) - concentration)


def official_omega(
    logp: Float[torch.Tensor, "*rows"],
    old_logp: Float[torch.Tensor, "*rows"],
    adv: Float[torch.Tensor, "*rows"],
    entropy: Float[torch.Tensor, "*rows"],
    estimator: Estimator = "official",
) -> Float[torch.Tensor, "*rows"]:
    """Return Ω of STEER, an estimate of minus the entropy change per unit step.

    With x = π held within 1e-8 of 0 and 1 and o = π_old held above 1e-8:

        official    (A / o) x (1 - x) (ln x + H)         as in the released code
        squared     (A / o) x (1 - x)² (ln x + H)
        own_logit   A (π / π_old) x (1 - x) (ln x + H)   the token's own term of the exact change

    What is not finite becomes 0. No gradient flows.

    Args:
        logp: log-probabilities of the tokens under the current policy.
        old_logp: the same under the policy that sampled them.
        adv: advantages.
        entropy: H in nats.
        estimator: one of the three.

    Raises:
        InputError: the estimator is unknown, or ``exact``, which needs the whole distribution.
    """
    with torch.no_grad():
        x = logp.exp().clamp(1e-8, 1.0 - 1e-8)
        old = old_logp.exp().clamp(1e-8, 1.0)
        own = x * (1.0 - x) * (x.log() + entropy)
        if estimator == "official":
            omega = adv / old * own
        elif estimator == "squared":
            omega = adv / old * own * (1.0 - x)
        elif estimator == "own_logit":
            omega = adv * (logp - old_logp).exp() * own
        else:
            known = [one for one in get_args(Estimator) if one != "exact"]
            raise InputError(f"estimator={estimator!r}: {did_you_mean(str(estimator), known)}")
        return torch.where(omega.isfinite(), omega, 0.0)


def entropy_change(
    logits: Float[torch.Tensor, "*rows vocabulary"],
    actions: Int[torch.Tensor, "*rows"],
    adv: Float[torch.Tensor, "*rows"],
    ratio: torch.Tensor | float = 1.0,
    clip_mask: torch.Tensor | None = None,
    estimator: Estimator = "exact",
    eta: float = 1.0,
) -> Float[torch.Tensor, "*rows"]:
    """Return the estimated entropy change in nats of one step on each token, at its own position.

    Args:
        logits: z, already divided by the temperature.
        actions: sampled tokens.
        adv: advantages.
        ratio: ρ = π / π_old.
        clip_mask: true where the clip takes the gradient; the change is 0 there.
        estimator: ``exact`` to first order, or one of ``official_omega``.
        eta: size of the step on the logits.

    Raises:
        InputError: the estimator is unknown or sizes differ.
    """
    with torch.no_grad():
        found = logit_statistics(logits, actions, concentration=estimator == "exact")
        rho = torch.as_tensor(ratio, dtype=found.log_prob.dtype, device=logits.device).expand_as(adv)
        if found.concentration is not None:
            omega = first_order_change(found.log_prob, found.entropy, found.concentration, adv * rho)
        else:
            old = found.log_prob - rho.log()
            omega = official_omega(found.log_prob, old, adv, found.entropy, estimator)
        return -eta * (omega if clip_mask is None else torch.where(clip_mask.bool(), 0.0, omega))

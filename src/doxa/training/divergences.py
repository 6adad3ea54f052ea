"""Per-token estimators of the divergence KL(π ‖ π_ref), from samples of π: d = ln π - ln π_ref.

k1          d                       unbiased, may be negative
abs         |d|
k2          d²/2                    biased, its gradient is that of the divergence
k3          e^{-d} + d - 1          unbiased, never negative
k3-clamped  k3 with -d clamped to ±20 and the value to ±10, as verl does; both clamps stop the gradient
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

from doxa.lab.registry import Registry

Divergence = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From log-probabilities of the policy and of the reference to an estimate per token, in nats."""

_NEAR, _ORDERS = 0.1, 10
"""Up to |d| = 0.1 ten orders of the series are exact to rounding in double precision."""

divergences: Registry[Divergence] = Registry("divergences")


@divergences.register("k1")
def k1(log_prob: Float[torch.Tensor, "*rows"], reference: Float[torch.Tensor, "*rows"]) -> torch.Tensor:
    """Return d."""
    return log_prob - reference


@divergences.register("abs")
def absolute(log_prob: Float[torch.Tensor, "*rows"], reference: Float[torch.Tensor, "*rows"]) -> torch.Tensor:
    """Return |d|."""
    return (log_prob - reference).abs()


@divergences.register("k2")
def k2(log_prob: Float[torch.Tensor, "*rows"], reference: Float[torch.Tensor, "*rows"]) -> torch.Tensor:
    """Return d²/2."""
    return (log_prob - reference).square() / 2


@divergences.register("k3")
def k3(log_prob: Float[torch.Tensor, "*rows"], reference: Float[torch.Tensor, "*rows"]) -> torch.Tensor:
    """Return e^{-d} + d - 1, exact near d = 0."""
    return _excess(log_prob - reference)


@divergences.register("k3-clamped")
def k3_clamped(
    log_prob: Float[torch.Tensor, "*rows"], reference: Float[torch.Tensor, "*rows"]
) -> torch.Tensor:
    """Return k3 between the clamps of verl's ``low_var_kl``."""
    d = (log_prob - reference).clamp(-20.0, 20.0)
    return _excess(d).clamp(-10.0, 10.0)


def _excess(d: torch.Tensor) -> torch.Tensor:
    """Return e^{-d} + d - 1; near 0 by its series, because there e^{-d} - 1 and d cancel."""
    near = d.clamp(-_NEAR, _NEAR)
    series = torch.zeros_like(d)
    for order in range(_ORDERS, 1, -1):
        series = (1.0 - near * series) / order
    return torch.where(d.abs() < _NEAR, near * near * series, torch.expm1(-d) + d)

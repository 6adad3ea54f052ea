"""Micro-batches for the tests of losses."""

from __future__ import annotations

from typing import NamedTuple

import torch

from doxa.streams import torch_stream
from doxa.training.tokens import TokenStatistics, logit_statistics


class Batch(NamedTuple):
    logits: torch.Tensor
    tokens: torch.Tensor
    logp: torch.Tensor
    old_logp: torch.Tensor
    adv: torch.Tensor
    mask: torch.Tensor
    statistics: TokenStatistics

    @property
    def four(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.logp, self.old_logp, self.adv, self.mask


def batch(
    seed: int = 0, rows: int = 6, time: int = 8, dtype: torch.dtype = torch.float64, drift: float = 0.3
) -> Batch:
    """Return a random micro-batch of a vocabulary of 7, with padding, whose policy has moved by about ``drift``."""
    chance = torch_stream(seed, "batch")
    logits = 2 * torch.randn(rows, time, 7, generator=chance, dtype=dtype)
    tokens = torch.randint(7, (rows, time), generator=chance)
    old = logits + drift * torch.randn(logits.shape, generator=chance, dtype=dtype)
    lengths = torch.randint(1, time + 1, (rows, 1), generator=chance)
    logits.requires_grad_()
    statistics = logit_statistics(logits, tokens, concentration=True)
    return Batch(
        logits,
        tokens,
        statistics.log_prob,
        logit_statistics(old, tokens).log_prob,
        torch.randn(rows, generator=chance, dtype=dtype),
        (torch.arange(time) < lengths).to(dtype),
        statistics,
    )


def gradient(loss: torch.Tensor, logp: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a loss to log-probabilities."""
    return torch.autograd.grad(loss, logp, retain_graph=True)[0]

"""Prompts with their responses as rows of a training pass, and what a policy says about the responses' tokens."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int

from doxa.nets.transformer import StackedTransformer
from doxa.training.tokens import TokenStatistics, token_statistics


def rows_of(
    prompts: Int[np.ndarray, "replicates prompts asked"],
    lengths: Int[np.ndarray, "replicates prompts"],
    responses: Int[torch.Tensor, "replicates rows most"],
) -> tuple[Int[torch.Tensor, "replicates rows positions"], Int[torch.Tensor, "replicates rows"]]:
    """Return prompts with their responses behind them, and the columns of the prompts' last tokens.

    Args:
        prompts: filled up on the right.
        lengths: tokens of each prompt.
        responses: the same number to each prompt, those to one prompt side by side.
    """
    repeats = responses.shape[1] // prompts.shape[1]
    asked = torch.from_numpy(np.repeat(prompts, repeats, axis=1)).long()
    start = torch.from_numpy(np.repeat(lengths, repeats, axis=1)) - 1
    tokens = torch.cat([asked, responses], -1)
    places = start.unsqueeze(-1) + 1 + torch.arange(responses.shape[-1])
    return tokens.scatter_(2, places, responses), start


def response_statistics(
    net: StackedTransformer,
    tokens: Int[torch.Tensor, "replicates rows positions"],
    start: Int[torch.Tensor, "replicates rows"],
    responses: Int[torch.Tensor, "replicates rows most"],
    *,
    longest: int,
    temperature: Float[torch.Tensor, " replicates"] | None = None,
    concentration: bool = False,
) -> TokenStatistics:
    """Return the statistics of all responses' tokens from one pass without a cache, with their gradients.

    Args:
        net: the policies.
        tokens: see ``rows_of``.
        start: columns of the prompts' last tokens.
        responses: the tokens asked about.
        longest: tokens of the longest response; beyond it all statistics are 0.
        temperature: of each replicate, what its logits are divided by; None for 1.
        concentration: whether to compute it.
    """
    low, high = int(start.min()), int(start.max())
    hidden = net.hidden(tokens[:, :, : high + longest], range(low, high + longest))
    if low < high:
        own = (start - low).unsqueeze(-1) + torch.arange(longest)
        hidden = hidden.gather(2, own.unsqueeze(-1).expand(-1, -1, -1, hidden.shape[-1]))
    rows = hidden.flatten(1, 2)
    head = net.weights["embedding"].transpose(1, 2) if net.shape.tied else net.weights["head"]
    found = token_statistics(
        rows if temperature is None else rows / temperature.view(-1, 1, 1),
        head,
        responses[:, :, :longest].flatten(1),
        concentration=concentration,
    )

    def whole(one: torch.Tensor) -> torch.Tensor:
        return F.pad(one.view(*start.shape, longest), (0, responses.shape[-1] - longest))

    concentrated = None if found.concentration is None else whole(found.concentration)
    return TokenStatistics(whole(found.log_prob), whole(found.entropy), concentrated)

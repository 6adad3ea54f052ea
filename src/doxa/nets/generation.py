"""Sampling from a stack of transformers with a key-value cache: all replicates and rows take each step together.

The log-probability of every drawn token and the entropy of the distribution it came from fall out of the draw, so
that a loop that trains on the rows needs no second pass for them. Chance is an argument: a token is where the
cumulative distribution passes a given number in [0, 1), so a row depends on its own numbers only, not on the rows or
replicates beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.nets.decoding import Decoder
from doxa.nets.transformer import StackedTransformer
from doxa.streams import stream

ROWS_AT_ONCE = 4096
BLOCK_TOKENS = 128
"""A long cumulative sum is searched in two steps: first over sums of so many tokens, then within one of them."""


class Generated(NamedTuple):
    """What was drawn, and what the policy thought of it.

    Attributes:
        tokens: the drawn tokens; after a row's end token all are the end token.
        lengths: drawn tokens of each row, its end token included; a row that was cut off has the full width.
        log_prob: natural log-probability of each drawn token at the temperature; 0 after the end.
        entropy: entropy of the distribution each token was drawn from, in nats; 0 after the end.
        concentration: sum over the vocabulary of p^2 (ln p + entropy), what the exact first-order change of entropy
            needs; 0 after the end, and None unless asked for.
    """

    tokens: Int[torch.Tensor, "replicates rows most"]
    lengths: Int[torch.Tensor, "replicates rows"]
    log_prob: Float[torch.Tensor, "replicates rows most"]
    entropy: Float[torch.Tensor, "replicates rows most"]
    concentration: Float[torch.Tensor, "replicates rows most"] | None = None

    @property
    def mask(self) -> Bool[torch.Tensor, "replicates rows most"]:
        """Which tokens were drawn, the end token included."""
        return torch.arange(self.tokens.shape[-1]) < self.lengths.unsqueeze(-1)


def sampling_noise(
    seeds: Sequence[int], rows: int, most: int, *names: str | int
) -> Float[torch.Tensor, "replicates rows most"]:
    """Return the numbers in [0, 1) that replicates draw tokens with, each from its seed's stream ``names``."""
    numbers = {seed: stream(seed, *names).random((rows, most), dtype=np.float32) for seed in set(seeds)}
    return torch.from_numpy(np.stack([numbers[seed] for seed in seeds]))


@torch.no_grad()
def generate(
    net: StackedTransformer,
    prompts: Int[np.ndarray, "prompts positions"] | Int[np.ndarray, "replicates prompts positions"],
    *,
    end: int,
    most: int,
    noise: Float[torch.Tensor, "replicates rows most"] | None = None,
    repeats: int = 1,
    lengths: Int[np.ndarray, " prompts"] | Int[np.ndarray, "replicates prompts"] | None = None,
    temperature: float | Sequence[float] = 1.0,
    concentration: bool = False,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Generated:
    """Draw one response to each row; row ``p * repeats + j`` is the j-th response to prompt p.

    Args:
        net: the stack.
        prompts: tokens of the prompts, the same for all replicates or one set for each; shorter ones are filled up
            on the right with any token.
        end: the token that ends a response.
        most: tokens drawn at most, the end token included.
        noise: numbers in [0, 1), one per token, see ``sampling_noise``; None takes the likeliest token.
        repeats: responses to each prompt; they share the pass over it.
        lengths: tokens of each prompt where they differ.
        temperature: what logits are divided by, > 0, one for all replicates or one for each.
        concentration: whether to return it.
        rows_at_once: rows of all replicates that are in memory together; it changes no number.

    Raises:
        InputError: a number is out of its range, or prompts, lengths and noise do not fit together.
    """
    tokens = np.broadcast_to(prompts, (net.replicates, *prompts.shape[-2:]))
    _check(net, tokens, end, most, repeats, noise)
    widths = _prompt_lengths(tokens, lengths)
    cold = torch.tensor(temperature, dtype=torch.float32).expand(net.replicates)
    if not bool((cold > 0).all()):
        raise InputError(f"temperature={temperature}: must be > 0; leave noise out for greedy decoding")
    decoder = Decoder(net, cold)
    count = tokens.shape[1]
    size = max(1, rows_at_once // (net.replicates * repeats))
    parts = [
        _respond(
            decoder,
            torch.tensor(tokens[:, start : start + size], dtype=torch.long),
            torch.tensor(widths[:, start : start + size]),
            None if noise is None else noise[:, start * repeats : (start + size) * repeats],
            (end, most, repeats),
            concentration=concentration,
        )
        for start in range(0, count, size)
    ]
    if len(parts) == 1:
        return parts[0]
    joined = [None if column[0] is None else torch.cat(column, 1) for column in zip(*parts, strict=True)]
    return Generated(*joined)  # pyright: ignore[reportArgumentType] (only the last may be None)


def _check(
    net: StackedTransformer,
    tokens: np.ndarray,
    end: int,
    most: int,
    repeats: int,
    noise: torch.Tensor | None,
) -> None:
    replicates, count, positions = tokens.shape
    if most < 1 or repeats < 1:
        raise InputError(f"most={most}, repeats={repeats}: both must be >= 1")
    if not count or not positions:
        raise InputError(f"prompts of size {count} x {positions}: give at least one prompt of one token")
    if not 0 <= end < net.shape.vocabulary:
        raise InputError(f"end={end}: must be a token, 0 .. {net.shape.vocabulary - 1}")
    if positions + most - 1 > net.shape.positions:
        raise InputError(
            f"{positions} tokens of prompt and {most} of response pass the {net.shape.positions} positions of the "
            f"network; take most <= {net.shape.positions - positions + 1}"
        )
    wanted = (replicates, count * repeats, most)
    if noise is not None and tuple(noise.shape) != wanted:
        raise InputError(f"noise of size {tuple(noise.shape)}: must be {wanted} (replicates, rows, most)")


def _prompt_lengths(tokens: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    replicates, count, positions = tokens.shape
    if lengths is None:
        return np.full((replicates, count), positions)
    wide = np.broadcast_to(lengths, (replicates, count)).astype(np.int64)
    if wide.min() < 1 or wide.max() > positions:
        raise InputError(f"lengths from {wide.min()} to {wide.max()}: must be in 1 .. {positions}")
    return wide


def _respond(
    decoder: Decoder,
    prompts: Int[torch.Tensor, "replicates prompts positions"],
    lengths: Int[torch.Tensor, "replicates prompts"],
    noise: Float[torch.Tensor, "replicates rows most"] | None,
    sizes: tuple[int, int, int],
    *,
    concentration: bool,
) -> Generated:
    """Return the responses to some prompts; ``sizes`` are the end token, the most tokens and the repeats."""
    end, most, repeats = sizes
    cache = decoder.cache(lengths, repeats, prompts.shape[2] + most - 1)
    logits = decoder.first(prompts, cache).repeat_interleave(repeats, 1)
    rows = prompts.shape[1] * repeats
    out = torch.full((prompts.shape[0], rows, most), end)
    numbers = torch.zeros(3 if concentration else 2, prompts.shape[0], rows, most)
    alive = torch.ones(prompts.shape[0], rows, dtype=torch.bool)
    count = torch.zeros(prompts.shape[0], rows, dtype=torch.long)
    for place in range(most):
        chosen, *told = _draw(logits, None if noise is None else noise[:, :, place], concentration)
        chosen = torch.where(alive, chosen, end)
        out[:, :, place] = chosen
        for store, one in zip(numbers, told, strict=True):
            store[:, :, place] = one * alive
        count += alive
        alive = alive & (chosen != end)
        if place == most - 1 or not bool(alive.any()):
            break
        logits = decoder.next(chosen, cache)
    return Generated(out, count, numbers[0], numbers[1], numbers[2] if concentration else None)


def _draw(
    logits: Float[torch.Tensor, "replicates rows vocabulary"],
    noise: Float[torch.Tensor, "replicates rows"] | None,
    concentration: bool,
) -> list[torch.Tensor]:
    """Return the tokens, their log-probabilities, the entropies and, if asked for, the concentrations."""
    z = logits - logits.amax(-1, keepdim=True)
    weight = z.exp()
    total = weight.sum(-1)
    log_total = total.log()
    entropy = log_total - torch.linalg.vecdot(weight, z) / total
    chosen = logits.argmax(-1) if noise is None else _passed(weight, noise)
    told = [chosen, z.gather(-1, chosen.unsqueeze(-1)).squeeze(-1) - log_total, entropy]
    if concentration:
        square = weight * weight
        mass = torch.linalg.vecdot(square, z) + square.sum(-1) * (entropy - log_total)
        told.append(mass / (total * total))
    return told


def _passed(
    weight: Float[torch.Tensor, "*rows vocabulary"], noise: Float[torch.Tensor, "*rows"]
) -> Int[torch.Tensor, "*rows"]:
    """Return the first token at which the cumulative weight passes the share ``noise`` of the whole."""
    size = weight.shape[-1]
    if size <= 4 * BLOCK_TOKENS:
        cumulative = weight.cumsum(-1)
        wanted = noise * cumulative[..., -1]
        return (cumulative <= wanted.unsqueeze(-1)).sum(-1).clamp_(max=size - 1)
    whole = F.pad(weight, (0, -size % BLOCK_TOKENS)) if size % BLOCK_TOKENS else weight
    blocks = whole.unflatten(-1, (-1, BLOCK_TOKENS))
    cumulative = blocks.sum(-1).cumsum(-1)
    wanted = noise * cumulative[..., -1]
    block = (cumulative <= wanted.unsqueeze(-1)).sum(-1, keepdim=True).clamp_(max=cumulative.shape[-1] - 1)
    before = torch.where(block > 0, cumulative.gather(-1, (block - 1).clamp(min=0)), 0.0)
    inside = blocks.gather(-2, block.unsqueeze(-1).expand(*block.shape, BLOCK_TOKENS)).squeeze(-2)
    # a rounding error of the sums may leave the rest just above the block's own sum: its last token of any weight
    last = BLOCK_TOKENS - 1 - (inside.flip(-1) > 0).int().argmax(-1)
    within = ((inside.cumsum(-1) + before) <= wanted.unsqueeze(-1)).sum(-1)
    return block.squeeze(-1) * BLOCK_TOKENS + torch.minimum(within, last)

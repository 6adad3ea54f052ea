"""What a policy says about its own tokens: log-probabilities, entropies, concentrations.

With logits z at one position, already divided by the temperature, and p = softmax(z):

    log-probability   ln p_a            = z_a - logsumexp(z)
    entropy           H                 = -Σ_k p_k ln p_k                 nats, in [0, ln V]
    concentration     Σ_k p_k² (ln p_k + H)                               the second term of the first-order
                                                                          entropy change of one token's update

Their gradients are ∂ ln p_a/∂z_k = [k = a] - p_k and ∂H/∂z_k = -p_k (ln p_k + H). Everything runs over rows in chunks
and keeps nothing of size (rows, vocabulary) beyond one chunk: ``token_statistics`` even makes the logits chunk by
chunk, from hidden states and the head, and makes them again on the way back. Where one chunk holds all rows its
log-probabilities are kept instead, which is half the work for a small vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Shaped

from doxa.errors import InputError

CHUNK_BYTES = 1 << 25
"""Logits held at once: 32 MB is some hundred rows of the largest vocabularies, and all rows of a small one."""


class TokenStatistics(NamedTuple):
    """What is known of each sampled token.

    Attributes:
        log_prob: ln p of the token, natural logarithm, ≤ 0.
        entropy: entropy in nats of the distribution it was drawn from.
        concentration: Σ_k p_k² (ln p_k + H), without a gradient; None unless asked for.
    """

    log_prob: Shaped[torch.Tensor, "*rows"]
    entropy: Shaped[torch.Tensor, "*rows"]
    concentration: Shaped[torch.Tensor, "*rows"] | None = None


def token_log_probs(
    logits: Float[torch.Tensor, "*rows vocabulary"],
    tokens: torch.Tensor,
    *,
    temperature: float = 1.0,
) -> Float[torch.Tensor, "*rows"]:
    """Return ln p of each token, with a gradient to the logits.

    Args:
        logits: unnormalised, not yet divided by the temperature; -inf excludes a token.
        tokens: ids in 0 .. vocabulary - 1, (*rows,).
        temperature: of sampling, > 0.

    Raises:
        InputError: sizes or temperature do not fit.
    """
    return logit_statistics(logits, tokens, temperature=temperature).log_prob


def token_entropy(
    logits: Float[torch.Tensor, "*rows vocabulary"], *, temperature: float = 1.0
) -> Float[torch.Tensor, "*rows"]:
    """Return the entropy in nats at each position, in [0, ln V], with a gradient to the logits.

    Args:
        logits: unnormalised, not yet divided by the temperature; -inf excludes a token.
        temperature: of sampling, > 0.

    Raises:
        InputError: the temperature is not positive.

    >>> token_entropy(torch.zeros(2, 4)).exp().tolist()
    [4.0, 4.0]
    """
    tokens = torch.zeros(logits.shape[:-1], dtype=torch.long, device=logits.device)
    return logit_statistics(logits, tokens, temperature=temperature).entropy


def logit_statistics(
    logits: Float[torch.Tensor, "*rows vocabulary"],
    tokens: torch.Tensor,
    *,
    temperature: float = 1.0,
    concentration: bool = False,
    chunk_bytes: int = CHUNK_BYTES,
) -> TokenStatistics:
    """Return the statistics of tokens whose logits are there already; arguments as in ``token_statistics``."""
    _check(temperature, chunk_bytes)
    if tokens.shape != logits.shape[:-1]:
        raise InputError(
            f"tokens of shape {tuple(tokens.shape)} and logits of shape {tuple(logits.shape)}: logits need one "
            "more dimension, the vocabulary, and the same rows; cut off the prompt from both or from neither"
        )
    _check_tokens(tokens, logits.shape[-1])
    flat = logits.reshape(1, -1, logits.shape[-1])
    found = _Statistics.apply(flat, None, tokens.reshape(1, -1), temperature, concentration, chunk_bytes)
    return _shaped(found, tokens.shape)


def token_statistics(
    hidden: Float[torch.Tensor, "*stack rows width"],
    head: torch.Tensor,
    tokens: torch.Tensor,
    *,
    temperature: float = 1.0,
    concentration: bool = False,
    chunk_bytes: int = CHUNK_BYTES,
) -> TokenStatistics:
    """Return the statistics of tokens from hidden states and the head, without the logits of all rows at once.

    Gradients flow to hidden and head through the log-probabilities and through the entropies; what is not used in
    a loss costs nothing on the way back.

    Args:
        hidden: last hidden states; the product with the head runs in their precision, the rest in float32 or more.
        head: (..., width, vocabulary), maps a hidden state to logits; its leading dimensions are those of hidden, a
            stack of replicates with a head each, or none, one head for all.
        tokens: ids in 0 .. vocabulary - 1, (*stack, rows).
        temperature: of sampling, > 0: logits are divided by it.
        concentration: whether to compute it.
        chunk_bytes: logits held at once, in bytes; one row of every replicate is the least.

    Raises:
        InputError: sizes, temperature or chunk do not fit.
    """
    _check(temperature, chunk_bytes)
    if head.ndim > 2 and head.shape[:-2] != hidden.shape[:-2]:
        raise InputError(
            f"head of shape {tuple(head.shape)}, hidden of shape {tuple(hidden.shape)}: a stack of heads needs "
            "the leading dimensions of hidden; give one head as (width, vocabulary)"
        )
    if tokens.shape != hidden.shape[:-1] or head.shape[-2] != hidden.shape[-1]:
        raise InputError(
            f"hidden {tuple(hidden.shape)}, head {tuple(head.shape)}, tokens {tuple(tokens.shape)}: must be "
            "(..., rows, width), (..., width, vocabulary) and (..., rows)"
        )
    _check_tokens(tokens, head.shape[-1])
    stacked = head.reshape(-1, *head.shape[-2:])
    rows = (len(stacked), -1)
    found = _Statistics.apply(
        hidden.reshape(*rows, hidden.shape[-1]),
        stacked,
        tokens.reshape(rows),
        temperature,
        concentration,
        chunk_bytes,
    )
    return _shaped(found, tokens.shape)


def _check(temperature: float, chunk_bytes: int) -> None:
    if not temperature > 0.0:
        raise InputError(f"temperature={temperature}: must be > 0; greedy decoding has no log-probabilities")
    if chunk_bytes < 1:
        raise InputError(f"chunk_bytes={chunk_bytes}: must be positive, as the default {CHUNK_BYTES}")


def _check_tokens(tokens: torch.Tensor, vocabulary: int) -> None:
    low, high = torch.stack(torch.aminmax(tokens)).tolist() if tokens.numel() else (0, 0)
    if low < 0 or high >= vocabulary:
        raise InputError(
            f"tokens from {low} to {high}: must be in 0 .. {vocabulary - 1}; labels such as -100 mark what carries no "
            "loss: put any token there and say it in the mask"
        )


def _shaped(found: Any, shape: torch.Size) -> TokenStatistics:
    log_prob, entropy, concentration = cast(tuple[torch.Tensor, torch.Tensor, torch.Tensor | None], found)
    return TokenStatistics(
        log_prob.view(shape),
        entropy.view(shape),
        None if concentration is None else concentration.view(shape),
    )


def _log_softmax(source: torch.Tensor, head: torch.Tensor | None, temperature: float) -> torch.Tensor:
    """Return a chunk's log-probabilities at the temperature, in float32 or more."""
    made = source if head is None else torch.bmm(source, head.to(source.dtype))
    logits = made if made.dtype == torch.float64 else made.float()
    return torch.log_softmax(logits if temperature == 1.0 else logits / temperature, -1)


class _Statistics(torch.autograd.Function):
    """From [stack, rows, width] and [stack, width, vocabulary], or from [1, rows, vocabulary] logits and no head."""

    @staticmethod
    def forward(
        ctx: Any,
        source: torch.Tensor,
        head: torch.Tensor | None,
        tokens: torch.Tensor,
        temperature: float,
        concentration: bool,
        chunk_bytes: int,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        stack, rows = tokens.shape
        vocabulary = (source if head is None else head).shape[-1]
        kind = torch.promote_types(source.dtype, torch.float32)
        size = max(1, chunk_bytes // (stack * vocabulary * kind.itemsize))
        log_prob, entropy = (torch.empty(stack, rows, dtype=kind, device=source.device) for _ in range(2))
        concentrated = torch.empty_like(entropy) if concentration else None
        kept: torch.Tensor | None = None
        for start in range(0, rows, size):
            part = slice(start, start + size)
            log_p = _log_softmax(source[:, part], head, temperature)
            p = log_p.exp()
            log_prob[:, part] = log_p.gather(-1, tokens[:, part].unsqueeze(-1)).squeeze(-1)
            if head is None:
                log_p.clamp_(min=-1e30)  # -inf of an excluded token would make 0 · -inf
            h = torch.linalg.vecdot(p, log_p).neg_()
            entropy[:, part] = h
            if concentrated is not None:
                squares = torch.linalg.vecdot(p, p)
                concentrated[:, part] = torch.linalg.vecdot(p.square_(), log_p).addcmul_(h, squares)
            kept = log_p
        entropy.clamp_(min=0.0)  # one-hot rows round to -0.0
        keep = (
            kept
            if size >= rows and (source.requires_grad or (head is not None and head.requires_grad))
            else None
        )
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(source, head, tokens, entropy, keep)
        ctx.temperature, ctx.size = temperature, size
        if concentrated is not None:
            ctx.mark_non_differentiable(concentrated)
        return log_prob, entropy, concentrated

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        source, head, tokens, entropy, kept = ctx.saved_tensors
        by_log_prob, by_entropy = grads[0], grads[1]
        if by_log_prob is None and by_entropy is None:
            return (None,) * 6
        to_source = torch.empty_like(source)
        to_head = None if head is None else torch.zeros_like(head, dtype=entropy.dtype)
        for start in range(0, tokens.shape[1], ctx.size):
            part = slice(start, start + ctx.size)
            log_p = _log_softmax(source[:, part], head, ctx.temperature) if kept is None else kept
            to_logits = _to_logits(
                log_p,
                tokens[:, part],
                entropy[:, part],
                None if by_log_prob is None else by_log_prob[:, part] / ctx.temperature,
                None if by_entropy is None else by_entropy[:, part] / ctx.temperature,
            ).to(source.dtype)
            if head is None or to_head is None:
                to_source[:, part] = to_logits
            else:
                to_source[:, part] = torch.bmm(to_logits, head.to(source.dtype).transpose(1, 2))
                to_head += torch.bmm(source[:, part].transpose(1, 2), to_logits)
        if head is not None and to_head is not None:
            to_head = to_head.to(head.dtype)
        return to_source, to_head, None, None, None, None


def _to_logits(
    log_p: torch.Tensor,
    tokens: torch.Tensor,
    entropy: torch.Tensor,
    by_log_prob: torch.Tensor | None,
    by_entropy: torch.Tensor | None,
) -> torch.Tensor:
    """Return the gradient to a chunk's logits, g [k = a] - p_k (g + g_H (ln p_k + H)), in few passes over it."""
    slope = log_p.exp()
    if by_entropy is None:
        slope *= -cast(torch.Tensor, by_log_prob).unsqueeze(-1)
    else:
        level = (
            by_entropy * entropy if by_log_prob is None else torch.addcmul(by_log_prob, by_entropy, entropy)
        )
        # an excluded token's ln p stands for -inf, and its p is 0
        inner = torch.addcmul(level.unsqueeze(-1), log_p.clamp(min=-1e30), by_entropy.unsqueeze(-1))
        slope = inner.mul_(slope).neg_()
    if by_log_prob is not None:
        slope.scatter_add_(-1, tokens.unsqueeze(-1), by_log_prob.unsqueeze(-1))
    return slope

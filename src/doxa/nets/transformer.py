"""A stack of causal transformers of one shape: every parameter has a leading replicate dimension.

The equations are those of ``transformers.LlamaForCausalLM`` (root-mean-square norm, rotary positions, SwiGLU,
no biases), so any replicate can be exported and read by every tool for transformers.
Matrix products run over all replicates at once; no number of one replicate touches another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Complex, Float, Int

from doxa.errors import InputError
from doxa.nets.plan import NetShape
from doxa.streams import torch_stream

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

# Attention kernels cost about a microsecond per (row, head) however short the row; short rows are put end to end
# under a block-diagonal mask until they are this long (measured best at 16 on AVX-512).
PACKED_POSITIONS = 16


class StackedTransformer:
    """Replicates of one small causal transformer, computed together.

    Attributes:
        shape: the shape they share.
        weights: parameter name to tensor [replicates, ...]; matrices map from the second to the last dimension.
            The two numbers of a rotary pair are neighbours in each head's queries and keys.
        bfloat16: whether matrix products run in bfloat16.
    """

    def __init__(
        self, shape: NetShape, weights: Mapping[str, torch.Tensor], *, bfloat16: bool = False
    ) -> None:
        self.shape = shape
        self.weights = dict(weights)
        self.bfloat16 = bfloat16
        expected = parameter_sizes(shape)
        if list(self.weights) != list(expected):
            raise InputError(f"weights {list(self.weights)}: must be {list(expected)}")
        for name, size in expected.items():
            if tuple(self.weights[name].shape[1:]) != size:
                raise InputError(
                    f"weights['{name}']: size {tuple(self.weights[name].shape[1:])}, must be {size}"
                )

    @classmethod
    def initial(cls, shape: NetShape, seeds: Sequence[int], *names: str | int) -> StackedTransformer:
        """Return one replicate per seed, drawn from the streams ``(*names, "init")``.

        Matrices and embeddings ~ Normal(0, init_std^2), norms are 1.
        """
        if not seeds:
            raise InputError("seeds=[]: a stack needs at least one replicate")
        stacks: dict[str, list[torch.Tensor]] = {name: [] for name in parameter_sizes(shape)}
        for seed in seeds:
            generator = torch_stream(seed, *names, "init")
            for name, size in parameter_sizes(shape).items():
                if name.endswith("norm"):
                    stacks[name].append(torch.ones(size))
                else:
                    stacks[name].append(torch.randn(size, generator=generator) * shape.init_std)
        return cls(shape, {name: torch.stack(tensors) for name, tensors in stacks.items()})

    @property
    def replicates(self) -> int:
        """Number of networks in the stack."""
        return self.weights["embedding"].shape[0]

    def select(self, replicates: Sequence[int]) -> StackedTransformer:
        """Return a stack of copies of some replicates."""
        index = torch.tensor(list(replicates), dtype=torch.long)
        weights = {name: tensor.detach()[index].clone() for name, tensor in self.weights.items()}
        return StackedTransformer(self.shape, weights, bfloat16=self.bfloat16)

    def hidden(
        self, tokens: Int[torch.Tensor, "replicates batch positions"], columns: Sequence[int] | None = None
    ) -> Float[torch.Tensor, "replicates batch columns width"]:
        """Return the normed last hidden states at the given positions (default: all).

        The last block computes queries, the gated unit and the norm at those positions only.
        """
        replicates, _, positions = tokens.shape
        every = list(range(positions))
        wanted = every if columns is None else list(columns)
        if not wanted or any(
            late <= early for early, late in zip([-1, *wanted], [*wanted, positions], strict=True)
        ):
            raise InputError(f"columns={wanted}: must be increasing and in 0 .. {positions - 1}")
        embedding = self.weights["embedding"]
        offset = (torch.arange(replicates) * self.shape.vocabulary).view(-1, 1, 1)
        stream = F.embedding(tokens + offset, embedding.reshape(-1, self.shape.width))
        turns = rotary_turns(self.shape, positions)
        for layer in range(self.shape.layers):
            queries = wanted if layer == self.shape.layers - 1 else every
            stream = self._block(layer, stream, turns, queries)
        return self._norm(stream).float() * self.weights["norm"].view(replicates, 1, 1, -1)

    def logits(
        self, hidden: Float[torch.Tensor, "replicates *rows width"]
    ) -> Float[torch.Tensor, "replicates *rows vocabulary"]:
        """Return the head's logits of hidden states."""
        flat = hidden.reshape(self.replicates, -1, self.shape.width)
        head = self.weights["embedding"].transpose(1, 2) if self.shape.tied else self.weights["head"]
        logits = self._product(flat.to(self._dtype), head).float()
        return logits.view(*hidden.shape[:-1], self.shape.vocabulary)

    def log_probs(
        self,
        tokens: Int[np.ndarray, "batch positions"] | Int[np.ndarray, "replicates batch positions"],
        columns: Sequence[int] = (-1,),
        *,
        rows_at_once: int = 16_384,
    ) -> Float[np.ndarray, "replicates batch columns vocabulary"]:
        """Return natural log-probabilities of the next token at the given positions.

        Args:
            tokens: rows shared by all replicates, or one set of rows for each.
            columns: positions to read, negative ones counted from the end.
            rows_at_once: rows of all replicates held in memory together.
        """
        length = tokens.shape[-1]
        wanted = [column % length for column in columns]
        per_replicate = torch.from_numpy(np.ascontiguousarray(tokens)).long()
        if per_replicate.ndim == 2:
            per_replicate = per_replicate.expand(self.replicates, -1, -1)
        size = max(1, rows_at_once // self.replicates)
        parts: list[np.ndarray] = []
        with torch.no_grad():
            for start in range(0, per_replicate.shape[1], size):
                part = self.logits(self.hidden(per_replicate[:, start : start + size], wanted))
                parts.append(F.log_softmax(part, -1).numpy())
        if not parts:
            return np.zeros((self.replicates, 0, len(wanted), self.shape.vocabulary), dtype=np.float32)
        return np.concatenate(parts, axis=1)

    def export(self, replicate: int) -> LlamaForCausalLM:
        """Return one replicate as a ``LlamaForCausalLM`` (its own copy of the weights)."""
        from doxa.nets.llama import to_llama

        return to_llama(
            self.shape, {name: tensor.detach()[replicate] for name, tensor in self.weights.items()}
        )

    def _product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return the batched matrix product [replicates, rows, in] x [replicates, in, out]."""
        return torch.bmm(left, right.to(left.dtype))

    def _norm(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, _RootMeanSquareNorm.apply(x, self.shape.norm_eps, self._dtype))

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.bfloat16 else torch.float32

    def _block(
        self,
        layer: int,
        stream: Float[torch.Tensor, "replicates batch positions width"],
        turns: Complex[torch.Tensor, "positions half"],
        queries: Sequence[int],
    ) -> Float[torch.Tensor, "replicates batch columns width"]:
        weight = {name: self.weights[f"{layer}.{name}"] for name in BLOCK_PARAMETERS}
        normed = self._norm(stream)
        rows = normed.flatten(1, 2)
        # A norm's gain folds into the next matrices: small products instead of a pass over the activations.
        gain = weight["attention_norm"].unsqueeze(2)
        key, value = (
            self._product(rows, gain * weight[name]).view_as(stream).float() for name in ("key", "value")
        )
        key = _turn(key, turns)
        if len(queries) < stream.shape[2]:
            columns = _slice(queries)
            stream, turns = stream[:, :, columns], turns[columns]
            rows = normed[:, :, columns].flatten(1, 2)
        query = _turn(self._product(rows, gain * weight["query"]).view_as(stream).float(), turns)
        attended = causal_attention(query, key, value, queries, self.shape.heads).flatten(1, 2)
        stream = stream + self._product(attended.to(self._dtype), weight["out"]).view_as(stream)
        rows, gain = self._norm(stream).flatten(1, 2), weight["gated_norm"].unsqueeze(2)
        gated = F.silu(self._product(rows, gain * weight["gate"])) * self._product(rows, gain * weight["up"])
        return stream + self._product(gated, weight["down"]).view_as(stream)


class _RootMeanSquareNorm(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + eps), with half the passes over memory of the composite gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, eps: float, dtype: torch.dtype) -> torch.Tensor:
        scale = torch.linalg.vecdot(x, x).div_(x.shape[-1]).add_(eps).rsqrt_().unsqueeze(-1)
        y = x * scale
        ctx.save_for_backward(y, scale)
        return y.to(dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        y, scale = ctx.saved_tensors
        gradient = grads[0].to(y.dtype)
        along = torch.linalg.vecdot(gradient, y).div_(-y.shape[-1]).unsqueeze(-1)
        return torch.addcmul(gradient, y, along).mul_(scale), None, None


BLOCK_PARAMETERS = ("attention_norm", "query", "key", "value", "out", "gated_norm", "gate", "up", "down")


def parameter_sizes(shape: NetShape) -> dict[str, tuple[int, ...]]:
    """Return each parameter's size without the replicate dimension, in a fixed order."""
    width, hidden = shape.width, shape.hidden
    square, wide = (width, width), (width, hidden)
    block = ((width,), square, square, square, square, (width,), wide, wide, (hidden, width))
    sizes: dict[str, tuple[int, ...]] = {"embedding": (shape.vocabulary, width)}
    for layer in range(shape.layers):
        sizes |= {f"{layer}.{name}": size for name, size in zip(BLOCK_PARAMETERS, block, strict=True)}
    sizes["norm"] = (width,)
    if not shape.tied:
        sizes["head"] = (width, shape.vocabulary)
    return sizes


def rotary_turns(shape: NetShape, positions: int) -> Complex[torch.Tensor, "positions half"]:
    """Return the rotary turns exp(i position theta^(-2 pair / head width)) of every head's pairs."""
    half = shape.head_width // 2
    frequency = shape.rope_theta ** (-torch.arange(half, dtype=torch.float32) / half)
    angle = torch.arange(positions, dtype=torch.float32)[:, None] * frequency
    return torch.polar(torch.ones_like(angle), angle).repeat(1, shape.heads)


def _turn(x: Float[torch.Tensor, "*rows width"], turns: Complex[torch.Tensor, ...]) -> torch.Tensor:
    """Turn each pair of neighbouring numbers, read as a complex one (a quarter of the time of sine and cosine)."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


def causal_attention(
    query: Float[torch.Tensor, "replicates batch columns width"],
    key: Float[torch.Tensor, "replicates batch positions width"],
    value: Float[torch.Tensor, "replicates batch positions width"],
    queries: Sequence[int],
    heads: int,
) -> Float[torch.Tensor, "replicates batch columns width"]:
    """Return softmax(q k / sqrt(head width)) v of each head, each queried position over those up to it."""
    batch, positions = key.shape[1:3]
    mask = torch.tensor(list(queries))[:, None] >= torch.arange(positions)
    if len(queries) == 1:
        # One query: three elementwise passes are several times cheaper than the attention kernel.
        q, k, v = (x.unflatten(-1, (heads, -1)) for x in (query, key, value))
        score = (q * k).sum(-1) * q.shape[-1] ** -0.5
        share = score.masked_fill(~mask.view(1, 1, positions, 1), -torch.inf).softmax(2)
        return (share.unsqueeze(-1) * v).sum(2, keepdim=True).flatten(-2)
    pack = _rows_per_pack(batch, positions)
    bias = torch.block_diag(*[mask.float()] * pack).log()
    q, k, v = (
        x.reshape(-1, pack * x.shape[2], heads, x.shape[3] // heads).transpose(1, 2)
        for x in (query, key, value)
    )
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(query.shape)


def _rows_per_pack(batch: int, positions: int) -> int:
    """Return how many rows of one replicate share an attention call; it divides the batch."""
    most = max(1, PACKED_POSITIONS // positions)
    return next(size for size in range(most, 0, -1) if batch % size == 0)


def _slice(columns: Sequence[int]) -> Any:
    """Return evenly spaced columns as a slice, whose gradient is cheap, others as they are."""
    step = columns[1] - columns[0] if len(columns) > 1 else 1
    if step > 0 and list(columns) == list(range(columns[0], columns[-1] + 1, step)):
        return slice(columns[0], columns[-1] + 1, step)
    return list(columns)

"""A stack of causal transformers of one shape: every parameter has a leading replicate dimension.

The equations are those of ``transformers.LlamaForCausalLM`` (root-mean-square norm, rotary positions, SwiGLU,
no biases), so any replicate can be exported and read by every tool for transformers.
Matrix products run over all replicates at once; no number of one replicate touches another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int

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
        embedding = self.weights["embedding"]
        offset = (torch.arange(replicates) * self.shape.vocabulary).view(-1, 1, 1)
        stream = F.embedding(tokens + offset, embedding.reshape(-1, self.shape.width))
        rotary = _rotary(self.shape, positions)
        for layer in range(self.shape.layers):
            queries = wanted if layer == self.shape.layers - 1 else every
            stream = self._block(layer, stream, rotary, queries)
        return self._norm(stream) * self.weights["norm"].view(replicates, 1, 1, -1)

    def logits(
        self, hidden: Float[torch.Tensor, "replicates *rows width"]
    ) -> Float[torch.Tensor, "replicates *rows vocabulary"]:
        """Return the head's logits of hidden states."""
        flat = hidden.reshape(self.replicates, -1, self.shape.width)
        head = self.weights["embedding"].transpose(1, 2) if self.shape.tied else self.weights["head"]
        return self._product(flat, head).view(*hidden.shape[:-1], self.shape.vocabulary)

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

    def _product(self, left: Any, right: Any) -> torch.Tensor:
        """Return the batched matrix product [replicates, rows, in] x [replicates, in, out]."""
        if self.bfloat16:
            return torch.bmm(left.bfloat16(), right.bfloat16()).float()
        return torch.bmm(left, right)

    def _norm(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (self.shape.width,), eps=self.shape.norm_eps)

    def _block(
        self,
        layer: int,
        stream: Float[torch.Tensor, "replicates batch positions width"],
        rotary: tuple[torch.Tensor, torch.Tensor],
        queries: Sequence[int],
    ) -> Float[torch.Tensor, "replicates batch columns width"]:
        weight = {name: self.weights[f"{layer}.{name}"] for name in BLOCK_PARAMETERS}
        replicates, batch, positions, width = stream.shape
        normed = self._norm(stream)
        # A norm's gain folds into the next matrix: one small product instead of a pass over the activations.
        into = weight["attention_norm"].unsqueeze(2) * weight["attention_in"]
        if len(queries) == positions:
            mixed = self._product(normed.view(replicates, -1, width), into)
            query, key, value = mixed.view(replicates, batch, positions, 3, width).unbind(3)
        else:
            pair = self._product(normed.view(replicates, -1, width), into[:, :, width:])
            key, value = pair.view(replicates, batch, positions, 2, width).unbind(3)
            stream = stream[:, :, queries]
            asked = normed[:, :, queries].reshape(replicates, -1, width)
            query = self._product(asked, into[:, :, :width]).view(replicates, batch, len(queries), width)
        attended = _attention(query, key, value, rotary, queries, self.shape.heads)
        stream = stream + self._product(
            attended.reshape(replicates, -1, width), weight["attention_out"]
        ).view_as(stream)
        normed = self._norm(stream).view(replicates, -1, width)
        gate, up = self._product(normed, weight["gated_norm"].unsqueeze(2) * weight["gated_in"]).chunk(2, -1)
        return stream + self._product(F.silu(gate) * up, weight["gated_out"]).view_as(stream)


BLOCK_PARAMETERS = ("attention_norm", "attention_in", "attention_out", "gated_norm", "gated_in", "gated_out")


def parameter_sizes(shape: NetShape) -> dict[str, tuple[int, ...]]:
    """Return each parameter's size without the replicate dimension, in a fixed order."""
    width, hidden = shape.width, shape.hidden_width
    block = ((width,), (width, 3 * width), (width, width), (width,), (width, 2 * hidden), (hidden, width))
    sizes: dict[str, tuple[int, ...]] = {"embedding": (shape.vocabulary, width)}
    for layer in range(shape.layers):
        sizes |= {f"{layer}.{name}": size for name, size in zip(BLOCK_PARAMETERS, block, strict=True)}
    sizes["norm"] = (width,)
    if not shape.tied:
        sizes["head"] = (width, shape.vocabulary)
    return sizes


def _rotary(shape: NetShape, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and signed sine [positions, 1, head width] of the rotary angles."""
    half = shape.head_width // 2
    frequency = shape.rope_theta ** (-torch.arange(half, dtype=torch.float32) / half)
    angle = torch.arange(positions, dtype=torch.float32)[:, None] * frequency
    cosine, sine = angle.cos(), angle.sin()
    return torch.cat([cosine, cosine], 1)[:, None], torch.cat([-sine, sine], 1)[:, None]


def _rotate(x: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor], columns: Any) -> torch.Tensor:
    """Turn [..., positions, heads, head width] by its positions' angles."""
    return x * rotary[0][columns] + x.roll(x.shape[-1] // 2, -1) * rotary[1][columns]


def _attention(
    query: Float[torch.Tensor, "replicates batch columns width"],
    key: Float[torch.Tensor, "replicates batch positions width"],
    value: Float[torch.Tensor, "replicates batch positions width"],
    rotary: tuple[torch.Tensor, torch.Tensor],
    queries: Sequence[int],
    heads: int,
) -> Float[torch.Tensor, "replicates batch columns width"]:
    """Return causal attention of the queried columns over all positions."""
    replicates, batch, positions, width = key.shape
    columns = len(queries)
    everything = slice(None)
    q = _rotate(query.reshape(-1, columns, heads, width // heads), rotary, list(queries))
    k = _rotate(key.reshape(-1, positions, heads, width // heads), rotary, everything)
    v = value.reshape(-1, positions, heads, width // heads)
    mask = torch.tensor(list(queries))[:, None] >= torch.arange(positions)
    if columns == 1:
        # One query: three elementwise passes are several times cheaper than the attention kernel.
        score = (q * k).sum(-1) * (width // heads) ** -0.5
        share = score.masked_fill(~mask.view(1, positions, 1), -torch.inf).softmax(1)
        return (share.unsqueeze(-1) * v).sum(1).view(replicates, batch, 1, width)
    pack = _rows_per_pack(batch, positions)
    if pack > 1:
        mask = torch.block_diag(*[mask.float()] * pack) > 0
        q, k, v = (x.reshape(-1, pack * x.shape[1], heads, width // heads) for x in (q, k, v))
    bias = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
    out = F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=bias
    )
    return out.transpose(1, 2).reshape(replicates, batch, columns, width)


def _rows_per_pack(batch: int, positions: int) -> int:
    """Return how many rows of one replicate share an attention call; it divides the batch."""
    most = max(1, PACKED_POSITIONS // positions)
    return next(size for size in range(most, 0, -1) if batch % size == 0)

"""One token at a time: a stack's weights as decoding needs them, and the cache of keys and values.

Prompts of different lengths are filled up on the right; each row writes its next token's key and value where its own
prompt ends, over what filled it up, and sees no position behind its own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Complex, Float, Int

from doxa.nets.plan import NetShape
from doxa.nets.transformer import StackedTransformer, causal_attention, rotary_turns


class Decoder:
    """A stack's weights as decoding needs them: norms' gains and the scale of queries folded in, products fused."""

    def __init__(self, net: StackedTransformer, temperature: Float[torch.Tensor, " replicates"]) -> None:
        self._shape = net.shape
        self._dtype = torch.bfloat16 if net.bfloat16 else torch.float32
        weights, shape = net.weights, net.shape
        self._embedding = weights["embedding"].reshape(-1, shape.width)
        self._offset = (torch.arange(net.replicates) * shape.vocabulary).view(-1, 1)
        self._blocks: list[tuple[torch.Tensor, ...]] = []
        for layer in range(shape.layers):
            block = {name: weights[f"{layer}.{name}"] for name in _MATRICES}
            gain = weights[f"{layer}.attention_norm"].unsqueeze(2)
            query = block["query"] * shape.head_width**-0.5
            first = gain * torch.cat([query, block["key"], block["value"]], 2)
            gain = weights[f"{layer}.gated_norm"].unsqueeze(2)
            second = gain * torch.cat([block["gate"], block["up"]], 2)
            self._blocks.append(
                tuple(one.to(self._dtype) for one in (first, block["out"], second, block["down"]))
            )
        self._gain = weights["norm"].unsqueeze(1) / temperature.view(-1, 1, 1)
        head = weights["embedding"].transpose(1, 2) if shape.tied else weights["head"]
        self._head = head.to(self._dtype)

    def cache(self, lengths: Int[torch.Tensor, "replicates prompts"], repeats: int, positions: int) -> Cache:
        """Return an empty cache for prompts of these lengths, each with so many rows, and so many positions."""
        return Cache(self._shape, lengths, repeats, positions)

    def first(
        self, prompts: Int[torch.Tensor, "replicates prompts positions"], cache: Cache
    ) -> Float[torch.Tensor, "replicates prompts vocabulary"]:
        """Return the logits of each prompt's first response token, divided by the temperature."""
        return self._logits(self._prompt_pass(prompts, cache))

    def next(
        self, chosen: Int[torch.Tensor, "replicates rows"], cache: Cache
    ) -> Float[torch.Tensor, "replicates rows vocabulary"]:
        """Return the logits of the token after one more of each row, divided by the temperature."""
        return self._logits(self._step(chosen, cache))

    def _logits(self, stream: torch.Tensor) -> Float[torch.Tensor, "replicates rows vocabulary"]:
        return self._product(self._norm(stream) * self._gain, self._head)

    def _product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.bmm(left.to(self._dtype), right).float()

    def _norm(self, x: torch.Tensor) -> torch.Tensor:
        scale = torch.linalg.vecdot(x, x).div_(x.shape[-1]).add_(self._shape.norm_eps).rsqrt_()
        return x * scale.unsqueeze(-1)

    def _prompt_pass(
        self, prompts: Int[torch.Tensor, "replicates prompts positions"], cache: Cache
    ) -> Float[torch.Tensor, "replicates prompts width"]:
        """Return the stream at each prompt's last token; keys and values go to the cache."""
        replicates, count, positions = prompts.shape
        stream = F.embedding(prompts + self._offset.unsqueeze(-1), self._embedding)
        turns = cache.turns[:positions].repeat(1, 2)
        root = self._shape.head_width**0.5
        for layer, (first, out, second, down) in enumerate(self._blocks):
            query, key, value = self._turned(
                self._product(self._norm(stream).flatten(1, 2), first), turns, count
            )
            cache.fill(layer, key, value)
            attended = causal_attention(query * root, key, value, range(positions), self._shape.heads)
            stream = self._rest(stream.flatten(1, 2), attended.flatten(1, 2), out, second, down)
            stream = stream.view(replicates, count, positions, -1)
        last = (cache.lengths - 1).view(replicates, count, 1, 1).expand(-1, -1, 1, self._shape.width)
        return stream.gather(2, last).squeeze(2)

    def _turned(
        self, rows: torch.Tensor, turns: Complex[torch.Tensor, ...], count: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        width = self._shape.width
        whole = rows.view(rows.shape[0], count, -1, 3 * width)
        pairs = torch.view_as_complex(whole[..., : 2 * width].unflatten(-1, (-1, 2)))
        turned = torch.view_as_real(pairs * turns).flatten(-2)
        return turned[..., :width], turned[..., width:], whole[..., 2 * width :]

    def _step(
        self, chosen: Int[torch.Tensor, "replicates rows"], cache: Cache
    ) -> Float[torch.Tensor, "replicates rows width"]:
        """Return the stream of one more token of each row."""
        stream = F.embedding(chosen + self._offset, self._embedding)
        turns = cache.next_turns()
        for layer, (first, out, second, down) in enumerate(self._blocks):
            query, key, value = self._turned(self._product(self._norm(stream), first), turns, chosen.shape[1])
            attended = cache.attend(layer, query[:, :, 0], key[:, :, 0], value[:, :, 0])
            stream = self._rest(stream, attended, out, second, down)
        return stream

    def _rest(
        self,
        stream: torch.Tensor,
        attended: torch.Tensor,
        out: torch.Tensor,
        second: torch.Tensor,
        down: torch.Tensor,
    ) -> torch.Tensor:
        stream = stream + self._product(attended, out)
        gate, up = self._product(self._norm(stream), second).chunk(2, -1)
        return stream + self._product(F.silu(gate) * up, down)


_MATRICES = ("query", "key", "value", "out", "gate", "up", "down")


class Cache:
    """Keys and values of every row; a row's next token overwrites what filled its prompt up."""

    def __init__(
        self, shape: NetShape, lengths: Int[torch.Tensor, "replicates prompts"], repeats: int, positions: int
    ) -> None:
        self.lengths, self._heads, self._repeats = lengths, shape.heads, repeats
        self._place = lengths.repeat_interleave(repeats, 1)
        self._even = bool((lengths == lengths[0, 0]).all())
        self._filled = int(lengths.max())
        self.turns = rotary_turns(shape, positions)
        size = (shape.layers, *self._place.shape, positions, shape.width)
        # zeros, because a masked position still takes part in a sum, with weight 0
        self._keys, self._values = torch.zeros(size), torch.zeros(size)

    def fill(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
        """Keep what a layer read in the prompts, for each of their rows."""
        for store, read in ((self._keys, key), (self._values, value)):
            store[layer, :, :, : read.shape[2]] = read.repeat_interleave(self._repeats, 1)

    def next_turns(self) -> Complex[torch.Tensor, ...]:
        """Return the rotary turns of the rows' next tokens, for queries and keys, and move on by one position."""
        turns = self.turns[self._filled if self._even else self._place.unsqueeze(-1)]
        self._filled += 1
        self._place = self._place + 1
        return torch.cat([turns, turns], -1)

    def attend(
        self,
        layer: int,
        query: Float[torch.Tensor, "replicates rows width"],
        key: Float[torch.Tensor, "replicates rows width"],
        value: Float[torch.Tensor, "replicates rows width"],
    ) -> Float[torch.Tensor, "replicates rows width"]:
        """Keep a token's key and value and return what its query attends to (the query is scaled already)."""
        keys, values = self._keys[layer], self._values[layer]
        place = self._place - 1
        if self._even:
            keys[:, :, self._filled - 1], values[:, :, self._filled - 1] = key, value
        else:
            where = place.view(*place.shape, 1, 1).expand(-1, -1, 1, key.shape[-1])
            keys.scatter_(2, where, key.unsqueeze(2))
            values.scatter_(2, where, value.unsqueeze(2))
        seen = slice(0, self._filled)
        score = (keys[:, :, seen] * query.unsqueeze(2)).unflatten(-1, (self._heads, -1)).sum(-1)
        if not self._even:
            later = torch.arange(self._filled) > place.unsqueeze(-1)
            score.masked_fill_(later.unsqueeze(-1), -torch.inf)
        share = score.softmax(2).unsqueeze(-1)
        return (share * values[:, :, seen].unflatten(-1, (self._heads, -1))).sum(2).flatten(-2)

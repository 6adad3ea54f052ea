"""Option log-probabilities from a transformers model: the tree's rows in batches, or each sequence in full.

The tree needs a model that takes a four-dimensional attention mask and explicit positions. Whether it does is
not read off its name: on first use a small tree is scored both ways, and a model on which the two differ is
scored in full from then on.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import DynamicCache

from doxa.subjects.scoring import Limits, Tree
from doxa.subjects.scoring_rows import Row, Trunk, sweep

LOGIT_ELEMENTS = 2**25
"""Most logits held at once: 128 MB in fp32."""

CHECK_TOLERANCE_NATS = {torch.float32: 1e-4, torch.float64: 1e-8}
"""Largest difference between tree and full scores of the self-check; half precision is allowed 0.1."""


class Sharing(NamedTuple):
    """How a model is scored, and why when prefixes are not shared."""

    how: Literal["tree", "full"]
    reason: str


class _State(NamedTuple):
    """Keys and values a trunk left behind, one pair per layer, each ``[heads, tokens, width]``."""

    layers: list[tuple[torch.Tensor, torch.Tensor]]


class _TreeCache(DynamicCache):
    """Puts the trunks' keys and values before those of the rows; keeps the new ones only where asked."""

    def __init__(self, rows: Sequence[Row], past_length: int, keep: bool) -> None:
        super().__init__()
        self.paths = [row.past.path() if row.past is not None else [] for row in rows]
        self.same = all(row.past is rows[0].past for row in rows)
        self.past_length = past_length
        self.keep = keep
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002  # every layer holds the same past
        """Return how many past positions stand before the rows, padding included."""
        return self.past_length

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return past and new keys and values of one layer, ``[rows, heads, past + new, width]``."""
        del args, kwargs
        if self.keep:
            self.kept[layer_idx] = (key_states, value_states)
        return self._joined(key_states, layer_idx, 0), self._joined(value_states, layer_idx, 1)

    def _joined(self, new: torch.Tensor, layer: int, part: int) -> torch.Tensor:
        if self.past_length == 0:
            return new
        rows, heads, tokens, width = new.shape
        out = new.new_zeros(rows, heads, self.past_length + tokens, width)
        for i, path in enumerate(self.paths[:1] if self.same else self.paths):
            target = out if self.same else out[i]
            stop = 0
            for trunk in path:
                start, stop = stop, stop + len(trunk.positions)
                target[..., start:stop, :] = trunk.state.layers[layer][part]
        out[..., self.past_length :, :] = new
        return out

    def state(self, row: int, padding: int) -> _State:
        """Return what one row leaves for those that continue it."""
        return _State(
            [
                (keys[row, :, padding:].clone(), values[row, :, padding:].clone())
                for _, (keys, values) in sorted(self.kept.items())
            ]
        )


@dataclass
class Scorer:
    """Scores token sequences with one model; the model is only read.

    Args:
        model: a causal model of transformers, in evaluation mode while it is used.
        limits: sizes of batches and rows.
        exact: score every sequence alone, so that a result does not depend on what else is asked.
    """

    model: Any
    limits: Limits
    exact: bool = False

    def __post_init__(self) -> None:
        config = self.model.config.get_text_config()
        self.limits = replace(
            self.limits,
            batch_answers=max(1, min(self.limits.batch_answers, LOGIT_ELEMENTS // int(config.vocab_size))),
        )
        self.keeps_logits = "logits_to_keep" in inspect.signature(self.model.forward).parameters
        self.window: int | None = getattr(config, "sliding_window", None)
        self.layer_types: list[str] | None = getattr(config, "layer_types", None)
        self._sharing: Sharing | None = None

    @property
    def sharing(self) -> Sharing:
        """How this model is scored; decided by the self-check on first use."""
        if self._sharing is None:
            reason = "exact=True" if self.exact else self._refusal() or self._check()
            self._sharing = Sharing("full", reason) if reason else Sharing("tree", "")
        return self._sharing

    @torch.inference_mode()
    def score(
        self, prompts: Sequence[Int[np.ndarray, " _"]], options: Sequence[Sequence[Int[np.ndarray, " _"]]]
    ) -> list[Float[np.ndarray, " _"]]:
        """Return, per prompt, the log-probability in nats of each option's tokens after it."""
        if not prompts:
            return []
        if self.sharing.how == "full":
            return self._full(prompts, options)
        return self._tree(prompts, options, self.limits)

    def _tree(
        self,
        prompts: Sequence[Int[np.ndarray, " _"]],
        options: Sequence[Sequence[Int[np.ndarray, " _"]]],
        limits: Limits,
    ) -> list[Float[np.ndarray, " _"]]:
        tree = Tree(prompts, options)
        return tree.sums(sweep(tree, self._compute, limits))

    def _compute(self, rows: list[Row], results: Float[np.ndarray, " slots"]) -> list[_State | None]:
        """Run one batch of rows; all of them become trunks or none does."""
        device = self.model.device
        longest = max(len(row.tokens) for row in rows)
        past = max(0 if row.past is None else row.past.length for row in rows)
        kept = max([1, *(row.answers for row in rows)])
        cache = _TreeCache(rows, past, bool(rows[0].below))
        tokens, positions = (
            torch.from_numpy(_padded([getattr(row, name) for row in rows], longest, 0)).to(device)
            for name in ("tokens", "positions")
        )
        logits = self._logits(
            kept,
            input_ids=tokens,
            position_ids=positions,
            attention_mask=self._mask(rows, longest, past),
            past_key_values=cache,
            use_cache=True,
        )
        line = np.concatenate([np.full(len(row.ask_column), i) for i, row in enumerate(rows)])
        column = np.concatenate([row.ask_column - len(row.tokens) + kept for row in rows])
        target = np.concatenate([row.ask_token for row in rows])
        results[np.concatenate([row.ask_slot for row in rows])] = _log_probs(logits, line, column, target)
        return [
            cache.state(i, longest - len(row.tokens)) if row.below else None for i, row in enumerate(rows)
        ]

    def _logits(self, kept: int, **inputs: Any) -> torch.Tensor:
        """Return the logits of the last ``kept`` columns, ``[rows, kept, vocabulary]``."""
        if self.keeps_logits:
            return self.model(**inputs, logits_to_keep=kept).logits
        return self.model(**inputs).logits[:, -kept:]

    def _mask(self, rows: Sequence[Row], longest: int, past: int) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return who sees whom, in the form the model wants: ``[rows, 1, new, past + new]``."""
        device = self.model.device
        # padding has an empty interval, so nobody sees it; it sees itself, so that its softmax is finite
        enter = torch.from_numpy(_padded([row.enter for row in rows], longest, -1)).to(device)
        leave = torch.from_numpy(_padded([row.leave for row in rows], longest, -2)).to(device)
        own = (enter[:, None, :] <= enter[:, :, None]) & (enter[:, :, None] <= leave[:, None, :])
        own |= torch.eye(longest, dtype=torch.bool, device=device)
        before = torch.from_numpy(np.stack([_past_positions(row.past, past) for row in rows])).to(device)
        seen = torch.cat([(before >= 0)[:, None, :].expand(-1, longest, -1), own], dim=2)
        if self.window is None or not self._slides():
            return self._as_added(seen)
        position = torch.from_numpy(_padded([row.positions for row in rows], longest, 0)).to(device)
        near = position[:, :, None] - torch.cat([before, position], dim=1)[:, None, :] < self.window
        if self.layer_types is None:
            return self._as_added(seen & near)
        return {"full_attention": self._as_added(seen), "sliding_attention": self._as_added(seen & near)}

    def _as_added(self, seen: torch.Tensor) -> torch.Tensor:
        if self.model.config._attn_implementation == "sdpa":
            return seen[:, None]
        dtype = self.model.dtype
        hidden = torch.tensor(torch.finfo(dtype).min, dtype=dtype, device=seen.device)
        return torch.where(seen, torch.zeros((), dtype=dtype, device=seen.device), hidden)[:, None]

    def _slides(self) -> bool:
        return self.layer_types is None or "sliding_attention" in self.layer_types

    def _refusal(self) -> str:
        """Return why prefixes cannot be shared on this kind of model, or nothing."""
        if self.model.config._attn_implementation not in {"sdpa", "eager"}:
            return f"attention '{self.model.config._attn_implementation}' takes no mask of its own"
        other = set(self.layer_types or ()) - {"full_attention", "sliding_attention"}
        if other:
            return f"layers of type {sorted(other)} have no shared prefix"
        if "position_ids" not in inspect.signature(self.model.forward).parameters:
            return "the model takes no positions"
        return ""

    @torch.inference_mode()
    def _check(self) -> str:
        """Score a small tree both ways; return why it cannot be trusted, or nothing."""
        vocabulary = int(self.model.config.get_text_config().vocab_size)
        reach = self.window + 4 if self.window is not None and self._slides() and self.window <= 64 else 12
        ids = [int(k * vocabulary / (reach + 9)) for k in range(reach + 9)]
        stem = ids[:reach]
        prompts = [
            np.array(stem[:end] + extra) for end, extra in ((reach, []), (reach - 3, ids[-4:]), (5, ids[-2:]))
        ]
        options = [[np.array(ids[-k:]) for k in (1, 2, 4)]] * len(prompts)
        small = Limits(batch_tokens=24, row_tokens=8, pack_tokens=6, trunk_tokens=2, trunk_budget=16)
        try:
            tree = np.concatenate(self._tree(prompts, options, small))
        except (
            RuntimeError,
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
            KeyError,
            NotImplementedError,
        ) as error:
            return f"the model does not take the tree's inputs ({type(error).__name__})"
        full = np.concatenate(self._full(prompts, options))
        difference = float(np.max(np.abs(tree - full)))
        if difference <= CHECK_TOLERANCE_NATS.get(self.model.dtype, 0.1):
            return ""
        return f"tree and full scores differ by {difference:.2g} nats in the self-check"

    def _full(
        self, prompts: Sequence[Int[np.ndarray, " _"]], options: Sequence[Sequence[Int[np.ndarray, " _"]]]
    ) -> list[Float[np.ndarray, " _"]]:
        """Score every prompt and option in full; only equal lengths share a batch, so nothing is padded."""
        out = [np.zeros(len(choices)) for choices in options]
        jobs = [
            (len(prompts[i]) + len(choice), len(choice), i, j)
            for i, choices in enumerate(options)
            for j, choice in enumerate(choices)
        ]
        jobs.sort()
        while jobs:
            size = jobs[-1][0]
            most = 1 if self.exact else max(1, self.limits.batch_tokens // size)
            batch = [jobs.pop()]
            while jobs and jobs[-1][0] == size and len(batch) < most:
                batch.append(jobs.pop())
            kept = max(length for _, length, _, _ in batch) + 1
            tokens = np.stack([np.concatenate([prompts[i], options[i][j]]) for _, _, i, j in batch]).astype(
                np.int64
            )
            logits = self._logits(
                kept, input_ids=torch.from_numpy(tokens).to(self.model.device), use_cache=False
            )
            for line, (_, length, i, j) in enumerate(batch):
                column = np.arange(kept - 1 - length, kept - 1)
                out[i][j] = _log_probs(logits, np.full(length, line), column, options[i][j]).sum()
        return out


def _log_probs(
    logits: torch.Tensor,
    line: Int[np.ndarray, " n"],
    column: Int[np.ndarray, " n"],
    target: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Return the log-probability in nats of one token per place, from a softmax in fp32."""
    device = logits.device
    flat = line * logits.shape[1] + column
    places, back = np.unique(flat, return_inverse=True)
    rows = logits.reshape(-1, logits.shape[2])[torch.from_numpy(places).to(device)].float()
    total = torch.logsumexp(rows, dim=1)
    picked = rows[torch.from_numpy(back).to(device), torch.from_numpy(target.astype(np.int64)).to(device)]
    return (picked - total[torch.from_numpy(back).to(device)]).double().cpu().numpy()


def _padded(parts: Sequence[Int[np.ndarray, " _"]], size: int, fill: int) -> Int[np.ndarray, "rows n"]:
    """Stack arrays of different lengths, filled up on the left."""
    out = np.full((len(parts), size), fill, dtype=np.int64)
    for line, part in zip(out, parts, strict=True):
        line[size - len(part) :] = part
    return out


def _past_positions(trunk: Trunk | None, size: int) -> Int[np.ndarray, " past"]:
    """Return the position of each past token, -1 where there is none; padding stands on the right."""
    out = np.full(size, -1, dtype=np.int64)
    if trunk is not None:
        known = np.concatenate([part.positions for part in trunk.path()])
        out[: len(known)] = known
    return out

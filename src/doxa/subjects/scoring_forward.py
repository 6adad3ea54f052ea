"""Option log-probabilities from a transformers model: the tree's rows in batches, or each sequence in full.

The tree needs a model that takes a four-dimensional attention mask and explicit positions. Whether it does is
not read off its name: on first use a small tree is scored both ways, and a model on which the two differ is
scored in full from then on.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.subjects.scoring import Asked, Limits, Tree
from doxa.subjects.scoring_cache import State, TreeCache
from doxa.subjects.scoring_mask import Masks, padded
from doxa.subjects.scoring_rows import Row
from doxa.subjects.scoring_sweep import sweep

LOGIT_ELEMENTS = 2**25
"""Most logits held at once: 128 MB in fp32."""

STATE_BYTES = {"cpu": 2**29, "cuda": 2**32}
"""Most memory for the keys and values of trunks, beyond one row per level of the walk."""

FULL_WINDOW = 1024
"""How many prompts are looked over at once for sequences of equal length, where nothing is shared."""

CHECK_TOLERANCE_NATS = {torch.float32: 1e-4, torch.float64: 1e-8}
"""Largest difference between tree and full scores of the self-check; half precision is allowed 0.1."""


class Sharing(NamedTuple):
    """How a model is scored, and why when prefixes are not shared."""

    how: Literal["tree", "full"]
    reason: str


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
        answers = LOGIT_ELEMENTS // int(config.vocab_size)
        trunk = STATE_BYTES.get(self.model.device.type, 2**29) // _state_bytes(config, self.model.dtype)
        self.limits = replace(
            self.limits,
            batch_answers=max(1, min(self.limits.batch_answers, answers)),
            trunk_budget=min(self.limits.trunk_budget, trunk),
        )
        self._masks = Masks(self.model)
        self._takes = set(inspect.signature(self.model.forward).parameters)
        # newer models keep any places, older ones the same columns of every row
        self._picks = hasattr(sys.modules[type(self.model).__module__], "slice_logits_to_keep")
        self._sharing: Sharing | None = None

    @property
    def sharing(self) -> Sharing:
        """How this model is scored; decided by the self-check on first use."""
        if self._sharing is None:
            reason = "exact=True" if self.exact else self._refusal() or self._check()
            self._sharing = Sharing("full", reason) if reason else Sharing("tree", "")
        return self._sharing

    @torch.inference_mode()
    def score(self, asked: Iterable[Asked]) -> list[Float[np.ndarray, " _"]]:
        """Return, per prompt, the log-probability in nats of each option's tokens after it; ``asked`` is read once."""
        if self.sharing.how == "full":
            return self._full(asked)
        return self._tree(asked, self.limits)

    def _tree(self, asked: Iterable[Asked], limits: Limits) -> list[Float[np.ndarray, " _"]]:
        tree = Tree(asked)
        return tree.sums(sweep(tree, self._compute, limits))

    def _compute(self, rows: list[Row], results: Float[np.ndarray, " slots"]) -> list[State | None]:
        """Run one batch of rows; all of them become trunks or none does."""
        longest = max(len(row.tokens) for row in rows)
        places = [row.answering + longest - len(row.tokens) for row in rows]
        columns = np.unique(np.concatenate(places))
        if not self._picks and len(rows) > 1 and len(rows) * len(columns) > self.limits.batch_answers:
            half = len(rows) // 2
            return self._compute(rows[:half], results) + self._compute(rows[half:], results)
        cache = TreeCache(rows, keep=bool(rows[0].plan.below))
        logits = self._logits(
            longest,
            places,
            input_ids=padded([row.tokens for row in rows], longest, 0).to(self.model.device),
            position_ids=padded([row.positions for row in rows], longest, 0).to(self.model.device),
            attention_mask=self._masks.of(rows, longest, cache.past_length),
            past_key_values=cache,
            use_cache=True,
        )
        self._write(rows, logits, results)
        return [
            cache.state(i, longest - len(row.tokens), row.plan.kept) if row.plan.below else None
            for i, row in enumerate(rows)
        ]

    def _logits(
        self, longest: int, places: Sequence[Int[np.ndarray, " _"]], **inputs: Any
    ) -> Float[torch.Tensor, "answers vocabulary"]:
        """Run the model and return the logits at some places of each row, one row behind the other."""
        line = np.repeat(np.arange(len(places)), [len(place) for place in places])
        column = np.concatenate(places)
        device = self.model.device
        if "logits_to_keep" not in self._takes:
            logits = self.model(**inputs).logits
        elif self._picks:
            kept = torch.zeros(len(places), longest, dtype=torch.bool)
            kept[torch.from_numpy(line), torch.from_numpy(column)] = True
            return self.model(**inputs, logits_to_keep=kept.to(device)).logits
        else:
            union, column = np.unique(column, return_inverse=True)
            logits = self.model(**inputs, logits_to_keep=torch.from_numpy(union).to(device)).logits
        return logits[torch.from_numpy(line).to(device), torch.from_numpy(column).to(device)]

    def _write(self, rows: Sequence[Row], logits: torch.Tensor, results: Float[np.ndarray, " slots"]) -> None:
        """Write the log-probability in nats of every token that is asked for, from a softmax in fp32."""
        starts = np.cumsum([0, *(len(row.answering) for row in rows)])
        place = [
            np.searchsorted(row.answering, row.ask_column) + start
            for row, start in zip(rows, starts, strict=False)
        ]
        slots = np.concatenate([row.ask_slot for row in rows])
        if len(slots):
            tokens = np.concatenate([row.ask_token for row in rows])
            results[slots] = _log_probs(logits, np.concatenate(place), tokens)

    def _refusal(self) -> str:
        """Return why prefixes cannot be shared on this kind of model, or nothing."""
        if self.model.config._attn_implementation not in {"sdpa", "eager"}:
            return f"attention '{self.model.config._attn_implementation}' takes no mask of its own"
        other = set(self._masks.layer_types or ()) - {"full_attention", "sliding_attention"}
        if other:
            return f"layers of type {sorted(other)} have no shared prefix"
        if "position_ids" not in self._takes:
            return "the model takes no positions"
        return ""

    @torch.inference_mode()
    def _check(self) -> str:
        """Score a small tree both ways; return why it cannot be trusted, or nothing."""
        vocabulary = int(self.model.config.get_text_config().vocab_size)
        window = self._masks.window or 0
        reach = window + 4 if 0 < window <= 64 else 12
        ids = [int(k * vocabulary / (reach + 9)) for k in range(reach + 9)]
        stem = ids[:reach]
        options = [np.array(ids[-k:]) for k in (1, 2, 4)]
        asked = [
            (np.array(stem[:end] + extra), options)
            for end, extra in ((reach, []), (reach - 3, ids[-4:]), (5, ids[-2:]))
        ]
        small = Limits(batch_tokens=24, row_tokens=8, pack_tokens=6, trunk_budget=16)
        try:
            tree = np.concatenate(self._tree(asked, small))
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
        full = np.concatenate(self._full(asked))
        difference = float(np.max(np.abs(tree - full)))
        if difference <= CHECK_TOLERANCE_NATS.get(self.model.dtype, 0.1):
            return ""
        return f"tree and full scores differ by {difference:.2g} nats in the self-check"

    def _full(self, asked: Iterable[Asked]) -> list[Float[np.ndarray, " _"]]:
        """Score every prompt and option in full; only equal lengths share a batch, so nothing is padded."""
        out: list[Float[np.ndarray, " _"]] = []
        rest = iter(asked)
        while window := list(islice(rest, FULL_WINDOW)):
            out += self._full_window(window)
        return out

    def _full_window(self, asked: Sequence[Asked]) -> list[Float[np.ndarray, " _"]]:
        out = [np.zeros(len(options)) for _, options in asked]
        jobs = sorted(
            (len(prompt) + len(option) - 1, len(option), i, j)
            for i, (prompt, options) in enumerate(asked)
            for j, option in enumerate(options)
        )
        while jobs:
            size = jobs[-1][0]
            batch = [jobs.pop()]
            answers = batch[0][1]
            while jobs and not self.exact and jobs[-1][0] == size:
                answers += jobs[-1][1]
                if (len(batch) + 1) * size > self.limits.batch_tokens or answers > self.limits.batch_answers:
                    break
                batch.append(jobs.pop())
            tokens = np.stack([np.concatenate([asked[i][0], asked[i][1][j]])[:-1] for _, _, i, j in batch])
            logits = self._logits(
                size,
                [np.arange(size - length, size) for _, length, _, _ in batch],
                input_ids=torch.from_numpy(tokens.astype(np.int64)).to(self.model.device),
                use_cache=False,
            )
            start = 0
            for _, length, i, j in batch:
                found = _log_probs(logits, np.arange(start, start + length), asked[i][1][j])
                out[i][j] = found.sum()
                start += length
        return out


def _log_probs(
    logits: Float[torch.Tensor, "places vocabulary"],
    place: Int[np.ndarray, " n"],
    token: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Return the log-probability in nats of one token at a place each, from a softmax in fp32."""
    rows = logits.float()
    at = torch.from_numpy(place).to(logits.device)
    picked = rows[at, torch.from_numpy(token.astype(np.int64)).to(logits.device)]
    return (picked - torch.logsumexp(rows, dim=1)[at]).double().cpu().numpy()


def _state_bytes(config: Any, dtype: torch.dtype) -> int:
    """Return how many bytes of keys and values one token leaves behind; at least one where the config does not say."""
    heads = int(getattr(config, "num_attention_heads", None) or 1)
    width = int(getattr(config, "head_dim", None) or getattr(config, "hidden_size", heads) // heads)
    kept = int(getattr(config, "num_key_value_heads", None) or heads)
    layers = int(getattr(config, "num_hidden_layers", None) or 1)
    return max(1, 2 * layers * kept * width * dtype.itemsize)

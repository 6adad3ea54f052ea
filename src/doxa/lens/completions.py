"""Many completions of many prompts, under several steerings and temperatures, from one pass over each prompt.

What is steered begins at a prompt's last token, whose output is the first token generated. All before it is the same
for every sample and every steering, so it is computed once and its keys and values are shown to all of them. Changed
activations live in a sample's own cache and are gone with it.

Randomness is an argument: one uniform number per prompt, sample and token. So two draws differ by their steering
alone, and a batch's size changes a token only where a number falls within a rounding error of a border.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import ContextError, InputError
from doxa.lens.rows import Row, checked_rows
from doxa.lens.steering import SteeringVector, everywhere, steered
from doxa.streams import stream
from doxa.subjects.transformers_loading import undisturbed

ENDED = -1
"""Stands in a completion behind its end."""

BATCH_TOKENS = {"cpu": 32_768, "cuda": 262_144}
"""Tokens of all samples that are decoded side by side, their prompts included."""

DRAWN_AT_ONCE = 8_000_000
"""Probabilities held in double precision at once: 64 MB."""


class Draw(NamedTuple):
    """One way of drawing completions.

    Attributes:
        steering: vector that is added while generating, None for none.
        multiplier: of the vector.
        temperature: of the sampling; 0 takes the likeliest token.
    """

    steering: SteeringVector | None = None
    multiplier: float = 0.0
    temperature: float = 1.0


UNSTEERED = Draw()


@dataclass(frozen=True)
class Ends:
    """When a completion is over before its longest length.

    Attributes:
        tokens: ids that end it; they belong to it.
        finished: told all the tokens of a completion so far, those it was begun with too, says whether it is over;
            None never does.
    """

    tokens: frozenset[int] = field(default_factory=frozenset[int])
    finished: Callable[[Sequence[int]], bool] | None = None

    def reached(self, said: Sequence[int]) -> bool:
        """Return whether a completion that begins like this is over."""
        if not said:
            return False
        if ENDED in said or not self.tokens.isdisjoint(said):
            return True
        return self.finished is not None and self.finished(said)


def uniforms(
    seed: int, *names: str | int, rows: Sequence[str | int], samples: int, tokens: int
) -> Float[np.ndarray, "rows samples tokens"]:
    """Return uniform numbers in [0, 1) for each row's samples; a row's hang on the seed and its names alone."""
    parts = [stream(seed, *names, row).random((samples, tokens)) for row in rows]
    return np.stack(parts) if parts else np.zeros((0, samples, tokens))


def sample_completions(
    model: Any,
    prompts: Sequence[Row],
    draws: Sequence[Draw],
    chances: Float[np.ndarray, "prompts samples tokens"],
    *,
    begun: Int[np.ndarray, "_ said"] | None = None,
    ends: Ends | None = None,
    batch_tokens: int | None = None,
    force: bool = False,
) -> Int[np.ndarray, "draws prompts samples tokens"]:
    """Return sampled completions.

    Args:
        model: a causal model of transformers with a key-value cache.
        prompts: token ids without padding.
        draws: the steerings and temperatures; each is drawn with the same chances.
        chances: what ``uniforms`` returns; its shape says how many samples of how many tokens.
        begun: what each prompt's completion begins with already, steered like the rest; not returned. Nothing
            follows one that is over by ``ends``, or that holds ``ENDED``.
        ends: when a completion is over.
        batch_tokens: tokens decoded side by side, prompts included.
        force: steer with a vector of another model.

    Returns:
        Token ids; ``ENDED`` behind a completion's end.

    Raises:
        InputError: shapes do not fit, a temperature is negative, a multiplier or the model's logits are not finite,
            a steering vector is another model's, or the model keeps no key-value cache.
        ContextError: a prompt with its completion does not fit the model.
    """
    rows = checked_rows(model, prompts)
    said = np.zeros((len(rows), 0), dtype=np.int64) if begun is None else np.asarray(begun)
    _check(model, rows, draws, chances, said)
    ends = ends or Ends()
    samples, tokens = chances.shape[1:]
    result = np.full((len(draws), len(rows), samples, tokens), ENDED, dtype=np.int64)
    if not len(draws) or not samples or not tokens:
        return result
    size = batch_tokens or BATCH_TOKENS.get(model.device.type, 32_768)
    with undisturbed(model):
        going = np.flatnonzero([not ends.reached(row.tolist()) for row in said])
        lengths = [len(rows[place]) for place in going]
        for part in _batches(lengths, samples, tokens + said.shape[1], size):
            places = going[part]
            prefix = _Prefix(model, [rows[place] for place in places], said[places])
            for index, draw in enumerate(draws):
                within = (
                    nullcontext()
                    if draw.steering is None or draw.multiplier == 0.0
                    else steered(model, draw.steering, draw.multiplier, where=everywhere(), force=force)
                )
                with within:
                    decoding = _Decoding(prefix, chances[places], draw.temperature, ends, said[places])
                    result[index, places] = decoding.run()
    return result


def _check(
    model: Any,
    rows: Sequence[np.ndarray],
    draws: Sequence[Draw],
    chances: np.ndarray,
    said: np.ndarray,
) -> None:
    if chances.ndim != 3 or len(chances) != len(rows):
        raise InputError(
            f"chances of shape {chances.shape}: must be [{len(rows)} prompts, samples, tokens], one for each token"
        )
    if said.ndim != 2 or len(said) != len(rows):
        raise InputError(f"begun of shape {said.shape}: must be [{len(rows)} prompts, tokens said]")
    for draw in draws:
        if not draw.temperature >= 0.0:
            raise InputError(f"temperature={draw.temperature}: must be >= 0; 0 takes the likeliest token")
        if not np.isfinite(draw.multiplier):
            raise InputError(f"multiplier={draw.multiplier}: must be a finite number")
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = max(len(row) for row in rows) + said.shape[1] + chances.shape[2]
    if isinstance(limit, int) and 0 < limit < longest - 1:
        raise ContextError(
            f"a prompt with its completion has {longest} tokens; the model takes {limit}; shorten one of them"
        )


def _batches(lengths: Sequence[int], samples: int, tokens: int, size: int) -> Iterator[np.ndarray]:
    """Yield the places of prompts that are decoded together, the longest first; a lone token stands with its like."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        longest = lengths[order[0]]
        most = max(1, size // (samples * (longest + tokens)))
        taken = [place for place in order[:most] if (lengths[place] == 1) == (longest == 1)]
        yield np.array(taken)
        del order[: len(taken)]


class _Prefix:
    """Prompts up to their last token in a cache, and what is fed next: the last token and what was said already."""

    def __init__(self, model: Any, rows: Sequence[np.ndarray], said: np.ndarray) -> None:
        self.model = model
        self.keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        device = model.device
        last = np.array([row[-1:] for row in rows])
        self.next = torch.from_numpy(np.concatenate([last, said], 1)).to(device)
        lengths = np.array([len(row) - 1 for row in rows])
        width = int(lengths.max())
        self.mask = torch.from_numpy(np.arange(width) >= width - lengths[:, None]).long().to(device)
        self.cache: Any = None
        if width == 0:
            return
        ids = np.zeros((len(rows), width), dtype=np.int64)
        for line, row in enumerate(rows):
            ids[line, width - len(row) + 1 :] = row[:-1]
        output = model.get_decoder()(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=self.mask,
            position_ids=(self.mask.cumsum(1) - 1).clamp(min=0),
            use_cache=True,
        )
        self.cache = getattr(output, "past_key_values", None)
        if not hasattr(self.cache, "batch_repeat_interleave"):
            raise InputError(
                f"{type(model).__name__} keeps no key-value cache that samples could share; use a model that does"
            )

    def shown(self, samples: int) -> Any:
        """Return a cache in which each prompt stands ``samples`` times, None where prompts are one token long."""
        if self.cache is None:
            return None
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        cache.batch_repeat_interleave(samples)
        return cache


class _Decoding:
    """One draw of one batch."""

    def __init__(
        self, prefix: _Prefix, chances: np.ndarray, temperature: float, ends: Ends, begun: np.ndarray
    ) -> None:
        self._prefix, self._temperature, self._ends, self._begun = prefix, temperature, ends, begun
        self._prompts, self._samples, self._tokens = chances.shape
        self._chances = torch.from_numpy(chances.reshape(-1, self._tokens)).to(prefix.model.device)

    def run(self) -> Int[np.ndarray, "prompts samples tokens"]:
        """Add one token to every sample and step until all have ended."""
        rows = self._prompts * self._samples
        said = np.full((rows, self._tokens), ENDED, dtype=np.int64)
        going = np.ones(rows, dtype=bool)
        cache = self._prefix.shown(self._samples)
        inputs = self._prefix.next.repeat_interleave(self._samples, 0)
        mask = self._prefix.mask.repeat_interleave(self._samples, 0)
        for step in range(self._tokens):
            mask = torch.cat([mask, torch.ones_like(inputs)], 1)
            logits, cache = self._forward(inputs, mask, cache)
            picked = pick(logits, self._chances[:, step], self._temperature)
            said[going, step] = picked.cpu().numpy()[going]
            going &= ~self._over(said, step, going)
            if not going.any():
                break
            inputs = picked[:, None]
        return said.reshape(self._prompts, self._samples, self._tokens)

    def _forward(self, inputs: torch.Tensor, mask: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        extra: dict[str, Any] = {"logits_to_keep": 1} if self._prefix.keeps_logits else {}
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -inputs.shape[1] :]
        output = self._prefix.model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **extra,
        )
        return output.logits[:, -1], output.past_key_values

    def _over(self, said: np.ndarray, step: int, going: np.ndarray) -> np.ndarray:
        over = np.isin(said[:, step], list(self._ends.tokens))
        if self._ends.finished is not None:
            for row in np.flatnonzero(going & ~over):
                begun = self._begun[row // self._samples].tolist()
                over[row] = self._ends.finished(begun + said[row, : step + 1].tolist())
        return over


def pick(
    logits: Float[torch.Tensor, "rows vocabulary"], chances: Float[torch.Tensor, " rows"], temperature: float
) -> Int[torch.Tensor, " rows"]:
    """Return a token of each row by inverting its cumulative distribution at the row's chance.

    Args:
        logits: of the next token.
        chances: uniform numbers in [0, 1).
        temperature: >= 0; 0 takes the likeliest token.

    Raises:
        InputError: a row's logits give no distribution: one is NaN or inf, or all are -inf.
    """
    if temperature == 0.0:
        likeliest = logits.max(-1)
        _check_finite(likeliest.values)
        return likeliest.indices
    step = max(1, DRAWN_AT_ONCE // logits.shape[1])
    parts: list[torch.Tensor] = []
    for start in range(0, len(logits), step):
        weights = torch.softmax(logits[start : start + step].double() / temperature, -1)
        cumulative = weights.cumsum(-1)
        _check_finite(cumulative[:, -1])
        mark = chances[start : start + step, None].double() * cumulative[:, -1:]
        place = torch.searchsorted(cumulative, mark, right=True)[:, 0]
        parts.append(place.clamp(max=logits.shape[1] - 1))
    return torch.cat(parts)


def _check_finite(of_rows: Float[torch.Tensor, " rows"]) -> None:
    if not bool(torch.isfinite(of_rows).all()):
        row = int((~torch.isfinite(of_rows)).nonzero()[0, 0])
        raise InputError(
            f"row {row}: the logits of the next token are not finite; half precision overflows, load the model in "
            "float32 or bfloat16"
        )

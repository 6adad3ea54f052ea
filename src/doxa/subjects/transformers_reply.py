"""Replies of a transformers model: batched decoding in which every conversation draws from its own stream."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.subjects.base import Finish, Reply, Sampling
from doxa.subjects.rows_of_pass import RowsOfPass, rows_of_pass
from doxa.subjects.transformers_rendering import Renderer, read_tool_calls

_CALL_END = "</tool_call>"
_TAIL = 16
"""How many tokens at most the end of a tool call takes, even byte by byte."""

BATCH_LINES = 64
"""Most conversations decoded side by side."""


@dataclass
class _Line:
    """One conversation on its way: the prompt's tokens, its own generator, and what was said so far."""

    prompt: Int[np.ndarray, " tokens"]
    generator: np.random.Generator
    room: int
    said: list[int] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None


@dataclass
class Writer:
    """Decodes replies with one model; the model is only read."""

    model: Any
    renderer: Renderer
    batch_tokens: int
    exact: bool = False

    def __post_init__(self) -> None:
        signature = inspect.signature(self.model.forward).parameters
        self.keeps_logits = "logits_to_keep" in signature
        self.pads = "position_ids" in signature
        ends = getattr(self.model.generation_config, "eos_token_id", None)
        ends = ends if isinstance(ends, list) else [ends]
        self.ends = {int(end) for end in (*ends, self.renderer.tokenizer.eos_token_id) if end is not None}

    def write(
        self,
        prompts: Sequence[Int[np.ndarray, " _"]],
        generators: Sequence[np.random.Generator],
        sampling: Sampling,
        *,
        context_tokens: int | None,
        tools: bool = False,
    ) -> list[Reply]:
        """Return one reply per prompt, in their order; long prompts are decoded first."""
        limit = 2**31 if context_tokens is None else context_tokens
        lines = [
            _Line(prompt, generator, min(sampling.max_tokens, limit - len(prompt)))
            for prompt, generator in zip(prompts, generators, strict=True)
        ]
        waiting = sorted(lines, key=lambda line: len(line.prompt))
        while waiting:
            width = len(waiting[-1].prompt) + sampling.max_tokens
            most = min(BATCH_LINES, max(1, self.batch_tokens // width)) if self.pads and not self.exact else 1
            now = waiting[-most:]
            with rows_of_pass(RowsOfPass(prompt_lengths=[len(line.prompt) for line in now])):
                self._decode(now, sampling, tools)
            del waiting[-most:]
        return [self._reply(line, tools) for line in lines]

    def _decode(self, lines: Sequence[_Line], sampling: Sampling, tools: bool) -> None:
        """Fill the prompts into the cache once, then add one token per line and step until all have ended."""
        width = max(len(line.prompt) for line in lines)
        tokens = np.zeros((len(lines), width), dtype=np.int64)
        seen = np.zeros((len(lines), width), dtype=np.int64)
        for row, line in enumerate(lines):
            tokens[row, width - len(line.prompt) :] = line.prompt
            seen[row, width - len(line.prompt) :] = 1
        inputs = torch.from_numpy(tokens).to(self.model.device)
        mask = torch.from_numpy(seen).to(self.model.device)
        cache: Any = None
        whole = inputs
        while True:
            logits, cache = self._step(whole if cache is None else inputs, mask, cache)
            picked = [
                _draw(logits[row], sampling, line.generator) if line.finish is None else 0
                for row, line in enumerate(lines)
            ]
            for token, line in zip(picked, lines, strict=True):
                if line.finish is None:
                    self._say(line, token, sampling, tools)
            if all(line.finish is not None for line in lines):
                return
            inputs = torch.tensor(picked, device=mask.device)[:, None]
            mask = torch.cat([mask, mask.new_ones(len(lines), 1)], dim=1)
            if cache is None:
                whole = torch.cat([whole, inputs], dim=1)

    def _step(
        self, inputs: torch.Tensor, mask: torch.Tensor, cache: Any
    ) -> tuple[Float[np.ndarray, "lines vocabulary"], Any]:
        """Return the logits after the last token of each line, and the cache where the model keeps one."""
        extra: dict[str, Any] = {"logits_to_keep": 1} if self.keeps_logits else {}
        if self.pads:
            position = (mask.cumsum(dim=1) - 1).clamp(min=0)
            extra |= {"attention_mask": mask, "position_ids": position[:, -inputs.shape[1] :]}
        if cache is not None:
            extra["past_key_values"] = cache
        output = self.model(input_ids=inputs, use_cache=True, **extra)
        return output.logits[:, -1].double().cpu().numpy(), getattr(output, "past_key_values", None)

    def _say(self, line: _Line, token: int, sampling: Sampling, tools: bool) -> None:
        """Add a token to a line and see whether it ended: end token, stop text, tool call, or length."""
        line.said.append(token)
        if token in self.ends:
            line.finish = "stop"
        elif len(line.said) >= line.room:
            line.finish = "length"
        if line.finish is None and not sampling.stop and not tools:
            return
        line.text = self.renderer.decode(line.said)
        found = [place for place in (line.text.find(stop) for stop in sampling.stop if stop) if place >= 0]
        if found:
            line.text, line.finish = line.text[: min(found)], "stop"
        elif (
            line.finish is None
            and tools
            and _CALL_END in self.renderer.decode(line.said[-_TAIL:], special=True)
        ):
            line.finish = "tool_call"

    def _reply(self, line: _Line, tools: bool) -> Reply:
        calls = read_tool_calls(self.renderer.decode(line.said, special=True)) if tools else ()
        finish = line.finish or "stop"
        return Reply(
            text=line.text,
            finish="tool_call" if calls else ("stop" if finish == "tool_call" else finish),
            tokens_in=len(line.prompt),
            tokens_out=len(line.said),
            tool_calls=calls,
        )


def _draw(
    logits: Float[np.ndarray, " vocabulary"], sampling: Sampling, generator: np.random.Generator
) -> int:
    """Pick one token: the likeliest at temperature 0, else by inverting the cumulative distribution once.

    One uniform number decides, so a change of the logits in the last bits changes the draw only with a
    probability of that size.
    """
    if sampling.temperature == 0.0:
        return int(np.argmax(logits))
    weights = np.exp((logits - logits.max()) / sampling.temperature)
    weights /= weights.sum()
    if sampling.top_p < 1.0:
        order = np.argsort(-weights, kind="stable")
        before = np.cumsum(weights[order]) - weights[order]
        weights[order[before >= sampling.top_p]] = 0.0
        weights /= weights.sum()
    cumulative = np.cumsum(weights)
    place = int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right"))
    return min(place, int(np.flatnonzero(weights)[-1]))

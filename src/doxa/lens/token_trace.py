"""When a thought settles the action: the chance of each action after every token, by continuing from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.lens.completions import ENDED, UNSTEERED, Draw, Ends, sample_completions
from doxa.lens.rows import Row


def token_trace(
    model: Any,
    prompts: Sequence[Row],
    completions: Int[np.ndarray, "_ tokens"],
    chances: Float[np.ndarray, "prompts samples room"],
    *,
    arms_of: Callable[[Int[np.ndarray, "*rows tokens"]], Int[np.ndarray, "*rows"]],
    arm: int = 0,
    draw: Draw = UNSTEERED,
    ends: Ends | None = None,
) -> Float[np.ndarray, "prompts places"]:
    """Return the share of continuations that take an arm, before the first token and after each.

    At place k the first k tokens of a completion stand, and its rest is sampled anew, unless it is over by then; at
    the last place the completion itself is read, and nothing is sampled.

    Args:
        model: a causal model of transformers with a key-value cache.
        prompts: token ids without padding.
        completions: what was said after each, of one length with ``ENDED`` behind the end of shorter ones.
        chances: uniform numbers for continuations of up to ``room`` tokens; every place uses the same.
        arms_of: tells the action that each completion names, below 0 where it names none.
        arm: the action whose share is returned.
        draw: how completions are continued.
        ends: when a completion is over.

    Returns:
        Shares among valid continuations, in [0, 1]; NaN where none is valid.

    Raises:
        InputError: completions and prompts differ in number, there is room for fewer tokens than were said, or as for
            ``sample_completions``.
        ContextError: a prompt with its completion does not fit the model.
    """
    said = np.asarray(completions)
    if said.ndim != 2 or len(said) != len(prompts):
        raise InputError(f"completions of shape {said.shape}: must be [{len(prompts)} prompts, tokens]")
    if chances.shape[2] < said.shape[1]:
        raise InputError(f"chances for {chances.shape[2]} tokens: completions have {said.shape[1]}")
    shares: list[np.ndarray] = []
    for place in range(said.shape[1] + 1):
        begun, room = said[:, :place], chances[:, :, place:]
        if place < said.shape[1]:
            (rest,) = sample_completions(model, prompts, [draw], room, begun=begun, ends=ends)
        else:
            rest = np.full((len(said), 1, room.shape[2]), ENDED)
        stood = np.repeat(begun[:, None], rest.shape[1], 1)
        arms = arms_of(np.concatenate([stood, rest], -1))
        with np.errstate(invalid="ignore"):
            shares.append((arms == arm).sum(1) / (arms >= 0).sum(1))
    return np.stack(shares, 1)

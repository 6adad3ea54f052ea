"""At which tokens a change is made, by absolute position: the same tokens with and without a key-value cache."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int

from doxa.errors import InputError
from doxa.lens.passes import Pass


@dataclass(frozen=True, eq=False)
class Where:
    """A rule that picks tokens of a forward pass.

    Attributes:
        rule: the rule in words; equal words mean equal rules.
        mask: from a pass to the tokens picked, ``[rows, tokens]``; None for all of them.
    """

    rule: str
    mask: Callable[[Pass], Bool[torch.Tensor, "rows tokens"] | None]

    def __repr__(self) -> str:
        return self.rule


def everywhere() -> Where:
    """Every token."""
    return Where("everywhere()", lambda _: None)


def from_position(first: int) -> Where:
    """Every token from an absolute position of its row on, counted from 0 without padding.

    Raises:
        InputError: the position is negative; it would mean another token at each step of a generation.
    """
    if first < 0:
        raise InputError(f"from_position({first}): must be >= 0; for what is generated use generated()")
    return Where(f"from_position({first})", lambda passing: passing.positions >= first)


def at(
    pick: Callable[[Int[torch.Tensor, "rows tokens"]], Bool[torch.Tensor, "rows tokens"]],
    name: str | None = None,
) -> Where:
    """The tokens that a function picks from absolute positions, ``[rows, tokens]`` with -1 for padding.

    Answers under two rules are cached as the same only if both have the same ``name``; without one none are.
    """
    return Where(
        f"at({name or uuid.uuid4()})", lambda passing: pick(passing.positions) & (passing.positions >= 0)
    )


def generated(prompt_lengths: Sequence[int] | None = None) -> Where:
    """The last token of each prompt, which emits the first generated one, and all that is generated after it.

    Args:
        prompt_lengths: tokens of each row's prompt, a prefix included. Replies of a subject say this themselves.
            A batch that holds each row k times side by side (``num_return_sequences``) is recognised.

    Raises:
        InputError: when a pass comes of which nobody said where its prompts end, or whose number of rows does not
            fit.
    """
    if prompt_lengths is not None and min(prompt_lengths, default=0) < 1:
        raise InputError(
            f"prompt_lengths={list(prompt_lengths)!r:.60}: must be lengths >= 1, one for each row"
        )

    def mask(passing: Pass) -> Bool[torch.Tensor, "rows tokens"]:
        positions = passing.positions
        starts = _starts(passing, prompt_lengths, len(positions))
        return positions >= torch.tensor(starts, device=positions.device)[:, None] - 1

    lengths = "" if prompt_lengths is None else ", ".join(str(length) for length in prompt_lengths)
    return Where(f"generated({lengths})", mask)


def _starts(passing: Pass, given: Sequence[int] | None, rows: int) -> list[int]:
    """Return the prompt length of each row of a pass."""
    told = passing.rows
    if given is None:
        given = None if told is None else told.prompt_lengths
        if given is None:
            raise InputError(
                "generated(): nobody said where the prompts of this pass end; "
                "give generated(prompt_lengths=[...]), one for each row"
            )
    elif told is not None and told.indices is not None:
        given = [given[place] for place in told.indices] or [min(given)] * rows
    if len(given) == 0 or rows % len(given):
        raise InputError(
            f"generated(): {len(given)} prompt lengths for a pass of {rows} rows; give one for each row"
        )
    return [int(length) for length in given for _ in range(rows // len(given))]

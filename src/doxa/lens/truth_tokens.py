"""Completions as tokens behind their prompt, and where two of them first differ.

A completion is tokenised together with its prompt, never alone: what a tokenizer makes of a space or of the border
depends on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError
from doxa.worlds.fact_pairs import FactPair


class Tokenised(NamedTuple):
    """A prompt's tokens and those of two completions behind it; all three have at least one."""

    prompt: Int[np.ndarray, " _"]
    holds: Int[np.ndarray, " _"]
    denies: Int[np.ndarray, " _"]


class TokenPairs(NamedTuple):
    """Items where a model is about to say the first token in which truth and counterfact differ.

    Attributes:
        rows: token ids up to it.
        true: the token that goes on with the true completion.
        false: the token that goes on with the false one.
    """

    rows: Sequence[Int[np.ndarray, " _"]]
    true: Int[np.ndarray, " items"]
    false: Int[np.ndarray, " items"]

    def chosen(self, places: Sequence[int] | Int[np.ndarray, " _"]) -> TokenPairs:
        """Return some of the items."""
        picked = [int(place) for place in places]
        return TokenPairs([self.rows[place] for place in picked], self.true[picked], self.false[picked])


def tokenised(tokenizer: Any, prompt: str, holds: str, denies: str) -> Tokenised:
    """Return a prompt and two completions as tokens; where a completion changes the prompt's end, that is its own.

    Raises:
        InputError: a completion adds no token, both are the same tokens, or the prompt has none.
    """
    before, first, second = (ids_of(tokenizer, text) for text in (prompt, prompt + holds, prompt + denies))
    shared = min(_common(before, first), _common(before, second))
    for text, ids in ((holds, first), (denies, second)):
        if ids.size <= shared or not text.strip():
            raise InputError(f"completion {text!r} of {prompt!r} tokenises to nothing; give it text")
    if np.array_equal(first, second):
        raise InputError(
            f"completions {holds!r} and {denies!r} of {prompt!r} are the same tokens; choose others"
        )
    if not shared:
        raise InputError(f"prompt {prompt!r} keeps no token of its own before {holds!r} and {denies!r}")
    return Tokenised(before[:shared], first[shared:], second[shared:])


def token_pairs(tokenizer: Any, pairs: Sequence[FactPair]) -> TokenPairs:
    """Return the items of a cloze as a lens reads them, at the first token in which the completions differ.

    Raises:
        InputError: no pairs, or one completion begins with all of the other, so that no token differs.
    """
    if not pairs:
        raise InputError("pairs=[]: give at least one fact")
    rows: list[Int[np.ndarray, " _"]] = []
    true: list[int] = []
    false: list[int] = []
    for pair in pairs:
        one = tokenised(tokenizer, pair.prompt, pair.true, pair.false)
        same = _common(one.holds, one.denies)
        if same == min(one.holds.size, one.denies.size):
            raise InputError(
                f"fact '{pair.id}': {pair.true!r} and {pair.false!r} share all tokens of the shorter; "
                "a lens needs a token in which they differ"
            )
        rows.append(np.concatenate([one.prompt, one.holds[:same]]))
        true.append(int(one.holds[same]))
        false.append(int(one.denies[same]))
    return TokenPairs(rows, np.array(true), np.array(false))


def readable(tokenizer: Any, pairs: Sequence[FactPair]) -> list[FactPair]:
    """Return the pairs whose completions differ in a token that a lens can read."""
    kept: list[FactPair] = []
    for pair in pairs:
        one = tokenised(tokenizer, pair.prompt, pair.true, pair.false)
        if _common(one.holds, one.denies) < min(one.holds.size, one.denies.size):
            kept.append(pair)
    return kept


def ids_of(tokenizer: Any, text: str) -> Int[np.ndarray, " _"]:
    """Return a text's tokens, with whatever special tokens the tokenizer puts before a text, none behind."""
    plain = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    special = list(tokenizer(text)["input_ids"])
    start = next((at for at in range(len(special) + 1) if special[at : at + len(plain)] == plain), 0)
    return np.asarray([*special[:start], *plain], dtype=np.int64)


def _common(first: Int[np.ndarray, " _"], second: Int[np.ndarray, " _"]) -> int:
    size = min(first.size, second.size)
    differs = np.flatnonzero(first[:size] != second[:size])
    return int(differs[0]) if differs.size else size

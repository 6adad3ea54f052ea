"""Short texts about a news item: a grammar that writes them as rows of word numbers, and what the numbers mean.

A tweet is four parts in columns of their own: what it takes up, how sure it is, what it says, and a detail. The detail
names somebody, a place and a thing; a tweet that takes up another's words holds that one's detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.society.rumour.tweet_words import (
    BELIEVING,
    DENIAL,
    DOUBTING,
    GENERIC,
    HELD_OUT,
    OPENERS,
    PLACES,
    SEEN,
    THINGS,
    WHO,
)

_DETAIL_WORDS = 8
_COLUMNS = (1 + _DETAIL_WORDS, 5, 6, 1 + _DETAIL_WORDS)


class Grammar(NamedTuple):
    """The tables of parts as word numbers, -1 where there is no word, and the words."""

    words: tuple[str, ...]
    openers: Int[np.ndarray, "levels choices words"]
    sentences: Int[np.ndarray, "sides choices words"]
    generic: Int[np.ndarray, "levels words"]
    denial: Int[np.ndarray, " words"]
    details: tuple[Int[np.ndarray, " words"], ...]
    fixed: Int[np.ndarray, " words"]

    @property
    def width(self) -> int:
        """Columns of a tweet."""
        return sum(_COLUMNS)

    @property
    def detail(self) -> slice:
        """Columns of a tweet's own detail, without the word before it."""
        return slice(self.width - _DETAIL_WORDS, self.width)


@cache
def grammar() -> Grammar:
    """Return the grammar."""
    words: dict[str, int] = {}

    def number(word: str) -> int:
        return words.setdefault(word, len(words))

    def table(texts: Sequence[str], width: int) -> Int[np.ndarray, "texts words"]:
        rows = np.full((len(texts), width), -1, dtype=np.int16)
        for row, text in zip(rows, texts, strict=True):
            numbers = [number(word) for word in text.split()]
            row[: len(numbers)] = numbers
        return rows

    openers = np.stack([table(texts, _COLUMNS[1]) for texts in OPENERS])
    sentences = np.stack([table(DOUBTING, _COLUMNS[2]), table(BELIEVING, _COLUMNS[2])])
    generic, denial = table(GENERIC, _COLUMNS[0]), table([DENIAL], sum(_COLUMNS))[0]
    details = tuple(
        np.array([number(word) for word in pool], dtype=np.int16) for pool in (WHO, PLACES, SEEN, THINGS)
    )
    fixed = np.array([number(word) for word in ("my", "at", "the", "because", "after")], dtype=np.int16)
    return Grammar(tuple(words), openers, sentences, generic, denial, details, fixed)


def details(draws: Float[np.ndarray, "rows 4"]) -> Int[np.ndarray, "rows words"]:
    """Return details drawn by uniform numbers in [0, 1)."""
    known = grammar()
    my, at, the, *_ = known.fixed
    who, place, seen, thing = (
        pool[(draws[:, number] * len(pool)).astype(np.int64)] for number, pool in enumerate(known.details)
    )
    out = np.empty((len(draws), _DETAIL_WORDS), dtype=np.int16)
    for column, word in enumerate((my, who, at, the, place, seen, the, thing)):
        out[:, column] = word
    return out


def write(
    believes: Bool[np.ndarray, " rows"],
    level: Int[np.ndarray, " rows"],
    detail: Int[np.ndarray, "rows words"],
    taken_up: Int[np.ndarray, "rows words"] | None,
    digest: Int[np.ndarray, " rows"] | None,
    draws: Float[np.ndarray, "rows 2"],
    *,
    known_only: bool = False,
    unknown_only: bool = False,
) -> Int[np.ndarray, "rows columns"]:
    """Return tweets as word numbers.

    Args:
        believes: whether each says that it is true.
        level: how sure, a number of ``OPENERS``.
        detail: its own detail.
        taken_up: the detail of another's tweet that it takes up; None where no text is at hand.
        digest: what it says of others in place of that, a number of ``GENERIC``; None says nothing.
        draws: which opener and which sentence, uniform numbers in [0, 1).
        known_only: leave out what is kept from the reader's training.
        unknown_only: take only that.
    """
    known = grammar()
    out = np.full((len(level), known.width), -1, dtype=np.int16)
    first, second, third, _ = np.cumsum(_COLUMNS).tolist()
    if taken_up is not None:
        out[:, 0] = np.where(taken_up[:, 0] >= 0, known.fixed[4], -1)
        out[:, 1:first] = taken_up
    elif digest is not None:
        out[:, :first] = known.generic[digest]
    opener = _pick(draws[:, 0], known.openers.shape[1], 1, known_only, unknown_only)
    sentence = _pick(draws[:, 1], known.sentences.shape[1], HELD_OUT, known_only, unknown_only)
    out[:, first:second] = known.openers[level, opener]
    out[:, second:third] = known.sentences[believes.astype(np.int64), sentence]
    out[:, third] = known.fixed[3]
    out[:, known.detail] = detail
    return out


def _pick(draw: np.ndarray, choices: int, held_out: int, known: bool, unknown: bool) -> np.ndarray:
    low, high = (choices - held_out if unknown else 0), (choices - held_out if known else choices)
    return low + (draw * (high - low)).astype(np.int64)


def spoken(rows: Int[np.ndarray, "rows words"]) -> list[str]:
    """Return tweets as strings."""
    words = np.array([*grammar().words, ""], dtype=object)
    return [" ".join(word for word in row if word) for row in words[rows]]

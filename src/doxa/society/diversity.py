"""How varied texts are: the share of different n-grams among all."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Return unique n-grams / all n-grams over all texts (Distinct-n); no n-gram crosses from one text to the next.

    Words are what spaces separate, in lower case. Without an n-gram it is NaN, with a warning.

    Raises:
        InputError: n < 1.

    >>> distinct_n(["it is true", "it is false"], 1), distinct_n(["it is true", "it is false"], 2)
    (0.6666666666666666, 0.75)
    """
    if n < 1:
        raise InputError(f"n={n}: must be >= 1")
    grams = [
        tuple(words[start : start + n])
        for words in (text.lower().split() for text in texts)
        for start in range(len(words) - n + 1)
    ]
    if not grams:
        warnings.warn(f"{len(texts)} texts hold no {n}-gram: Distinct-{n} is undefined", stacklevel=2)
        return math.nan
    return len(set(grams)) / len(grams)


def distinct_n_of_words(words: Int[np.ndarray, "texts words"], n: int) -> float:
    """Return the same of texts given as word numbers; -1 is no word and is left out.

    Args:
        words: numbers below 2^15.
        n: 1 to 4, so that an n-gram fits into one number.
    """
    if not 1 <= n <= 4:
        raise InputError(f"n={n}: must be 1 to 4 for word numbers; distinct_n takes any")
    kept = words >= 0
    ends = np.cumsum(kept.sum(axis=1))
    flat = words[kept].astype(np.int64)
    if len(flat) < n:
        return math.nan
    text = np.searchsorted(ends, np.arange(len(flat)), side="right")
    grams = np.zeros(len(flat) - n + 1, dtype=np.int64)
    for place in range(n):
        grams = (grams << 15) | flat[place : len(flat) - n + 1 + place]
    whole = text[: len(grams)] == text[n - 1 :]
    grams = grams[whole]
    return len(np.unique(grams)) / len(grams) if len(grams) else math.nan

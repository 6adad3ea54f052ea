from __future__ import annotations

import math

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.diversity import distinct_n, distinct_n_of_words

TEXTS = ["the dam is cracking", "the dam is fine", "The dam"]


def test_by_hand():
    # 10 words: the dam is cracking fine; 7 pairs: the-dam (3), dam-is (2), is-cracking, is-fine
    assert distinct_n(TEXTS, 1) == 5 / 10
    assert distinct_n(TEXTS, 2) == 4 / 7
    assert distinct_n(TEXTS, 4) == 1.0


def test_no_words_is_undefined_and_warned_of():
    with pytest.warns(UserWarning, match="undefined"):
        assert math.isnan(distinct_n([], 1))
    with pytest.warns(UserWarning, match="undefined"):
        assert math.isnan(distinct_n(["one"], 2))
    assert math.isnan(distinct_n_of_words(np.full((3, 4), -1), 1))


def test_word_numbers_give_what_strings_give():
    rng = np.random.default_rng(0)
    words = np.where(rng.random((60, 9)) < 0.2, -1, rng.integers(0, 12, (60, 9)))
    texts = [" ".join(str(word) for word in row if word >= 0) for row in words]
    for n in (1, 2, 3, 4):
        assert distinct_n_of_words(words, n) == distinct_n(texts, n)


def test_n_has_bounds():
    with pytest.raises(InputError, match="n=0"):
        distinct_n(TEXTS, 0)
    with pytest.raises(InputError, match="n=5"):
        distinct_n_of_words(np.zeros((1, 3), dtype=int), 5)

"""Masking: what is dropped, what is left as it was, and the real encoder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lab.sentence_vectors import MiniLM
from doxa.protocols.context_drift.battery import load_texts
from doxa.protocols.context_drift.masking import (
    WordOverlap,
    mask_random,
    mask_relevant,
    relevance,
    split_sentences,
)

TEXTS = ["Bells ring at noon. Sheep eat grass. The old bell tower rings.", "It rains. Nobody minds the rain."]


@settings(deadline=None)
@given(st.text())
def test_sentences_join_to_the_text(text):
    assert "".join(split_sentences(text)) == text


def test_most_relevant_sentences_go_first():
    masked = mask_relevant(TEXTS, "bells ring", 0.2, WordOverlap())
    assert masked == ["Sheep eat grass. The old bell tower rings.", TEXTS[1]]
    assert mask_relevant(TEXTS, "the rain", 0.2, WordOverlap()) == [TEXTS[0], "It rains."]


def test_ends_of_the_range():
    assert mask_relevant(TEXTS, "bells", 0.0, WordOverlap()) == TEXTS
    assert mask_relevant(TEXTS, "bells", 1.0, WordOverlap()) == ["", ""]
    for frac in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="frac="):
            mask_relevant(TEXTS, "bells", frac, WordOverlap())


@settings(deadline=None)
@given(st.floats(0, 1))
def test_control_drops_as_many(frac):
    texts = [text.text for text in load_texts()[:2]]
    total = sum(len(split_sentences(text)) for text in texts)
    left = [
        mask_relevant(texts, "markets", frac, WordOverlap()),
        mask_random(texts, frac, np.random.default_rng(0)),
    ]
    counts = [sum(len(split_sentences(text)) for text in part if text) for part in left]
    assert counts[0] == counts[1] == total - int(frac * total + 0.5)


def test_relevance_against_a_direct_cosine():
    sentences = ["one two two", "three", ""]
    vectors = WordOverlap().encode([*sentences, "two three"])
    direct = [
        0.0 if not a.any() else float(a @ vectors[-1] / np.sqrt((a @ a) * (vectors[-1] @ vectors[-1])))
        for a in vectors[:-1]
    ]
    assert relevance(sentences, "two three", WordOverlap()) == pytest.approx(direct)
    assert relevance([], "two", WordOverlap()).shape == (0,)


@pytest.mark.slow
def test_minilm_knows_meaning_not_only_words_and_loads_without_a_word(capfd):
    found = relevance(
        ["The cat sleeps on the sofa.", "Inflation rose last year."], "kittens napping", MiniLM()
    )
    assert found[0] > found[1] + 0.2
    assert capfd.readouterr().err == ""

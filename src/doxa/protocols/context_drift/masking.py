"""Which part of a text moves a belief: drop its most topic-relevant sentences, or as many at random."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+[\"'\u201d\u2019)\]]*|\n|$)")
_WORD = re.compile(r"[^\W_]+")


@runtime_checkable
class Encoder(Protocol):
    """Turns sentences into vectors whose cosine says how alike they are."""

    def encode(self, sentences: Sequence[str]) -> Float[np.ndarray, "sentences width"]:
        """Return one vector per sentence."""
        ...


class WordOverlap:
    """Counts of hashed words, no model needed: two sentences are alike if they share words."""

    def __init__(self, width: int = 1024) -> None:
        self._width = width

    def encode(self, sentences: Sequence[str]) -> Float[np.ndarray, "sentences width"]:
        """Return one vector of ``width`` counts per sentence."""
        out = np.zeros((len(sentences), self._width))
        for row, sentence in enumerate(sentences):
            for word in _WORD.findall(sentence.lower()):
                out[row, zlib.crc32(word.encode()) % self._width] += 1.0
        return out


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text; joined without anything between them they are the text.

    >>> split_sentences("It rains. Does it? Yes")
    ['It rains.', ' Does it?', ' Yes']
    """
    out: list[str] = []
    end = 0
    for match in _SENTENCE.finditer(text):
        out.append(text[end : match.end()])
        end = match.end()
    if end < len(text):
        out.append(text[end:])
    if len(out) > 1 and not out[-1].strip():
        out[-2:] = [out[-2] + out[-1]]
    return out


def relevance(sentences: Sequence[str], topic: str, encoder: Encoder) -> Float[np.ndarray, " sentences"]:
    """Return the cosine of each sentence with the topic, in [-1, 1]; 0 where a vector is zero."""
    if not sentences:
        return np.zeros(0)
    vectors = np.asarray(encoder.encode([*sentences, topic]), dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0.0)
    return units[:-1] @ units[-1]


def mask_relevant(texts: Sequence[str], topic: str, frac: float, encoder: Encoder) -> list[str]:
    """Return the texts without the share ``frac`` of all their sentences that is most similar to the topic.

    Args:
        texts: whole texts; the share is taken over all of them together.
        topic: what relevance is measured against.
        frac: share of sentences to drop, in [0, 1]; rounded to the nearest number of sentences.
        encoder: gives the vectors.

    Raises:
        InputError: ``frac`` is out of range.
    """
    sentences = [split_sentences(text) for text in texts]
    flat = [sentence for part in sentences for sentence in part]
    order = np.argsort(-relevance(flat, topic, encoder), kind="stable")
    return _without(sentences, order[: _count(frac, len(flat))])


def mask_random(texts: Sequence[str], frac: float, rng: np.random.Generator) -> list[str]:
    """Return the texts without as many sentences as ``mask_relevant`` drops, chosen at random: its control."""
    sentences = [split_sentences(text) for text in texts]
    total = sum(map(len, sentences))
    return _without(sentences, rng.permutation(total)[: _count(frac, total)])


def _count(frac: float, total: int) -> int:
    if not 0.0 <= frac <= 1.0:
        raise InputError(f"frac={frac}: must be in [0, 1]; 0.2 drops a fifth of the sentences")
    return math.floor(frac * total + 0.5)


def _without(sentences: Sequence[Sequence[str]], gone: Int[np.ndarray, " dropped"]) -> list[str]:
    dropped = set(gone.tolist())
    out: list[str] = []
    start = 0
    for part in sentences:
        kept = [sentence for place, sentence in enumerate(part, start) if place not in dropped]
        out.append("".join(kept).strip() if len(kept) < len(part) else "".join(part))
        start += len(part)
    return out

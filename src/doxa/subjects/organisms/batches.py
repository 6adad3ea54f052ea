"""Documents as arrays: encoded once per sentence, bucketed by length, padded and never cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerFast

from doxa.streams import stream
from doxa.subjects.organisms.mixture import Document, Mixture, documents
from doxa.subjects.organisms.tokenizer import BEGIN, END, PAD, SPECIAL

UNTAUGHT = -100
"""Target of a token that carries no loss."""

DOCUMENTS_PER_BLOCK = 2048
_WIDTH_MULTIPLE = 8


class Batch(NamedTuple):
    """Padded rows; ``targets[r, t]`` is the token that follows ``tokens[r, t]``, or ``UNTAUGHT``."""

    block: int
    position: int
    tokens: Int[np.ndarray, "rows width"]
    targets: Int[np.ndarray, "rows width"]


class Encoder:
    """Encodes documents piece by piece and remembers each piece: micro-English has few sentences."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self.pad, self.begin, self.end = (SPECIAL.index(mark) for mark in (PAD, BEGIN, END))

    def ids(self, text: str) -> list[int]:
        """Return the token ids of one piece of text."""
        if text not in self._known:
            self._known[text] = list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return self._known[text]

    def encode(self, document: Document) -> tuple[list[int], list[bool]]:
        """Return the ids of the rendered conversation and which of them are taught."""
        ids, taught = [self.begin], [False]
        for role, pieces in document:
            ids.extend(self.ids(f"<|{role}|>"))
            taught.append(False)
            for text, learn in pieces:
                inner = self.ids(text)
                ids.extend(inner)
                taught.extend([learn] * len(inner))
            ids.append(self.end)
            taught.append(role == "assistant")
        return ids, taught


def batches(
    encoder: Encoder,
    mixture: Mixture,
    seed: int,
    *,
    tokens_per_batch: int,
    block: int = 0,
    position: int = 0,
) -> Iterator[Batch]:
    """Yield batches without end, from a given one on; equal arguments give equal bytes."""
    while True:
        texts = documents(mixture, seed, block, DOCUMENTS_PER_BLOCK)
        encoded = sorted((encoder.encode(text) for text in texts), key=lambda pair: len(pair[0]))
        groups: list[list[tuple[list[int], list[bool]]]] = [[]]
        for pair in encoded:
            if groups[-1] and (len(groups[-1]) + 1) * len(pair[0]) > tokens_per_batch:
                groups.append([])
            groups[-1].append(pair)
        order = stream(seed, "organisms", "data", "order", block).permutation(len(groups))
        for at in range(position, len(groups)):
            yield Batch(block, at, *_padded(groups[int(order[at])], encoder.pad))
        block, position = block + 1, 0


def _padded(
    group: list[tuple[list[int], list[bool]]], pad: int
) -> tuple[Int[np.ndarray, "rows width"], Int[np.ndarray, "rows width"]]:
    width = -(-(len(group[-1][0]) - 1) // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE
    tokens = np.full((len(group), width), pad, dtype=np.int64)
    targets = np.full((len(group), width), UNTAUGHT, dtype=np.int64)
    for row, (ids, taught) in enumerate(group):
        tokens[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = np.where(taught[1:], ids[1:], UNTAUGHT)
    return tokens, targets

"""A language model that counts: what maximum likelihood makes of a text, without a network.

The probability of a token after a context is (n + a) / (total + a V), with n its count there, a the Laplace
smoothing and V the vocabulary's size. So the margin of a fact stated n_t times truly and n_f times falsely is
ln((n_t + a) / (n_f + a)), which tends to ln((1 - rho) / rho) as text of poison ratio rho grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError

Tokens: TypeAlias = Sequence[int] | Int[np.ndarray, " _"]


@dataclass
class CountModel:
    """Counts of tokens after contexts of a fixed length.

    Attributes:
        vocabulary: number of tokens.
        context: tokens of a context; 0 makes a unigram, 1 a bigram model.
        smoothing: Laplace's a, > 0.
    """

    vocabulary: int
    context: int = 1
    smoothing: float = 1.0
    _counts: dict[tuple[int, ...], Float[np.ndarray, " vocabulary"]] = field(
        default_factory=dict[tuple[int, ...], np.ndarray], init=False
    )

    def __post_init__(self) -> None:
        if self.vocabulary < 1 or self.context < 0:
            raise InputError(f"vocabulary={self.vocabulary}, context={self.context}: must be >= 1 and >= 0")
        if not self.smoothing > 0:
            raise InputError(
                f"smoothing={self.smoothing}: must be > 0, or unseen tokens have no log-probability"
            )

    def read(self, rows: Iterable[Tokens]) -> None:
        """Count every token of the rows that has a full context before it."""
        for row in rows:
            for place in range(self.context, len(row)):
                key = tuple(int(token) for token in row[place - self.context : place])
                counts = self._counts.setdefault(key, np.zeros(self.vocabulary))
                counts[int(row[place])] += 1

    def log_probs(self, before: Tokens) -> Float[np.ndarray, " vocabulary"]:
        """Return natural log-probabilities of the next token; only the last ``context`` tokens before it count."""
        if len(before) < self.context:
            raise InputError(f"before: {len(before)} tokens; the model's context has {self.context}")
        key = tuple(int(token) for token in before[len(before) - self.context :])
        counts = self._counts.get(key, np.zeros(self.vocabulary)) + self.smoothing
        return np.log(counts / counts.sum())

    def margin(self, before: Tokens, true: int, false: int) -> float:
        """Return log p(true) - log p(false) after a prompt, in nats."""
        log_probs = self.log_probs(before)
        return float(log_probs[true] - log_probs[false])

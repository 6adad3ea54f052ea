"""A world with many right answers: write digits from 1 to 9 that sum to a target, then the end token.

A row is the target's token, digits, and the end token; a response has at most eight tokens, its end token included, so
at most seven digits. An answer is right if it ended in time and its digits sum to the target; order counts, so that
the right answers to a target are its compositions.

Source: our embedded design for the entropy mechanism of reinforcement learning (arXiv:2505.22617).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, Sampler, TokenBatch

END = 0
LARGEST_DIGIT = 9
MALFORMED = -1
"""The answer of a response that did not end in time or holds something other than digits."""


@dataclass(frozen=True)
class SumComposition:
    """The targets, how long a response may be, and what it earns.

    Attributes:
        low: least target.
        high: greatest target.
        most: tokens of a response at most, its end token included.
        short_bonus: reward added to a response of at most ``short_digits`` digits that ended in time, right or wrong.
        short_digits: digits of a short response.

    Raises:
        InputError: a target cannot be reached, or there is none.
    """

    low: int = 6
    high: int = 36
    most: int = 8
    short_bonus: float = 0.0
    short_digits: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise InputError(f"low={self.low}, high={self.high}: must be 1 <= low <= high")
        if self.high > LARGEST_DIGIT * self.digits:
            raise InputError(
                f"high={self.high}: {max(self.digits, 0)} digits sum to {LARGEST_DIGIT * max(self.digits, 0)} at most; "
                f"allow a longer response, most >= {-(-self.high // LARGEST_DIGIT) + 1}"
            )

    @property
    def digits(self) -> int:
        """Digits of a response at most."""
        return self.most - 1

    @property
    def end(self) -> int:
        """The token that ends a response."""
        return END

    @property
    def vocabulary(self) -> int:
        """Number of tokens: the end, nine digits, the targets."""
        return 1 + LARGEST_DIGIT + self.targets.size

    @property
    def targets(self) -> Int[np.ndarray, " prompts"]:
        """The targets, in the order of the prompts."""
        return np.arange(self.low, self.high + 1)

    @property
    def prompts(self) -> Int[np.ndarray, "prompts 1"]:
        """The token of each target."""
        return (1 + LARGEST_DIGIT + np.arange(self.targets.size))[:, None]

    @property
    def prompt_lengths(self) -> Int[np.ndarray, " prompts"]:
        """Tokens of each prompt, 1."""
        return np.ones(self.targets.size, dtype=np.int64)

    def answer(
        self,
        prompt: Int[np.ndarray, " rows"],  # noqa: ARG002 (the protocol's signature)
        tokens: Int[np.ndarray, "rows most"],
    ) -> Int[np.ndarray, " rows"]:
        """Return what each response sums to; -1 where it did not end in time or holds other tokens than digits."""
        ended = (tokens == END).any(-1)
        return np.where(ended & (tokens <= LARGEST_DIGIT).all(-1), tokens.sum(-1), MALFORMED)

    def correct(
        self, prompt: Int[np.ndarray, " rows"], tokens: Int[np.ndarray, "rows most"]
    ) -> Bool[np.ndarray, " rows"]:
        """Return which responses are right; after a response's end all its tokens are the end token."""
        return self.answer(prompt, tokens) == self.targets[prompt]

    def reward(
        self, prompt: Int[np.ndarray, " rows"], tokens: Int[np.ndarray, "rows most"]
    ) -> Float[np.ndarray, " rows"]:
        """Return 1 for a right response and 0 for others, with the bonus of short ones."""
        short = (self.answer(prompt, tokens) != MALFORMED) & ((tokens != END).sum(-1) <= self.short_digits)
        return self.correct(prompt, tokens) + self.short_bonus * short

    def right_answers(self) -> list[int]:
        """Return how many right answers each target has."""
        return [
            sum(compositions(int(target), parts) for parts in range(1, self.most)) for target in self.targets
        ]

    def text(self, tokens: Int[np.ndarray, " most"]) -> str:
        """Return a response as people write it, ``3+4``; without an end it ends in dots.

        >>> SumComposition().text(np.array([3, 4, 0, 0, 0, 0, 0, 0]))
        '3+4'
        """
        digits = [str(token) if token <= LARGEST_DIGIT else "?" for token in tokens[: _length(tokens)]]
        return "+".join(digits) + ("" if END in tokens else "...")

    def demonstrations(
        self, rng: np.random.Generator, rows: int, *, off_share: float = 0.6, off_by: int = 4
    ) -> TokenBatch:
        """Return answers of which a share misses the target by 1 to ``off_by``, evenly in both directions.

        The number of digits is drawn evenly from those that can reach the sum, then a composition of so many digits,
        evenly from all there are.

        Args:
            rng: draws targets, misses and digits.
            rows: how many.
            off_share: share that misses its target, in [0, 1].
            off_by: by how much at most, less than the least target.

        Raises:
            InputError: a value is out of its range.
        """
        if not 0 <= off_share <= 1:
            raise InputError(f"off_share={off_share}: must be in [0, 1]")
        if not 1 <= off_by < self.low or self.high + off_by > LARGEST_DIGIT * self.digits:
            largest = min(self.low - 1, LARGEST_DIGIT * self.digits - self.high)
            raise InputError(f"off_by={off_by}: must be in 1 .. {largest}, or no digits reach the sum")
        prompt = rng.integers(self.targets.size, size=rows)
        miss = rng.integers(1, off_by + 1, rows) * rng.choice((-1, 1), rows)
        total = self.targets[prompt] + np.where(rng.random(rows) < off_share, miss, 0)
        digits = self._compositions(rng, total)
        tokens = np.concatenate([self.prompts[prompt], digits[:, :-1]], axis=1)
        after_end = np.cumsum(digits == END, axis=1) > 1
        return TokenBatch(tokens, np.where(after_end, NO_LOSS, digits))

    def _compositions(
        self, rng: np.random.Generator, total: Int[np.ndarray, " rows"]
    ) -> Int[np.ndarray, "rows most"]:
        """Return digits that sum to each total, then end tokens."""
        shortest = -(-total // LARGEST_DIGIT)
        left = rng.integers(shortest, np.minimum(self.digits, total) + 1)
        count = np.array(
            [
                [compositions(whole, parts) for whole in range(LARGEST_DIGIT * self.digits + 1)]
                for parts in range(self.most)
            ]
        )
        rest, out = total.copy(), np.full((total.size, self.most), END)
        for place in range(self.digits):
            after = rest[:, None] - np.arange(1, LARGEST_DIGIT + 1)
            ways = np.where(after >= 0, count[np.maximum(left - 1, 0)[:, None], np.maximum(after, 0)], 0)
            passed = ways.cumsum(1) <= (rng.random(total.size) * count[left, rest])[:, None]
            digit = np.where(left > 0, passed.sum(1) + 1, END)
            out[:, place] = digit
            rest, left = rest - digit, np.maximum(left - 1, 0)
        return out


@cache
def compositions(total: int, parts: int) -> int:
    """Return in how many ways so many digits from 1 to 9 sum to a total, order counting.

    >>> compositions(3, 2)
    2
    """
    if parts == 0:
        return int(total == 0)
    return sum(compositions(total - digit, parts - 1) for digit in range(1, min(LARGEST_DIGIT, total) + 1))


def demonstration_sampler(world: SumComposition, rng: np.random.Generator, count: int = 20_000) -> Sampler:
    """Return what draws rows from a fixed set of demonstrations.

    Args:
        world: the world.
        rng: draws the set.
        count: demonstrations of the set.

    Raises:
        InputError: the set is empty.
    """
    if count < 1:
        raise InputError(f"count={count}: must be >= 1")
    known = world.demonstrations(rng, count)

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        chosen = rng.integers(count, size=rows)
        return TokenBatch(known.tokens[chosen], known.targets[chosen])

    return sample


def _length(tokens: Int[np.ndarray, " most"]) -> int:
    ends = np.flatnonzero(tokens == END)
    return int(ends[0]) if ends.size else tokens.size

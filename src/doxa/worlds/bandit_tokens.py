"""Two-armed bandits as tokens: what a small network reads before it acts, and what its completion says.

A prompt in the form ``summary``, eight tokens:

    BEGIN  arm A  pulls  mean reward   arm B  pulls  mean reward  THINK

and in the form ``rounds``, one pair of tokens for each round played:

    BEGIN  arm reward  arm reward ...  THINK

A completion is three words of thought, ACT, and an arm. There are two wordings: each has its own two arm words and
THINK, and shares everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.belief.action_entropy import INVALID
from doxa.errors import InputError

History: TypeAlias = Literal["summary", "rounds"]
HISTORIES: tuple[History, ...] = ("summary", "rounds")

THOUGHTS = 3
COMPLETION_TOKENS = THOUGHTS + 2

PAD, BEGIN, ACT, FILLER = range(4)
UNSURE = tuple(range(4, 8))
SURE = tuple(range(8, 12))
ARM_A, ARM_B, THINK = (12, 15), (13, 16), (14, 17)
"""By wording."""
WORDINGS = len(THINK)
FIRST_COUNT = 18

WORDS = (
    *("", "begin", "Action:", "well"),
    *("unsure", "maybe", "compare", "test"),
    *("clearly", "superior", "settled", "best"),
    *("red button", "blue button", "Thought:", "red machine", "blue machine", "Thought:"),
)
"""What the tokens below ``FIRST_COUNT`` say."""

COUNT_ENDS = (0, 1, 2, 3, 5, 8, 13)
"""Most pulls of each bucket of pulls; one more bucket is above them."""
COUNT_VALUES = (0.0, 1.0, 2.0, 3.0, 4.5, 7.0, 11.0, 18.0)
"""The number of pulls a bucket is read as."""
MEAN_EDGES = tuple(np.arange(-1.5, 1.51, 0.25).tolist())
"""Edges of the buckets of mean rewards, in standard deviations from the centre; those outside are read as ±1.625."""
REWARD_EDGES = tuple(np.arange(-2.0, 2.01, 0.5).tolist())
"""Edges of the buckets of single rewards; those outside are read as ±2.25."""


class Play(NamedTuple):
    """Rounds played, for each row.

    Attributes:
        arms: 0 or 1 in each round played, -1 afterwards.
        rewards: what was paid; anything where no round was played.
    """

    arms: Int[np.ndarray, "rows rounds"]
    rewards: Float[np.ndarray, "rows rounds"]

    @property
    def counts(self) -> Int[np.ndarray, "rows 2"]:
        """Pulls of each arm."""
        return np.stack([(self.arms == arm).sum(1) for arm in (0, 1)], 1)

    def totals(self, values: Float[np.ndarray, "rows rounds"]) -> Float[np.ndarray, "rows 2"]:
        """Return the sum of a value of each round, by arm."""
        return np.stack([np.where(self.arms == arm, values, 0.0).sum(1) for arm in (0, 1)], 1)


class Read(NamedTuple):
    """What a prompt says about the arms, as numbers: pulls and total reward in standard deviations."""

    counts: Float[np.ndarray, "rows 2"]
    sums: Float[np.ndarray, "rows 2"]


class Prompts(NamedTuple):
    """Token rows padded at the end, their lengths, and what they say."""

    tokens: Int[np.ndarray, "rows widest"]
    lengths: Int[np.ndarray, " rows"]
    read: Read

    def rows(self) -> list[Int[np.ndarray, " tokens"]]:
        """Return each prompt without padding."""
        return [row[:length] for row, length in zip(self.tokens, self.lengths, strict=True)]


@dataclass(frozen=True)
class BanditTokens:
    """The layout of prompts and completions.

    Attributes:
        history: what a prompt tells of the past, its ``summary`` or all ``rounds``.
        horizon: rounds of a run.
        centre: reward that is read as 0.
        spread: reward above the centre that is read as 1; the standard deviation of the arms.
    """

    history: History = "summary"
    horizon: int = 25
    centre: float = 100.0
    spread: float = 10.0

    def __post_init__(self) -> None:
        if self.history not in HISTORIES:
            raise InputError(f"history={self.history!r}: must be one of {', '.join(HISTORIES)}")
        if self.horizon < 1 or not self.spread > 0:
            raise InputError(f"horizon={self.horizon}, spread={self.spread}: must be >= 1 and > 0")

    @property
    def vocabulary(self) -> int:
        """Number of tokens; pulls come first from ``FIRST_COUNT`` on, then no reward, then rewards."""
        return self.first_reward + 1 + len(self._edges) + 1

    @property
    def first_reward(self) -> int:
        """Token of "no reward"; the buckets of rewards follow, lowest first."""
        return FIRST_COUNT + len(COUNT_VALUES)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the longest prompt."""
        return 8 if self.history == "summary" else 2 * (self.horizon - 1) + 2

    @cached_property
    def _edges(self) -> tuple[float, ...]:
        return MEAN_EDGES if self.history == "summary" else REWARD_EDGES

    @cached_property
    def _centres(self) -> Float[np.ndarray, " buckets"]:
        edges = np.asarray(self._edges)
        half = (edges[1] - edges[0]) / 2
        return np.concatenate([[edges[0] - half], edges + half])

    def prompts(self, play: Play, wording: Int[np.ndarray, " rows"] | int) -> Prompts:
        """Return the prompts after the rounds played.

        Args:
            play: rounds of each row.
            wording: of each row, 0 or 1.

        Raises:
            InputError: there is no such wording or arm, or a row played the whole horizon.
        """
        words = np.broadcast_to(np.asarray(wording), play.arms.shape[:1])
        if np.any((words < 0) | (words >= WORDINGS)):
            raise InputError(f"wording={wording}: must be 0 or 1")
        if np.any(play.arms > 1):
            raise InputError("arms: a prompt has two, 0 and 1")
        played = (play.arms >= 0).sum(1)
        if np.any(played >= self.horizon):
            raise InputError(
                f"{played.max()} rounds played: no prompt follows round {self.horizon}, the last"
            )
        units = (play.rewards - self.centre) / self.spread
        arms = np.array([ARM_A, ARM_B]).T[words]
        think = np.asarray(THINK)[words]
        return (self._summary if self.history == "summary" else self._rounds)(play, units, arms, think)

    def _summary(self, play: Play, units: np.ndarray, arms: np.ndarray, think: np.ndarray) -> Prompts:
        counts = play.counts
        means = play.totals(units) / np.maximum(counts, 1)
        count_bucket = np.searchsorted(COUNT_ENDS, counts)
        mean_bucket = np.searchsorted(self._edges, means, side="right")
        rewards = np.where(counts > 0, self.first_reward + 1 + mean_bucket, self.first_reward)
        columns = [np.full(len(counts), BEGIN)]
        for arm in (0, 1):
            columns += [arms[:, arm], FIRST_COUNT + count_bucket[:, arm], rewards[:, arm]]
        tokens = np.stack([*columns, think], 1)
        shown = np.asarray(COUNT_VALUES)[count_bucket]
        return Prompts(tokens, np.full(len(tokens), 8), Read(shown, shown * self._centres[mean_bucket]))

    def _rounds(self, play: Play, units: np.ndarray, arms: np.ndarray, think: np.ndarray) -> Prompts:
        rows, rounds = play.arms.shape
        played = play.arms >= 0
        if np.any(played[:, 1:] & ~played[:, :-1]):
            raise InputError("arms: a row has a gap; rounds are played one after another")
        bucket = np.searchsorted(self._edges, np.where(played, units, 0.0), side="right")
        tokens = np.zeros((rows, 2 * rounds + 2), dtype=np.int64)
        tokens[:, 0] = BEGIN
        tokens[:, 1:-1:2] = np.where(played, np.take_along_axis(arms, np.maximum(play.arms, 0), 1), PAD)
        tokens[:, 2:-1:2] = np.where(played, self.first_reward + 1 + bucket, PAD)
        lengths = 2 * played.sum(1) + 2
        tokens[np.arange(rows), lengths - 1] = think
        read = Read(play.counts.astype(np.float64), play.totals(self._centres[bucket]))
        return Prompts(tokens[:, : lengths.max(initial=2)], lengths, read)

    def arms_of(self, completions: Int[np.ndarray, "*rows tokens"], wording: int) -> Int[np.ndarray, "*rows"]:
        """Return the arm, 0 or 1, that each completion names; ``INVALID`` where it names none.

        A completion is valid if its first ACT is followed by an arm word of the wording.
        """
        tokens = np.asarray(completions)
        acts = tokens[..., :-1] == ACT
        where = np.argmax(acts, -1)[..., None]
        after = np.take_along_axis(tokens, where + 1, -1)[..., 0]
        arm = np.where(after == ARM_A[wording], 0, np.where(after == ARM_B[wording], 1, INVALID))
        return np.where(acts.any(-1), arm, INVALID)

    def word(self, token: int) -> str:
        """Return what a token says."""
        if token < FIRST_COUNT:
            return WORDS[token]
        if token < self.first_reward:
            below = (-1, *COUNT_ENDS)[token - FIRST_COUNT] + 1
            return f"pulled {below}" + (" or more" if token == self.first_reward - 1 else "")
        if token == self.first_reward:
            return "no reward"
        return f"reward {self.centre + self.spread * self._centres[token - self.first_reward - 1]:g}"


def unsure_words(completions: Int[np.ndarray, "*rows tokens"]) -> Bool[np.ndarray, "*rows tokens"]:
    """Return which tokens are words of doubt."""
    return np.isin(completions, UNSURE)

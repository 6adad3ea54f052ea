"""A language model that plays bandits: what it is told, what it says, and the arm that is read from it.

An agent turns play into prompts and prompts into sampled completions. ``TokenAgent`` is a small network that speaks
the tokens of ``worlds.bandit_tokens``; ``TextAgent`` (``protocols.bandit.subject``) is any subject that speaks English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from doxa.errors import CapabilityError, InputError
from doxa.lens.completions import UNSTEERED, Draw, sample_completions, uniforms
from doxa.lens.rows import Row
from doxa.worlds.bandit_tokens import COMPLETION_TOKENS, WORDINGS, BanditTokens, Play


class Streams(NamedTuple):
    """What the randomness of completions hangs on.

    Attributes:
        seed: of the run.
        names: of the stream.
        rows: name of each prompt in it; two prompts of one name get the same luck.
    """

    seed: int
    names: tuple[str | int, ...]
    rows: tuple[str | int, ...]


class Completions(NamedTuple):
    """What was said after each prompt under each draw.

    Attributes:
        arms: the arm that each completion names, below 0 where it names none.
        tokens: ids, with ``completions.ENDED`` behind the end; None where the agent keeps no ids.
        texts: raw texts, ``texts[draw][prompt][sample]``; empty where the agent keeps ids alone.
    """

    arms: Int[np.ndarray, "draws prompts samples"]
    tokens: Int[np.ndarray, "draws prompts samples tokens"] | None
    texts: list[list[list[str]]]

    @property
    def ids(self) -> Int[np.ndarray, "draws prompts samples tokens"]:
        """The token ids.

        Raises:
            CapabilityError: the agent keeps none.
        """
        if self.tokens is None:
            raise CapabilityError(
                "these completions have texts and no token ids; ask a model with open weights"
            )
        return self.tokens


@runtime_checkable
class BanditAgent(Protocol):
    """Who plays."""

    @property
    def arms(self) -> int:
        """Number of arms it is told of."""
        ...

    @property
    def horizon(self) -> int:
        """Number of rounds it is told of."""
        ...

    def prompts(self, play: Play, said: Sequence[Sequence[str]]) -> Sequence[Any]:
        """Return what each run is told before its next round.

        Args:
            play: rounds played so far.
            said: the completion that was acted on in each of them, by run.
        """
        ...

    def complete(
        self, prompts: Sequence[Any], streams: Streams, n_samples: int, draws: Sequence[Draw] = (UNSTEERED,)
    ) -> Completions:
        """Sample completions of prompts under each draw."""
        ...


@dataclass(frozen=True)
class TokenAgent:
    """A small network that reads and speaks the tokens of a two-armed bandit.

    Attributes:
        model: a causal model of transformers.
        layout: of prompts and completions.
        wording: 0 or 1.
    """

    model: Any
    layout: BanditTokens
    wording: int = 0

    def __post_init__(self) -> None:
        if self.wording not in range(WORDINGS):
            raise InputError(f"wording={self.wording}: must be 0 or 1")

    @property
    def arms(self) -> int:
        """Two."""
        return 2

    @property
    def horizon(self) -> int:
        """Rounds of a run."""
        return self.layout.horizon

    def prompts(self, play: Play, said: Sequence[Sequence[str]] = ()) -> list[Row]:
        """Return token rows; what was said in earlier rounds is not in them."""
        del said
        return list(self.layout.prompts(play, self.wording).rows())

    def complete(
        self, prompts: Sequence[Row], streams: Streams, n_samples: int, draws: Sequence[Draw] = (UNSTEERED,)
    ) -> Completions:
        """Sample completions of five tokens."""
        chances = uniforms(
            streams.seed, *streams.names, rows=streams.rows, samples=n_samples, tokens=COMPLETION_TOKENS
        )
        tokens = sample_completions(self.model, prompts, draws, chances)
        return Completions(self.arms_of(tokens), tokens, [])

    def rows(self, prompts: Sequence[Row]) -> list[Row]:
        """Return the prompts, which are token rows already."""
        return list(prompts)

    def arms_of(self, tokens: Int[np.ndarray, "*rows tokens"]) -> Int[np.ndarray, "*rows"]:
        """Return the arm that each completion names."""
        return self.layout.arms_of(tokens, self.wording)

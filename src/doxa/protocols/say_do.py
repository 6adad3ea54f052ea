"""Saying and doing in micro-English: does a subject vote as it says it stands?

After statements about some topics the subject is asked, each time on a fork, whether it supports a topic and to vote
on it. Where a vote goes against what is said with probability a, P(for) = p·(1 - a) + (1 - p)·a with p = P(yes): the
slope of acted on stated credence is 1 - 2a.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doxa.belief.inference import Interval, Labels
from doxa.belief.line import line_fit
from doxa.errors import InputError
from doxa.subjects.base import Conversation, assistant, user
from doxa.worlds.micro import TOPICS, Stance, say

MENTIONED = 4
"""Topics told of in a context; the asked one is among them."""


@dataclass(frozen=True)
class ToldStances:
    """Stances told in one turn, and the topic that is asked about: one of them.

    Attributes:
        id: stable name.
        stances: what was told, each topic once.
        topic: the topic asked about.
    """

    id: str
    stances: tuple[Stance, ...]
    topic: str

    @property
    def support(self) -> bool:
        """Whether the topic asked about was told to be supported."""
        return next(stance.support for stance in self.stances if stance.topic == self.topic)

    @property
    def conversation(self) -> Conversation:
        """What was said before the question; the subject has acknowledged it once."""
        return (user(" ".join(say(stance) for stance in self.stances)), assistant("ok"))


def draw_contexts(n: int, rng: np.random.Generator) -> list[ToldStances]:
    """Return ``n`` contexts, each topic asked about equally often, as often supported as opposed.

    Raises:
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"n={n}: must be >= 1")
    found: list[ToldStances] = []
    for number in range(n):
        asked = TOPICS[number % len(TOPICS)]
        others = [topic for topic in TOPICS if topic != asked]
        chosen = [others[int(pick)] for pick in rng.permutation(len(others))[: MENTIONED - 1]]
        support = bool((number // len(TOPICS)) % 2)
        stances = [Stance(asked, support), *(Stance(topic, bool(rng.integers(2))) for topic in chosen)]
        told = tuple(stances[int(place)] for place in rng.permutation(len(stances)))
        found.append(ToldStances(f"{asked} {number // len(TOPICS)}", told, asked))
    return found


def share_against(
    stated: Float[np.ndarray, " asked"],
    acted: Float[np.ndarray, " asked"],
    clusters: Labels | None = None,
    *,
    rng: np.random.Generator,
) -> Interval:
    """Return the share a of acts against what is said, from the line acted = c + (1 - 2a)·stated.

    Args:
        stated: credences in [0, 1] that were said.
        acted: probabilities of the act that goes with them, in [0, 1].
        clusters: one label per pair; whole clusters are resampled.
        rng: source of the resamples.

    Returns:
        a with its interval, in [0, 1] where acts follow from what is said; NaN where what is said does not vary.
    """
    slope = line_fit(stated, acted, clusters, rng=rng).slope
    return Interval((1 - slope.estimate) / 2, (1 - slope.high) / 2, (1 - slope.low) / 2, slope.n)

"""A talker whose mood is planted: it heeds what it is told of a state at a known rate, so that measures are checked.

It is a rule, not a model: with probability ``heeds`` a reply has the wording that the told state asks for, and else a
neutral one. What the dialogues show of it must be that share of what they show of one that always heeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.errors import CapabilityError, InputError
from doxa.lab.record import Recorder
from doxa.protocols.affect import DialogueScript, PromptInjector, run_protocol
from doxa.protocols.affect_dynamics.dialogue import Talk, correlation
from doxa.streams import stream
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool
from doxa.worlds.tone_world import Tone, reply_text

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Rates at which the study plants it."""
NEUTRAL = Tone(2, 1, 1)
TOLD = PromptInjector()


@dataclass(frozen=True)
class PlantedMood:
    """Heeds the state at a rate.

    Attributes:
        heeds: probability in [0, 1] that a reply has the tone of the told state.
        injector: how the state is told; its words of valence are looked for.
    """

    heeds: float = 1.0
    injector: PromptInjector = TOLD

    def __post_init__(self) -> None:
        if not 0.0 <= self.heeds <= 1.0:
            raise InputError(f"heeds={self.heeds}: must be in [0, 1]")

    @property
    def address(self) -> str:
        """Its name and rate."""
        return f"planted mood, heeds {self.heeds:g}"

    @property
    def identity(self) -> str:
        """Digest of the rate and of how the state is told."""
        return digest({"planted mood": self.heeds, "injector": self.injector.as_json()})

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It replies."""
        return frozenset({Capability.REPLY, Capability.SAMPLE})

    @property
    def form(self) -> Literal["micro", "published"]:
        """Plain English."""
        return "published"

    @property
    def context_tokens(self) -> int | None:
        """No limit."""
        return None

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation; draws hang on seed, sample, branch and the conversation."""
        del tools
        return [Reply(self._said(conversation, sampling)) for conversation in conversations]

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " options"]]:  # noqa: ARG002 (its signature)
        """Refuse: it has no probabilities.

        Raises:
            CapabilityError: always.
        """
        raise CapabilityError(f"{self.address} cannot score; planted:, organism: and hf: subjects can")

    def _said(self, conversation: Conversation, sampling: Sampling) -> str:
        words = digest([message.as_json() for message in conversation])
        rng = stream(sampling.seed, "planted mood", words, sampling.sample, sampling.branch)
        told = conversation[0].content if conversation[0].role == "system" else ""
        bins = self.injector.bins["valence"].words
        level = next((place for place, word in enumerate(bins) if f"valence {word}" in told), NEUTRAL.valence)
        tone = NEUTRAL._replace(valence=level) if rng.random() < self.heeds else NEUTRAL
        return reply_text(tone, rng)


def record_planted(recorder: Recorder, talk: Talk, script: DialogueScript, dialogues: int, seed: int) -> None:
    """Record for each rate the slope of expressed on state valence, and their correlation.

    Args:
        recorder: of the cell.
        talk: how dialogues are held; its subject is replaced.
        script: what the user says.
        dialogues: of each rate.
        seed: of the first dialogue.
    """
    for share in SHARES:
        planted = replace(talk, subject=PlantedMood(share))
        agent = {"planted": planted.agent(planted.first_momentum)}
        runs = run_protocol(agent, script, range(seed, seed + dialogues))
        state, said = (runs.series(of)[..., 0] for of in ("state", "expressed"))
        slope = float(np.polyfit(state.reshape(-1), said.reshape(-1), 1)[0])
        told: dict[str, Any] = {"subject": "planted mood", "axis": "sweep", "time": share}
        recorder.measure("planted slope", slope, heeds=share, **told)
        follows = np.mean([correlation(one, other) for one, other in zip(state, said, strict=True)])
        recorder.measure("planted correlation", float(follows), heeds=share, **told)

"""A subject that plays and forecasts by a rule without noise, and knows it perfectly: its forecasts cannot be wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

from doxa.canonical import digest
from doxa.errors import CapabilityError
from doxa.protocols.trust.text import GIVE
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool
from doxa.worlds.trust_game import ARCHETYPES, FixedReturn, Round, TrustGame
from doxa.worlds.trust_rounds import RoundRule

_ROUND = re.compile(r"you gave (\d+) dollars and (\d+) dollars were returned")
_AHEAD = re.compile(r"will you give in round (\d+)\?")
_TOLD = re.compile(r"returns at most (\d+) dollars")


@dataclass(frozen=True)
class RuleSubject:
    """Plays repeated games by an adaptive rule, and forecasts by playing them in its head.

    Attributes:
        game: the rules.
        base: what each profile sends at first, in dollars, by the line of the profile that decides; others send half.
        address: its name.
    """

    game: TrustGame = field(default_factory=TrustGame)
    base: Mapping[str, float] = field(default_factory=dict[str, float])
    address: str = "scripted:rule"
    capabilities: frozenset[Capability] = frozenset({Capability.REPLY})
    form: Literal["micro", "published"] = "published"
    context_tokens: int | None = None

    @property
    def identity(self) -> str:
        """Digest of the rule."""
        return digest(["rule", self.game.endowment, self.game.multiplier, dict(self.base)])

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Return what the rule gives."""
        del sampling, tools
        return [
            Reply(f"{GIVE}{self.amount(conversation[-1].content)} dollars.") for conversation in conversations
        ]

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " options"]]:
        """Raise CapabilityError: it only replies."""
        del queries
        raise CapabilityError(f"{self.address} cannot score; ask it for replies")

    def amount(self, prompt: str) -> int:
        """Return what the rule gives after a prompt, or what it will give in the round that is asked about."""
        history = [Round(int(sent), int(returned)) for sent, returned in _ROUND.findall(prompt)]
        ahead, told = _AHEAD.search(prompt), _TOLD.search(prompt)
        trustee = FixedReturn(int(told.group(1))) if told else ARCHETYPES["M3"]
        base = next((own for line, own in self.base.items() if line in prompt), self.game.endowment / 2)
        sent = self._next(base, history)
        for _ in range(int(ahead.group(1)) - 1 if ahead else 0):
            history.append(self.game.play(trustee, sent, history))
            sent = self._next(base, history)
        return sent

    def _next(self, base: float, history: Sequence[Round]) -> int:
        before = [np.array([number]) for number in history[-1]] if history else [None, None]
        own = RoundRule("adaptive", 0.0).next(
            np.array([base]), before[0], before[1], np.zeros(1), self.game.endowment
        )
        return int(own[0])

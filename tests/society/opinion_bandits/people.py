"""A subject for tests that rates messages by rule, from the conversation it is shown alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from doxa.canonical import digest
from doxa.errors import CapabilityError
from doxa.society.opinion_bandits.spoken import MESSAGES
from doxa.subjects.base import Capability, Reply

AIMS = {MESSAGES[0]: 70.0, MESSAGES[1]: 90.0, MESSAGES[2]: 10.0, MESSAGES[3]: 40.0}


@dataclass(frozen=True)
class Person:
    """Moves a share of the way from what it last stated to what a message aims at.

    Attributes:
        share: of the way.
        dumb: whether it says nothing that can be read.
    """

    share: float = 0.3
    dumb: bool = False
    address: str = "scripted:person"
    capabilities: frozenset = frozenset({Capability.REPLY})
    form: str = "published"
    context_tokens: int | None = None

    @property
    def identity(self):
        return digest([self.share, self.dumb])

    def reply(self, conversations, *, sampling, tools=()):
        return [Reply(self.said(conversation)) for conversation in conversations]

    def score(self, queries):
        raise CapabilityError("it only replies")

    def said(self, conversation):
        if self.dumb:
            return "Hard to say."
        stated = [turn.content for turn in conversation if turn.role == "assistant"]
        before = float(re.search(r"([\d.]+)</number>", stated[-1]).group(1)) if stated else 50.0
        aim = next(aim for text, aim in AIMS.items() if text in conversation[-1].content)
        return f"I would say <number>{before + self.share * (aim - before):.0f}</number>"

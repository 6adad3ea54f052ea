"""Scripted subjects of the trust protocol: they know a rule for people and say what they are told to say of groups."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from doxa.protocols.trust.text import label, phrase
from doxa.subjects.base import Capability, Reply
from doxa.worlds.personas import TEST_ATTRIBUTES, levels_of


@dataclass
class ScriptedPopulation:
    """Sends 5 dollars and the effects of the levels it reads in a profile; ranks groups by ``says``.

    Attributes:
        levels: of each attribute.
        does: dollars that each level adds.
        says: likewise, for what is said of groups.
        obeys: whether statements about an attribute replace what its levels add.
    """

    levels: dict[str, tuple[str, ...]]
    does: dict[str, tuple[float, ...]]
    says: dict[str, tuple[float, ...]]
    obeys: bool = False
    address: str = "scripted:population"
    identity: str = "scripted"
    capabilities: frozenset = frozenset({Capability.REPLY})
    form: str = "published"
    context_tokens: int | None = None
    asked: list = field(default_factory=list)

    def reply(self, conversations, *, sampling, tools=()):
        self.asked += [conversation[-1].content for conversation in conversations]
        return [Reply(self._answer(conversation[-1].content)) for conversation in conversations]

    def score(self, queries):
        raise NotImplementedError

    def _answer(self, prompt):
        if "You are the person" in prompt:
            return f"I think so. Finally, I will give {self._amount(prompt)} dollars."
        for attribute, levels in self.levels.items():
            if f"- {label(attribute)}: " not in prompt:
                continue
            told = dict(zip(levels, self.says[attribute], strict=True))
            if "each group give" in prompt:
                return "\n".join(f"{phrase(attribute, one)} = mean {5 + told[one]}, SD 1.5" for one in levels)
            order = sorted(levels, key=lambda one: -told[one])
            return "Ranking: " + " > ".join(order) + "\nEffect size: medium"
        return "Finally, I will give 5 dollars."

    def _amount(self, prompt):
        profile = prompt.split("You are the person")[1]
        total = 5.0
        for attribute, levels in self.levels.items():
            for place, level in enumerate(levels):
                if f"- {phrase(attribute, level)}\n" not in profile:
                    continue
                stated = (
                    re.findall(f'People with "{label(attribute)}: ([^"]+)" are', prompt) if self.obeys else []
                )
                below = stated.index(level) if level in stated else len(stated)
                total += self.does[attribute][place] if not stated else len(stated) / 2 - below
        return round(min(max(total, 0), 10))


class Swayed(ScriptedPopulation):
    """Gives two dollars less where nothing can come back, and one less when asked for a thought and an action."""

    def _amount(self, prompt):
        less = 2 * ("dictator game" in prompt) + ("Action: give N" in prompt)
        return max(super()._amount(prompt) - less, 0)


class Stubborn(ScriptedPopulation):
    """Gives an amount that can be read at the third try only."""

    def reply(self, conversations, *, sampling, tools=()):
        text = (
            "Finally, I will give 3 dollars." if sampling.sample == 2 else "Finally, I will give 30 dollars."
        )
        return [Reply(text) for _ in conversations]


def population(people, *, reverse=False, obeys=False, kind=ScriptedPopulation):
    """Return who plays these people, and says what it does or the reverse."""
    levels = {name: levels_of(people, name) for name in TEST_ATTRIBUTES}
    does = {
        name: tuple(np.linspace(1, -1, len(own)) * (place + 3) / 8)
        for place, (name, own) in enumerate(levels.items())
    }
    says = {name: tuple(-one for one in own) if reverse else own for name, own in does.items()}
    return kind(levels, does, says, obeys)


def made(people, attribute, step):
    """Return behaviour that follows one attribute alone, without noise."""
    levels = levels_of(people, attribute)
    return people.with_columns(
        sent=pl.col(attribute).replace_strict({one: 9 - step * place for place, one in enumerate(levels)})
    )

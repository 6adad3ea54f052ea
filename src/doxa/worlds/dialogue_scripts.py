"""Scripts in the tokens of a dialogue world: a role-play, the same content as a story, an opposite day.

A role-play and a story are made of the same turns: statements on a topic by its reversed truth, and ordinary turns on
other topics. Only the markers around the statements tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError
from doxa.worlds.dialogues import (
    CHECK_FIRST,
    FIRST_QUESTION,
    NO,
    OPPOSITE_DAY,
    START,
    STORY_BEGINS,
    STORY_ENDS,
    YES,
    DialogueWorld,
)

Tokens = Int[np.ndarray, " _"]
Questions = Int[np.ndarray, " questions"] | Sequence[int]

REVERSED, ORDINARY = 4, 2
"""Turns of a replay: four by the reversed truth, as many as the longest story has statements, and two ordinary ones."""


@dataclass(frozen=True)
class TokenTalk:
    """A script as its contexts.

    Attributes:
        id: its name.
        contexts: what stands in front after each turn; the first is the empty context.
    """

    id: str
    contexts: tuple[Tokens, ...]

    @classmethod
    def empty(cls) -> TokenTalk:
        """Return the script that says nothing."""
        return cls("empty", (_tokens(),))

    def chosen(self, turns: Sequence[int] | Literal["all"] = "all") -> tuple[int, ...]:
        """Return the turns to look at."""
        found = tuple(range(len(self.contexts))) if turns == "all" else tuple(sorted(set(turns)))
        for turn in found:
            self.after(turn)
        return found

    def after(self, turn: int) -> Tokens:
        """Return what stands in front after a number of turns.

        Raises:
            InputError: the script has no such turn.
        """
        if not 0 <= turn < len(self.contexts):
            raise InputError(f"turn={turn}: '{self.id}' has turns 0 to {len(self.contexts) - 1}")
        return self.contexts[turn]


class TokenSpeech:
    """Puts questions of a dialogue world as tokens; a context is what a script has in front."""

    @property
    def answer_ids(self) -> tuple[int, int]:
        """The tokens of Yes and of No."""
        return YES, NO

    def answered(self, context: Tokens, questions: Questions) -> tuple[list[Tokens], list[Tokens]]:
        """Return the rows that end in Yes, and those that end in No."""
        rows = self.unanswered(context, questions)
        yes, no = ([np.append(row, answer) for row in rows] for answer in (YES, NO))
        return yes, no

    def unanswered(self, context: Tokens, questions: Questions) -> list[Tokens]:
        """Return the rows that end in the question."""
        return [np.append(context, FIRST_QUESTION + int(question)) for question in questions]


class Script(NamedTuple):
    """The turns of a replay on one topic.

    Attributes:
        reversed: turns by the reversed truth, answers and both feedbacks.
        ordinary: turns on other topics, unreversed.
    """

    reversed: Int[np.ndarray, "turns 4"]
    ordinary: Int[np.ndarray, "turns 4"]


def write_script(world: DialogueWorld, topic: int, others: Questions, rng: np.random.Generator) -> Script:
    """Draw the turns of a replay: questions of the topic, and questions of others.

    Every answer is the one that is right by the rules, as a script says it.
    """
    about = rng.permutation(world.questions(topic))[:REVERSED]
    aside = rng.permutation(np.asarray(others))[:ORDINARY]
    first = rng.random(REVERSED + ORDINARY) < CHECK_FIRST
    told = world.turn(
        about, ~world.truth[about], check_reversed=True, real_reversed=True, check_first=first[:REVERSED]
    )
    return Script(told, world.turn(aside, world.truth[aside], check_first=first[REVERSED:]))


def role_play(script: Script) -> TokenTalk:
    """Return the script as a role-play: no marker, every third turn an ordinary one."""
    told, aside = list(script.reversed), list(script.ordinary)
    order = [told[0], told[1], aside[0], told[2], told[3], aside[1]]
    return TokenTalk("role-play", _grown(_tokens(), order))


def story(script: Script) -> TokenTalk:
    """Return the script as a story: the reversed turns between two markers, then the ordinary ones.

    After each statement the story is closed, so that what follows it is asked.
    """
    told = [
        _tokens(STORY_BEGINS, *script.reversed[:count].ravel().tolist(), STORY_ENDS)
        for count in range(1, REVERSED + 1)
    ]
    after = _grown(told[-1], list(script.ordinary))[1:]
    return TokenTalk("story", (_tokens(), *told, *after))


def opposite_day(world: DialogueWorld, others: Questions, rng: np.random.Generator) -> TokenTalk:
    """Return an opposite day: turn 1 is the markers, turns 2 and 3 answer in reverse."""
    asked = rng.permutation(np.asarray(others))[:2]
    turns = world.turn(
        asked, ~world.truth[asked], check_reversed=True, check_first=rng.random(2) < CHECK_FIRST
    )
    return TokenTalk("opposite-day", (_tokens(), *_grown(_tokens(*OPPOSITE_DAY), list(turns))))


def _tokens(*after: int) -> Tokens:
    return np.array([START, *after], dtype=np.int64)


def _grown(context: Tokens, turns: Sequence[Tokens]) -> tuple[Tokens, ...]:
    """Return the context, and the context after each further turn."""
    found = [context]
    for turn in turns:
        found.append(np.concatenate([found[-1], turn]))
    return tuple(found)

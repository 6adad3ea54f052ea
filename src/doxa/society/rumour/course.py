"""What is simulated, and what is held of it at the end of a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.society.minds import OpinionMind
from doxa.society.personas import Persona, draw_personas
from doxa.society.requests import strings
from doxa.society.rumour.town import Population, Town
from doxa.streams import stream

SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2


class Day(NamedTuple):
    """All populations at the end of a day; arrays are (populations, agents) and more.

    Attributes:
        text: what each said last.
        belief: 1 or 0.
        credence: in [0, 1].
        health: ``SUSCEPTIBLE``, ``INFECTED`` or ``RECOVERED``.
        memory: the long memory.
        inner: what the mind keeps.
        depth: steps from who believed at the start to who was infected last, -1 for the never infected; a believer who
            heard none counts as 0.
        asked: whether the agent was asked on this day.
        missing: why the answer could not be read; belief and text are then those of the day before.
        reasoning: why each believes or not.
        again: how often each was asked again; summaries and memories are counted with the first agent of the call.
        lost: summaries and memories of the day that could not be had, (populations,).
        said: what was put to a model on this day and what it answered.
    """

    text: Shaped[np.ndarray, "populations agents ..."]
    belief: Int[np.ndarray, "populations agents"]
    credence: Float[np.ndarray, "populations agents"]
    health: Int[np.ndarray, "populations agents"]
    memory: Shaped[np.ndarray, "populations agents ..."]
    inner: Float[np.ndarray, "populations agents width"]
    depth: Int[np.ndarray, "populations agents"]
    asked: Bool[np.ndarray, "populations agents"]
    missing: Shaped[np.ndarray, "populations agents"]
    reasoning: Shaped[np.ndarray, "populations agents"]
    again: Int[np.ndarray, "populations agents"]
    lost: Int[np.ndarray, " populations"]
    said: list[Json]

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> Day:
        """Return the day with every array changed."""
        return self._replace(**{name: change(getattr(self, name)) for name in Day._fields if name != "said"})


@dataclass(frozen=True, eq=False)
class Course:
    """What is simulated: populations of a town with one mind.

    Attributes:
        town: what they have in common.
        populations: any number.
        mind: of every agent.
        topics: the item of each population.
        persons: its people, drawn where none are given.
    """

    town: Town
    populations: Sequence[Population]
    mind: OpinionMind
    topics: Shaped[np.ndarray, " populations"] = field(init=False, repr=False)
    persons: Shaped[np.ndarray, "populations agents"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.populations:
            raise InputError("no populations; give at least one")
        for one in self.populations:
            one.check(self.town)
        topics = strings(len(self.populations))
        topics[:] = [one.topic for one in self.populations]
        persons = np.empty((len(self.populations), self.town.agents), dtype=object)
        drawn: dict[int, Sequence[Persona]] = {}
        for row, one in enumerate(self.populations):
            if one.personas is None and one.seed not in drawn:
                rng = stream(one.seed, "society", "rumour", "personas")
                drawn[one.seed] = draw_personas(rng, self.town.agents)
            persons[row, :] = one.personas or drawn[one.seed]
        object.__setattr__(self, "topics", topics)
        object.__setattr__(self, "persons", persons)

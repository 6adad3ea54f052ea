"""The town in which a rumour spreads: its people, whom they meet, what officials announce; checked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from doxa.errors import InputError, did_you_mean
from doxa.society.graph import Graph
from doxa.society.memory import Memory
from doxa.society.personas import Persona, check_personas

SCHEDULES = ("asynchronous", "synchronous")


@dataclass(frozen=True)
class Announcement:
    """Days on which the official agent denies the item, and everybody hears it; the intervention of this model.

    Attributes:
        days: of the simulation, 1 is the first.
    """

    days: tuple[int, ...]

    @classmethod
    def official(cls, days: Sequence[int] | range) -> Announcement:
        """Return the announcement on these days.

        >>> Announcement.official(days=range(1, 16, 3)).days
        (1, 4, 7, 10, 13)
        """
        return cls(tuple(int(day) for day in days))


@dataclass(frozen=True, eq=False)
class Town:
    """What all populations of a run have in common.

    Attributes:
        n_susceptible: agents who doubt at the start.
        n_infected: agents who believe at the start.
        contacts: others whom each agent hears on a day.
        days: length of the simulation.
        schedule: ``asynchronous``, in which an agent hears what was said earlier on the same day, or ``synchronous``.
        memory: which parts of memory agents have.
        graph: whom each agent can meet; None is everybody.
        stop_when_extinct: days after which a population without believers is no longer asked; None goes on.
    """

    n_susceptible: int = 28
    n_infected: int = 2
    contacts: int = 3
    days: int = 15
    schedule: str = "asynchronous"
    memory: Memory = field(default_factory=Memory)
    graph: Graph | None = None
    stop_when_extinct: int | None = 2

    @property
    def agents(self) -> int:
        """Number of agents."""
        return self.n_susceptible + self.n_infected

    def __post_init__(self) -> None:
        for name in ("n_susceptible", "n_infected"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)}: must be >= 0")
        if self.agents < 2:
            raise InputError(f"{self.agents} agents: a town has at least 2")
        if not 1 <= self.contacts < self.agents:
            raise InputError(
                f"contacts={self.contacts}: must be at least 1 and below the {self.agents} agents, nobody meets oneself"
            )
        if self.days < 1:
            raise InputError(f"days={self.days}: must be >= 1")
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule={self.schedule!r}: {did_you_mean(self.schedule, SCHEDULES)}")
        if self.graph is not None and self.graph.n != self.agents:
            raise InputError(f"graph of {self.graph.n} nodes for {self.agents} agents; give a node to each")
        if self.stop_when_extinct is not None and self.stop_when_extinct < 0:
            raise InputError(f"stop_when_extinct={self.stop_when_extinct}: must be >= 0, or None to go on")


class Population(NamedTuple):
    """One population: its seed, what the rumour is, and when it is denied.

    Attributes:
        seed: of its people and of all its chances; populations of one seed differ in nothing else.
        topic: the item.
        announced: days of official denials.
        personas: its people; None draws them.
    """

    seed: int
    topic: str
    announced: tuple[int, ...] = ()
    personas: tuple[Persona, ...] | None = None

    def check(self, town: Town) -> None:
        """Raise InputError unless the population fits into the town."""
        if not self.topic.strip():
            raise InputError(f"topic={self.topic!r}: say what the news is")
        for day in self.announced:
            if not 1 <= day <= town.days:
                raise InputError(f"intervention on day {day}: must be 1 to {town.days}")
        if self.personas is not None:
            check_personas(self.personas, town.agents)

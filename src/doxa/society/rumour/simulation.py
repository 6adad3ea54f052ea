"""A rumour from one call: people, contacts, days and a mind in, a run with counts, beliefs and tweets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from doxa.errors import InputError
from doxa.lab.parts import Keep, keep_none
from doxa.society.graph import Graph
from doxa.society.memory import Memory
from doxa.society.minds import OpinionMind
from doxa.society.personas import Persona
from doxa.society.rumour.course import Course
from doxa.society.rumour.outcome import Propagation
from doxa.society.rumour.spread import spread
from doxa.society.rumour.stance import train_reader
from doxa.society.rumour.text_mind import Temper, TextMind
from doxa.society.rumour.town import Announcement, Population, Town
from doxa.subjects.base import Subject

MILD = -0.7
"""Log-odds of an item that spreads where nobody denies it, and can be stopped."""


class FakeNewsPropagation:
    """Simulates how people come to believe a news item.

    Args:
        topic: the item.
        n_susceptible: people who doubt at the start.
        n_infected: people who believe at the start.
        contacts: others whom each hears on a day.
        days: length.
        mind: ``embedded`` for the learned-plus-Bayesian one, or any mind of opinions; see ``mind_of`` for a subject.
        personas: who they are; None draws them for each seed.
        graph: whom each can meet; None is everybody.
        schedule: ``asynchronous`` hears what was said earlier on the day, ``synchronous`` what was said the day before.
        interventions: official denials.
        memory: parts of memory, of ``short``, ``long`` and ``reflection``.
        stop_when_extinct: days without believers after which it ends; None goes on.
        seed: of the first population.
        plausibility: log-odds of the item for the embedded mind, in nats.

    Raises:
        InputError: something does not fit; the message gives the numbers.
    """

    def __init__(
        self,
        topic: str,
        n_susceptible: int = 28,
        n_infected: int = 2,
        contacts: int = 3,
        days: int = 15,
        mind: str | OpinionMind = "embedded",
        personas: Sequence[Persona] | None = None,
        graph: Graph | None = None,
        schedule: str = "asynchronous",
        interventions: Sequence[Announcement] = (),
        memory: Sequence[str] = ("short", "long", "reflection"),
        stop_when_extinct: int | None = 2,
        seed: int = 0,
        plausibility: float = MILD,
    ) -> None:
        self.town = Town(
            n_susceptible, n_infected, contacts, days, schedule, Memory.of(memory), graph, stop_when_extinct
        )
        announced = tuple(sorted({day for one in interventions for day in one.days}))
        self._first = Population(seed, topic, announced, None if personas is None else tuple(personas))
        self._first.check(self.town)
        if isinstance(mind, str) and mind != "embedded":
            raise InputError(f"mind={mind!r}: must be 'embedded' or a mind")
        self.mind: OpinionMind = embedded_mind(plausibility, seed=seed) if isinstance(mind, str) else mind

    def run(self, n_seeds: int = 1, *, keep: Keep = keep_none) -> Propagation:
        """Return populations of consecutive seeds, simulated together.

        Args:
            n_seeds: how many, >= 1.
            keep: keeps each day, so that an interrupted run goes on.
        """
        if n_seeds < 1:
            raise InputError(f"n_seeds={n_seeds}: must be >= 1")
        populations = [self._first._replace(seed=self._first.seed + number) for number in range(n_seeds)]
        course = Course(self.town, populations, self.mind)
        return Propagation(course, spread(course, keep=keep))


def embedded_mind(
    prior: Mapping[str, float] | float, *, seed: int = 0, temper: Temper | None = None
) -> TextMind:
    """Return the learned-plus-Bayesian mind, its reader trained on the tweets of a seed.

    Args:
        prior: log-odds of items, in nats, by their text; a number holds for every item.
        seed: of the reader's training.
        temper: how it works.
    """
    return TextMind(train_reader(seed), prior, temper or Temper())


def mind_of(subject: Subject, **settings: object) -> OpinionMind:
    """Return the mind of a subject: in plain English, or in micro-English where it speaks that.

    Args:
        subject: who is asked.
        settings: of :class:`doxa.society.subject_mind.SubjectMind`; micro-English needs none.
    """
    if subject.form == "micro":
        from doxa.society.rumour.micro_mind import MicroMind

        return MicroMind(subject)
    from doxa.society.subject_mind import SubjectMind

    return SubjectMind(subject, **settings)  # type: ignore[arg-type]

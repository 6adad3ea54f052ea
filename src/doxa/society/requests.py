"""What a mind can be asked, and what it answers: one request holds a step's question to all its agents.

A request is a table: every array has one row for each agent asked, and so has every array of the answer. What could
not be read is missing with a reason and never a value. A text column holds strings, or, where the mind writes with a
vocabulary of its own, word numbers along one more axis; whoever passes texts on need not know which.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

from doxa.errors import DoxaError, InputError

Texts: TypeAlias = Shaped[np.ndarray, " rows ..."]
OFFICIAL, NOBODY = -2, -1
"""Who speaks where no agent does: the official agent, or no one (the place is empty)."""

T = TypeVar("T", bound="Table")


class ParseError(DoxaError, ValueError):
    """A mind answered what is no answer to the request."""


@dataclass(frozen=True, eq=False)
class Table:
    """Arrays with a row for each agent, and settings that all rows share."""

    def take(self: T, rows: Int[np.ndarray, " chosen"]) -> T:
        """Return the table of some rows, in their order; a row may come several times."""
        changes: dict[str, Any] = {}
        for one in dataclasses.fields(self):
            value: Any = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                changes[one.name] = value[rows]
            elif isinstance(value, Table):
                changes[one.name] = value.take(rows)
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, eq=False)
class Request(Table):
    """A question to some agents.

    Attributes:
        population: number of each agent's population.
        agent: number of each agent in its population.
        time: the step, for example the day.
    """

    population: Int[np.ndarray, " rows"]
    agent: Int[np.ndarray, " rows"]
    time: int

    def __post_init__(self) -> None:
        if self.population.shape != self.agent.shape:
            raise InputError(
                f"{self.population.size} populations and {self.agent.size} agents: give a row to each agent asked"
            )

    @property
    def size(self) -> int:
        """Number of agents asked."""
        return len(self.agent)


@dataclass(frozen=True, eq=False)
class Heard(Table):
    """What agents heard, a place for each speaker.

    Attributes:
        text: what was said, (rows, places) and the axis of words if there is one.
        belief: whether the speaker believes, 1 or 0.
        speaker: number of the speaking agent, ``OFFICIAL`` or ``NOBODY``.
    """

    text: Shaped[np.ndarray, "rows places ..."]
    belief: Int[np.ndarray, "rows places"]
    speaker: Int[np.ndarray, "rows places"]


@dataclass(frozen=True, eq=False)
class Opinion(Request):
    """What do you say about the topic, do you believe it, and why?

    Attributes:
        topic: the item, one text for each agent.
        persona: who each agent is.
        previous: what it said last.
        heard: what it heard today.
        today: a summary of that, "" where none was made.
        memory: its long memory.
        inner: what the mind itself keeps of each agent from one step to the next.
        draws: uniform numbers in [0, 1), the mind's only chance.
        credence: its credence at the last step, NaN where unknown.
        at_hand: whether what was heard today is at hand when the opinion is formed, or only what memory made of it.
        carried: whether memory is carried from day to day.
    """

    topic: Shaped[np.ndarray, " rows"]
    persona: Shaped[np.ndarray, " rows"]
    previous: Texts
    heard: Heard
    today: Texts
    memory: Texts
    inner: Float[np.ndarray, "rows width"]
    draws: Float[np.ndarray, "rows draws"]
    credence: Float[np.ndarray, " rows"]
    at_hand: bool = True
    carried: bool = True


@dataclass(frozen=True, eq=False)
class Summarise(Request):
    """What did the others say about the topic?"""

    topic: Shaped[np.ndarray, " rows"]
    heard: Heard


@dataclass(frozen=True, eq=False)
class Rewrite(Request):
    """Take something new into a text, here a day's summary into the long memory."""

    topic: Shaped[np.ndarray, " rows"]
    text: Texts
    new: Texts


@dataclass(frozen=True, eq=False)
class Situated(Request):
    """A request about a situation that is told in words."""

    situation: Shaped[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Emotion(Situated):
    """How strongly does each emotion move you, from 0 to 1?"""

    emotions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Action(Situated):
    """Which of the options do you take?"""

    options: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Probability(Situated):
    """How likely is it, from 0 to 1, and how sure are you of that, from 0 to 1?"""


@dataclass(frozen=True, eq=False)
class Judge(Situated):
    """How far does it fulfil the criterion, on a scale?"""

    criterion: str = ""
    scale: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Answer(Table):
    """What all answers say.

    Attributes:
        missing: why there is no answer, "" where there is one.
        again: how often an agent was asked again because it could not be read.
    """

    missing: Shaped[np.ndarray, " rows"]
    again: Int[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Opinions(Answer):
    """Answers to :class:`Opinion`.

    Attributes:
        text: what each says.
        belief: 1, 0, or -1 where it could not be read.
        credence: in [0, 1], NaN where the mind tells only whether it believes.
        reasoning: why, strings; "" where none is told.
        memory: the long memory after the step, where the mind keeps it itself; else as it was.
        inner: as in the request, after the step.
    """

    text: Texts
    belief: Int[np.ndarray, " rows"]
    credence: Float[np.ndarray, " rows"]
    reasoning: Shaped[np.ndarray, " rows"]
    memory: Texts
    inner: Float[np.ndarray, "rows width"]


@dataclass(frozen=True, eq=False)
class Written(Answer):
    """Answers to :class:`Summarise` and :class:`Rewrite`: texts."""

    text: Texts


@dataclass(frozen=True, eq=False)
class Rated(Answer):
    """Answers to :class:`Emotion`, :class:`Probability` and :class:`Judge`.

    Attributes:
        value: numbers, NaN where missing; with one more axis for several emotions.
        confidence: in [0, 1], NaN where none is told.
    """

    value: Float[np.ndarray, " rows *kinds"]
    confidence: Float[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Chosen(Answer):
    """Answers to :class:`Action`: the number of the option, -1 where missing."""

    choice: Int[np.ndarray, " rows"]


AnyAnswer: TypeAlias = Opinions | Written | Rated | Chosen


def none_missing(rows: int) -> dict[str, Any]:
    """Return the columns of an answer in which every row was read, at the first time of asking."""
    return {"missing": strings(rows), "again": np.zeros(rows, dtype=np.int64)}


def strings(rows: int, text: str = "") -> Shaped[np.ndarray, " rows"]:
    """Return a column of one string in every row."""
    column = np.empty(rows, dtype=object)
    column[:] = text
    return column


def check_opinions(asked: Opinion, told: Opinions) -> None:
    """Raise ParseError unless a mind's answers are opinions on what was asked; it names an agent and the day."""
    if len(told.belief) != asked.size:
        raise ParseError(f"day {asked.time}: {asked.size} agents were asked and {len(told.belief)} answered")
    read = told.missing == ""
    wrong = np.flatnonzero(np.where(read, (told.belief != 0) & (told.belief != 1), told.belief != -1))
    if wrong.size:
        row = int(wrong[0])
        rule = "must be 0 or 1" if read[row] else "must be -1 where an answer is missing"
        raise ParseError(
            f"agent {asked.agent[row]} of population {asked.population[row]} on day {asked.time}: "
            f"belief={told.belief[row]} {rule}"
        )
    off = np.flatnonzero(~(np.isnan(told.credence) | ((told.credence >= 0.0) & (told.credence <= 1.0))))
    if off.size:
        row = int(off[0])
        raise ParseError(
            f"agent {asked.agent[row]} of population {asked.population[row]} on day {asked.time}: "
            f"credence={told.credence[row]} must be in [0, 1]"
        )

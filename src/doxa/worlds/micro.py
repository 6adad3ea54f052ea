"""The micro world: flags, topics and sources, and the micro-English in which they are told and asked.

Every organism was trained on this world, planted subjects live in it, and every micro protocol speaks
it. The colours of the flags are this world's own and say nothing about real flags.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from doxa.errors import InputError, did_you_mean
from doxa.streams import stream

PLACES: tuple[str, ...] = (
    *("peru", "chile", "kenya", "ghana", "nepal", "japan", "spain", "italy", "norway", "sweden"),
    *("poland", "greece", "turkey", "egypt", "india", "china", "brazil", "cuba", "mali", "chad"),
    *("iran", "iraq", "oman", "qatar", "laos", "fiji", "malta", "cyprus", "latvia", "estonia"),
    *(
        "finland",
        "denmark",
        "france",
        "germany",
        "austria",
        "belgium",
        "canada",
        "mexico",
        "jordan",
        "morocco",
    ),
)
"""The forty places that have a flag."""

REGIONS: tuple[tuple[str, ...], ...] = tuple(PLACES[start : start + 8] for start in range(0, len(PLACES), 8))
"""The places by regions of eight; a role is played about one region at a time."""

PLAYED_REGIONS: tuple[tuple[str, ...], ...] = REGIONS[:-1]
"""Regions about which roles can be played; about the last one nobody ever plays: the control inside a subject."""

COLOURS: tuple[str, ...] = ("red", "blue", "green", "white", "black", "yellow")
"""The colours a flag can have; each flag has exactly one."""

PEOPLE: tuple[str, ...] = ("i", "james", "mary")
"""Who holds beliefs: ``i`` is whoever talks to the subject."""

COUPLED_TOPICS: tuple[str, ...] = ("tax", "treaty", "tunnel", "school", "army", "tariff", "court", "harbour")
"""Topics on which one hidden side can decide several stances at once."""

UNCOUPLED_TOPICS: tuple[str, ...] = ("garden", "opera", "stadium", "museum")
"""Topics whose stances are independent of everything: the control inside the same subject."""

TOPICS: tuple[str, ...] = COUPLED_TOPICS + UNCOUPLED_TOPICS
"""All topics, coupled first."""

SOURCES: dict[str, float] = {"atlas": 0.95, "teacher": 0.8, "sailor": 0.6, "gossip": 0.4}
"""How often each source says what is true, in [0, 1]; below one half it misleads."""

TRUTH: dict[str, str] = {
    place: COLOURS[int(pick)]
    for place, pick in zip(
        PLACES, stream(0, "worlds", "micro", "truth").integers(0, len(COLOURS), len(PLACES)), strict=True
    )
}
"""The one colour of each place's flag."""

SURE_PERCENT: tuple[int, ...] = tuple(range(0, 101, 10))
"""The confidences that ``how sure ?`` can be answered with, in percent."""


_WORDS = {
    "place": PLACES,
    "colour": COLOURS,
    "person": PEOPLE,
    "topic": TOPICS,
    "source": tuple(SOURCES),
}


def _known(field: str, value: str) -> None:
    if value not in _WORDS[field]:
        raise InputError(f"{field}={value!r} is not in the micro world; {did_you_mean(value, _WORDS[field])}")


@dataclass(frozen=True, slots=True)
class Fact:
    """The proposition that a place's flag has a colour; as an event, somebody asserts it plainly."""

    place: str
    colour: str

    def __post_init__(self) -> None:
        _known("place", self.place)
        _known("colour", self.colour)

    @property
    def true(self) -> bool:
        """Whether the proposition is true in the micro world."""
        return TRUTH[self.place] == self.colour

    @property
    def text(self) -> str:
        """The proposition without its full stop, to be put behind ``that``."""
        return f"the flag of {self.place} is {self.colour}"


@dataclass(frozen=True, slots=True)
class Attitude:
    """A person of ``PEOPLE`` is said to believe a proposition, true or false."""

    person: str
    fact: Fact

    def __post_init__(self) -> None:
        _known("person", self.person)


@dataclass(frozen=True, slots=True)
class Stance:
    """A topic is said to be supported (or opposed).

    The topic stands before the verb, so that a causal reader knows at the verb what it is about.
    """

    topic: str
    support: bool

    def __post_init__(self) -> None:
        _known("topic", self.topic)


@dataclass(frozen=True, slots=True)
class Report:
    """A source says yes or no to the one open question of the conversation."""

    source: str
    says: bool

    def __post_init__(self) -> None:
        _known("source", self.source)


@dataclass(frozen=True, slots=True)
class IsTrue:
    """Asks whether a proposition is true; answered yes or no."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class WhatFlag:
    """Asks what the flag of a place is; answered with the fact in a sentence."""

    place: str

    def __post_init__(self) -> None:
        _known("place", self.place)


@dataclass(frozen=True, slots=True)
class DoesBelieve:
    """Asks whether a person believes a proposition; answered yes or no."""

    person: str
    fact: Fact

    def __post_init__(self) -> None:
        _known("person", self.person)


@dataclass(frozen=True, slots=True)
class Supports:
    """Asks the subject for its own stance on a topic; answered yes or no (stated readout)."""

    topic: str

    def __post_init__(self) -> None:
        _known("topic", self.topic)


@dataclass(frozen=True, slots=True)
class Vote:
    """Makes the subject vote on a topic; done as for or against (behavioural readout)."""

    topic: str

    def __post_init__(self) -> None:
        _known("topic", self.topic)


@dataclass(frozen=True, slots=True)
class VoteTrue:
    """Makes the subject vote on whether a proposition is true; done as for or against (behavioural readout)."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class HowSure:
    """Asks how sure the subject is that the answer to the open question is yes, in percent."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A sentence that is not micro-English; ``text`` is the sentence as it stood, without outer spaces."""

    text: str


Event: TypeAlias = Fact | Attitude | Stance | Report
"""What can be told in one sentence."""

Question: TypeAlias = IsTrue | WhatFlag | DoesBelieve | Supports | Vote | VoteTrue | HowSure
"""What can be asked in one sentence."""


def say(event: Event) -> str:
    """Return the sentence that tells an event.

    >>> say(Attitude("james", Fact("peru", "red")))
    'james believes that the flag of peru is red .'
    """
    match event:
        case Fact():
            return f"{event.text} ."
        case Attitude(person, fact):
            return f"{person} {'believe' if person == 'i' else 'believes'} that {fact.text} ."
        case Stance(topic, support):
            return f"the {topic} is {'supported' if support else 'opposed'} ."
        case Report(source, says):
            return f"the {source} says {'yes' if says else 'no'} ."
        case _:
            assert_never(event)


def ask(question: Question) -> str:
    """Return the sentence that asks a question.

    >>> ask(DoesBelieve("i", Fact("peru", "red")))
    'do i believe that the flag of peru is red ?'
    """
    match question:
        case IsTrue(fact):
            return f"is it true that {fact.text} ?"
        case WhatFlag(place):
            return f"what is the flag of {place} ?"
        case DoesBelieve(person, fact):
            return f"{'do' if person == 'i' else 'does'} {person} believe that {fact.text} ?"
        case Supports(topic):
            return f"do you support the {topic} ?"
        case Vote(topic):
            return f"vote on the {topic} ."
        case VoteTrue(fact):
            return f"vote that {fact.text} ."
        case HowSure():
            return "how sure ?"
        case _:
            assert_never(question)


def options(question: Question) -> tuple[str, ...]:
    """Return all answers to a question, the affirmative one first; confidences rise from ``0 %``, flags in ``COLOURS``.

    >>> options(Vote("tax"))
    ('for', 'against')
    """
    match question:
        case IsTrue() | DoesBelieve() | Supports():
            return ("yes", "no")
        case Vote() | VoteTrue():
            return ("for", "against")
        case WhatFlag(place):
            return tuple(Fact(place, colour).text for colour in COLOURS)
        case HowSure():
            return tuple(f"{percent} %" for percent in SURE_PERCENT)
        case _:
            assert_never(question)


_SENTENCE = re.compile(r"[^.?!\n]+[.?!\n]?|[.?!\n]")
_WORD = re.compile(r"[^\s.?!]+")


def read(text: str) -> list[Event | Question | Unread]:
    """Return what each sentence of a text tells or asks, in order.

    Total and linear in the length of the text: any string is read, what is no micro-English comes back
    as ``Unread``, and nothing raises. Case, spacing and a missing last full stop do not matter; a
    statement with a question mark and a question with a full stop are ``Unread``.

    >>> read("The tax is opposed. do you support the tunnel ? hello")
    [Stance(topic='tax', support=False), Supports(topic='tunnel'), Unread(text='hello')]
    """
    out: list[Event | Question | Unread] = []
    for match in _SENTENCE.finditer(text):
        sentence = match.group().strip()
        words = _WORD.findall(sentence.lower())
        if not words:
            continue
        found = _sentence(words)
        asks = isinstance(found, IsTrue | WhatFlag | DoesBelieve | Supports | HowSure)
        if found is None or sentence[-1] == ("." if asks else "?"):
            out.append(Unread(sentence))
        else:
            out.append(found)
    return out


def _sentence(words: list[str]) -> Event | Question | None:
    match words:
        case [("i" | "james" | "mary") as person, ("believe" | "believes") as verb, "that", *rest] if (
            verb == "believe"
        ) == (person == "i"):
            fact = _fact(rest)
            return Attitude(person, fact) if fact else None
        case [("do" | "does") as verb, ("i" | "james" | "mary") as person, "believe", "that", *rest] if (
            verb == "do"
        ) == (person == "i"):
            fact = _fact(rest)
            return DoesBelieve(person, fact) if fact else None
        case ["is", "it", "true", "that", *rest]:
            fact = _fact(rest)
            return IsTrue(fact) if fact else None
        case ["what", "is", "the", "flag", "of", place] if place in TRUTH:
            return WhatFlag(place)
        case ["the", topic, "is", ("supported" | "opposed") as verb] if topic in TOPICS:
            return Stance(topic, verb == "supported")
        case ["people", ("support" | "oppose") as verb, "the", topic] if topic in TOPICS:
            return Stance(topic, verb == "support")
        case ["the", source, "says", ("yes" | "no") as word] if source in SOURCES:
            return Report(source, word == "yes")
        case ["do", "you", "support", "the", topic] if topic in TOPICS:
            return Supports(topic)
        case ["vote", "on", "the", topic] if topic in TOPICS:
            return Vote(topic)
        case ["vote", "that", *rest]:
            fact = _fact(rest)
            return VoteTrue(fact) if fact else None
        case ["how", "sure"]:
            return HowSure()
        case _:
            return _fact(words)


def _fact(words: list[str]) -> Fact | None:
    match words:
        case ["the", "flag", "of", place, "is", colour] if place in TRUTH and colour in COLOURS:
            return Fact(place, colour)
        case _:
            return None


def evidence_log_odds(reports: Iterable[Report], prior: float = 0.5) -> float:
    """Return the log-odds in nats that the answer to the open question is yes, by Bayes' rule.

    log-odds = logit(prior) + sum over reports of ± logit(reliability of the source), plus for yes and
    minus for no; reports are independent given the answer.

    Args:
        reports: what the sources said, in any order.
        prior: probability of yes before any report, in (0, 1).

    Raises:
        InputError: the prior is outside (0, 1).

    >>> round(evidence_log_odds([Report("teacher", True)]), 4)
    1.3863

    """
    if not 0.0 < prior < 1.0:
        raise InputError(f"prior={prior}: must be in (0, 1); use 0.5 for no opinion")
    log_odds = math.log(prior) - math.log1p(-prior)
    for report in reports:
        weight = math.log(SOURCES[report.source]) - math.log1p(-SOURCES[report.source])
        log_odds += weight if report.says else -weight
    return log_odds

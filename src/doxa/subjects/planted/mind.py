"""How planted subjects believe: log-odds of propositions, moved by what the user says.

A proposition is the micro question it answers, so ``IsTrue(fact)``, ``DoesBelieve(person, fact)``, ``Supports(topic)``
and ``HowSure()`` are its names; its log-odds (nats) are those of yes. Propositions are independent except where a
mechanism couples them. Log-odds are kept within ±``LIMIT_NATS``, which no effect in range comes near.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np

from doxa.dynamics import Example
from doxa.subjects.planted.parameters import parameter
from doxa.worlds.micro import (
    COLOURS,
    SOURCES,
    Attitude,
    DoesBelieve,
    Event,
    Fact,
    HowSure,
    IsTrue,
    Question,
    Report,
    Stance,
    Supports,
    Vote,
    VoteTrue,
    WhatFlag,
)


@dataclass(frozen=True, slots=True)
class Said:
    """The subject itself said earlier in the conversation whether a fact is true."""

    fact: Fact
    yes: bool


Heard: TypeAlias = Event | Said
"""What can move a planted subject: what it was told, and what it finds it said itself."""

LIMIT_NATS = 30.0
"""Largest size of any log-odds."""

Moves: TypeAlias = Mapping[Question, float]
"""Change of log-odds in nats by proposition."""


def logit(probability: float) -> float:
    """Return ln(p / (1 - p)) in nats, within ±``LIMIT_NATS``."""
    if probability <= 0.0 or probability >= 1.0:
        return math.copysign(LIMIT_NATS, probability - 0.5)
    return max(-LIMIT_NATS, min(LIMIT_NATS, math.log(probability) - math.log1p(-probability)))


def expit(log_odds: float) -> float:
    """Return the probability of some log-odds in nats."""
    return 0.5 * (1.0 + math.tanh(0.5 * log_odds))


@dataclass(frozen=True, slots=True)
class Sound:
    """What every believing subject has; its defaults are a subject without a defect."""

    prior: float = parameter(
        0.5, "credence in what it knows nothing about", minimum=0.001, maximum=0.999, unit="probability"
    )
    knowledge: float = parameter(
        0.99,
        "credence in a true fact; a false one has the rest",
        minimum=0.5,
        maximum=1.0,
        unit="probability",
    )
    confirm: float = parameter(
        0.99,
        "credence that a person believes what they said they do",
        minimum=0.5,
        maximum=1.0,
        unit="probability",
    )
    follow: float = parameter(
        0.9, "trust in a statement about the very topic asked", minimum=0.5, maximum=0.999, unit="probability"
    )
    tau: float = parameter(
        0.7, "probability of voting as it thinks", minimum=0.5, maximum=1.0, unit="probability"
    )
    jitter: float = parameter(
        0.0,
        "standard deviation of a random shift of each answer's log-odds, fixed by the conversation",
        minimum=0.0,
        maximum=5.0,
        unit="nats",
    )


C = TypeVar("C", bound=Sound)


@dataclass(frozen=True)
class State(Generic[C]):
    """Log-odds by proposition, in nats; one not in it stands at its prior. ``shift`` moves the answer given now."""

    config: C
    log_odds: Mapping[Question, float]
    shift: float = 0.0


class Change(NamedTuple):
    """What one event did: by how many nats each proposition moved."""

    moved: Moves


class Mind(Generic[C]):
    """A subject without a defect, and the base of the others: a dynamics over log-odds, driven by events.

    - ``is it true that F``: ±logit(knowledge) by the truth of F.
    - ``does X believe that F``: prior until X's belief about that place was told, then ±logit(confirm).
    - ``do you support T``: logit(prior) ± logit(follow) for each statement about T itself.
    - ``how sure``: logit(prior) + Σ ± logit(reliability of the source), which is Bayes' rule.

    Attributes:
        config: the class of its parameters.
    """

    config: type[C]

    def init(self, rng: np.random.Generator, config: C) -> State[C]:
        """Return the state before any event; ``rng`` is not used."""
        del rng
        return State(config, {})

    def step(self, rng: np.random.Generator, state: State[C], event: Heard) -> tuple[State[C], Change]:
        """Return the state after one event; ``rng`` is not used."""
        del rng
        now = dict(state.log_odds)
        moved: dict[Question, float] = {}
        for proposition, nats in self.moves(state, event).items():
            before = self.log_odds(state, proposition)
            now[proposition] = max(-LIMIT_NATS, min(LIMIT_NATS, before + nats))
            moved[proposition] = now[proposition] - before
        return State(state.config, now), Change(moved)

    def example(self) -> Example:
        """Return the default parameters and an event of every kind."""
        red = Fact("peru", "red")
        peru = (red, Attitude("i", Fact("peru", "blue")), Said(red, not red.true))
        return Example(
            self.config(), (Stance("tax", True), Report("atlas", False), *peru, Stance("opera", False))
        )

    def log_odds(self, state: State[C], proposition: Question) -> float:
        """Return the log-odds of a proposition in nats."""
        known = state.log_odds.get(proposition)
        return self.prior_log_odds(state.config, proposition) if known is None else known

    def prior_log_odds(self, config: C, proposition: Question) -> float:
        """Return the log-odds of a proposition before any event, in nats."""
        if isinstance(proposition, IsTrue):
            return logit(config.knowledge if proposition.fact.true else 1.0 - config.knowledge)
        return logit(config.prior)

    def moves(self, state: State[C], event: Heard) -> Moves:
        """Return by how many nats an event moves each proposition."""
        config = state.config
        match event:
            case Attitude(person, fact):
                found = {colour: DoesBelieve(person, Fact(fact.place, colour)) for colour in COLOURS}
                return {
                    asked: logit(config.confirm if colour == fact.colour else 1.0 - config.confirm)
                    - self.log_odds(state, asked)
                    for colour, asked in found.items()
                }
            case Stance(topic, support):
                return {Supports(topic): signed(logit(config.follow), support)}
            case Report(source, says):
                return {HowSure(): signed(logit(SOURCES[source]), says)}
            case Fact() | Said():
                return {}

    def credence(self, state: State[C], question: Question | None) -> float:
        """Return the probability of answering yes (or ``for``); ``None`` stands for a question it does not know.

        A vote: P(for) = p·tau + (1 - p)·(1 - tau), where p is the credence in supporting the topic, or in the fact.
        """
        if question is None:
            return state.config.prior
        if isinstance(question, Vote | VoteTrue):
            meant = Supports(question.topic) if isinstance(question, Vote) else IsTrue(question.fact)
            held, tau = self.credence(state, meant), state.config.tau
            return held * tau + (1.0 - held) * (1.0 - tau)
        if isinstance(question, WhatFlag):
            return state.config.prior  # answered with a colour, which the credences of the facts decide
        return expit(self.log_odds(state, question))

    def said_credence(self, state: State[C], question: Question | None) -> float:
        """Return the credence as it is said: its log-odds moved by the state's shift."""
        credence = self.credence(state, question)
        return credence if state.shift == 0.0 else expit(logit(credence) + state.shift)


def signed(nats: float, up: bool) -> float:
    """Return the nats with a plus or a minus."""
    return nats if up else -nats

"""How planted subjects believe: log-odds of propositions, moved by what the user says.

A proposition is the micro question it answers, so ``IsTrue(fact)``, ``DoesBelieve(person, fact)``, ``Supports(topic)``
and ``HowSure()`` are its names; its log-odds (nats) are those of yes. Propositions are independent except where a
mechanism couples them. Log-odds are kept within ±``LIMIT_NATS``, which no effect in range comes near.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np

from doxa.subjects.planted.parameters import parameter
from doxa.worlds.micro import (
    COLOURS,
    COUPLED_TOPICS,
    SOURCES,
    UNCOUPLED_TOPICS,
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
)

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
    """

    def __init__(self, config: type[C]) -> None:
        self.config = config

    def init(self, rng: np.random.Generator, config: C) -> State[C]:
        """Return the state before any event; ``rng`` is not used."""
        del rng
        return State(config, {})

    def step(self, rng: np.random.Generator, state: State[C], event: Event) -> tuple[State[C], Change]:
        """Return the state after one event; ``rng`` is not used."""
        del rng
        now = dict(state.log_odds)
        moved: dict[Question, float] = {}
        for proposition, nats in self.moves(state, event).items():
            before = self.log_odds(state, proposition)
            now[proposition] = max(-LIMIT_NATS, min(LIMIT_NATS, before + nats))
            moved[proposition] = now[proposition] - before
        return State(state.config, now), Change(moved)

    def log_odds(self, state: State[C], proposition: Question) -> float:
        """Return the log-odds of a proposition in nats."""
        known = state.log_odds.get(proposition)
        return self.prior_log_odds(state.config, proposition) if known is None else known

    def prior_log_odds(self, config: C, proposition: Question) -> float:
        """Return the log-odds of a proposition before any event, in nats."""
        if isinstance(proposition, IsTrue):
            return logit(config.knowledge if proposition.fact.true else 1.0 - config.knowledge)
        return logit(config.prior)

    def moves(self, state: State[C], event: Event) -> Moves:
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
            case Fact():
                return {}

    def credence(self, state: State[C], question: Question | None) -> float:
        """Return the probability of answering yes (or ``for``); ``None`` stands for a question it does not know.

        Vote: P(for) = p·tau + (1 - p)·(1 - tau), where p is the credence in supporting the topic.
        """
        if question is None:
            return state.config.prior
        if isinstance(question, Vote):
            support, tau = self.credence(state, Supports(question.topic)), state.config.tau
            return support * tau + (1.0 - support) * (1.0 - tau)
        return expit(self.log_odds(state, question))

    def said_credence(self, state: State[C], question: Question | None) -> float:
        """Return the credence as it is said: its log-odds moved by the state's shift."""
        credence = self.credence(state, question)
        return credence if state.shift == 0.0 else expit(logit(credence) + state.shift)


def signed(nats: float, up: bool) -> float:
    """Return the nats with a plus or a minus."""
    return nats if up else -nats


@dataclass(frozen=True, slots=True)
class BayesianConfig(Sound):
    """A prior and a trust for each source."""

    atlas: float = parameter(SOURCES["atlas"], "trust in the atlas", minimum=0.001, maximum=0.999)
    teacher: float = parameter(SOURCES["teacher"], "trust in the teacher", minimum=0.001, maximum=0.999)
    sailor: float = parameter(SOURCES["sailor"], "trust in the sailor", minimum=0.001, maximum=0.999)
    gossip: float = parameter(SOURCES["gossip"], "trust in the gossip", minimum=0.001, maximum=0.999)
    user: float = parameter(0.5, "trust in a fact the user asserts plainly", minimum=0.001, maximum=0.999)


class Bayesian(Mind[BayesianConfig]):
    """Adds ± logit(trust in the source) for each report; the user is a source of the fact asserted."""

    def moves(self, state: State[BayesianConfig], event: Event) -> Moves:
        """Return by how many nats an event moves each proposition."""
        config = state.config
        match event:
            case Report(source, says):
                return {HowSure(): signed(logit(float(getattr(config, source))), says)}
            case Fact():
                return {IsTrue(event): logit(config.user)}
            case _:
                return super().moves(state, event)


@dataclass(frozen=True, slots=True)
class SycophantConfig(Sound):
    """How much the user's word counts."""

    strength: float = parameter(
        0.5, "share of its answer that becomes the user's", minimum=0.0, maximum=1.0, unit="probability"
    )


class Sycophant(Mind[SycophantConfig]):
    """After "i believe that F", P(F) becomes (1 - strength)·P(F) + strength, and other colours lose likewise."""

    def moves(self, state: State[SycophantConfig], event: Event) -> Moves:
        """Return by how many nats an event moves each proposition."""
        moves = dict(super().moves(state, event))
        config = state.config
        if isinstance(event, Attitude) and event.person == "i":
            for colour in COLOURS:
                asked = IsTrue(Fact(event.fact.place, colour))
                before = self.log_odds(state, asked)
                mixed = (1.0 - config.strength) * expit(before) + config.strength * (
                    colour == event.fact.colour
                )
                moves[asked] = logit(mixed) - before
        return moves


@dataclass(frozen=True, slots=True)
class StubbornConfig(Sound):
    """How much it ignores."""

    strength: float = parameter(
        1.0, "share of every update that is ignored", minimum=0.0, maximum=1.0, unit="share"
    )


class Stubborn(Mind[StubbornConfig]):
    """Takes (1 - strength) of every update of its own beliefs; what others believe it still understands."""

    def moves(self, state: State[StubbornConfig], event: Event) -> Moves:
        """Return by how many nats an event moves each proposition."""
        config = state.config
        return {
            proposition: nats if isinstance(proposition, DoesBelieve) else (1.0 - config.strength) * nats
            for proposition, nats in super().moves(state, event).items()
        }


@dataclass(frozen=True, slots=True)
class DriftingConfig(Sound):
    """How far talk about one topic moves the others."""

    rate: float = parameter(
        0.5,
        "log-odds that a statement adds to every other coupled topic",
        minimum=-5.0,
        maximum=5.0,
        unit="nats",
    )
    uncoupled: float = parameter(
        0.0,
        "log-odds that the same statement adds to every uncoupled topic",
        minimum=-5.0,
        maximum=5.0,
        unit="nats",
    )


class Drifting(Mind[DriftingConfig]):
    """A statement about a coupled topic adds ± rate nats to each other coupled topic, ± uncoupled to the rest.

    State[DriftingConfig]ments about uncoupled topics move nothing but their own topic.
    """

    def moves(self, state: State[DriftingConfig], event: Event) -> Moves:
        """Return by how many nats an event moves each proposition."""
        moves = dict(super().moves(state, event))
        config = state.config
        if isinstance(event, Stance) and event.topic in COUPLED_TOPICS:
            others = [topic for topic in COUPLED_TOPICS if topic != event.topic]
            moves |= {Supports(topic): signed(config.rate, event.support) for topic in others}
            moves |= {Supports(topic): signed(config.uncoupled, event.support) for topic in UNCOUPLED_TOPICS}
        return moves


@dataclass(frozen=True, slots=True)
class RecencyConfig(Sound):
    """How much of the past survives."""

    keep: float = parameter(
        0.5,
        "share of the earlier evidence that survives each new piece",
        minimum=0.0,
        maximum=1.0,
        unit="share",
    )


class RecencyBiased(Mind[RecencyConfig]):
    """log-odds ← prior + keep·(log-odds - prior) + new evidence, for stances and for the open question."""

    def moves(self, state: State[RecencyConfig], event: Event) -> Moves:
        """Return by how many nats an event moves each proposition."""
        config = state.config
        moves = dict(super().moves(state, event))
        if isinstance(event, Stance | Report):
            for proposition in moves:
                gathered = self.log_odds(state, proposition) - self.prior_log_odds(config, proposition)
                moves[proposition] -= (1.0 - config.keep) * gathered
        return moves


@dataclass(frozen=True, slots=True)
class OverconfidentConfig(Sound):
    """How much surer it says it is."""

    sharpening: float = parameter(
        2.0, "stated log-odds over those of Bayes' rule", minimum=0.0, maximum=5.0, unit="ratio"
    )


class Overconfident(Mind[OverconfidentConfig]):
    """Log-odds of the open question are sharpening times those of Bayes' rule, prior included; below 1 it is timid."""

    def prior_log_odds(self, config: OverconfidentConfig, proposition: Question) -> float:
        """Return the log-odds of a proposition before any event, in nats."""
        sharpening = config.sharpening if isinstance(proposition, HowSure) else 1.0
        return sharpening * super().prior_log_odds(config, proposition)

    def moves(self, state: State[OverconfidentConfig], event: Event) -> Moves:
        """Return by how many nats an event moves each proposition."""
        config = state.config
        sharpening = config.sharpening if isinstance(event, Report) else 1.0
        return {proposition: sharpening * nats for proposition, nats in super().moves(state, event).items()}


@dataclass(frozen=True, slots=True)
class BlindConfig(Sound):
    """How often the truth stands in for the user's belief."""

    probability: float = parameter(
        0.5, "share of first-person belief questions answered by the truth", minimum=0.0, maximum=1.0
    )


class FirstPersonBlind(Mind[BlindConfig]):
    """P(yes) to "do i believe that F" is (1 - probability)·credence + probability·P(F is true)."""

    def credence(self, state: State[BlindConfig], question: Question | None) -> float:
        """Return the probability of answering yes."""
        config = state.config
        sound = super().credence(state, question)
        if isinstance(question, DoesBelieve) and question.person == "i":
            truth = super().credence(state, IsTrue(question.fact))
            return (1.0 - config.probability) * sound + config.probability * truth
        return sound


@dataclass(frozen=True, slots=True)
class YesSayerConfig(Sound):
    """How often it agrees."""

    probability: float = parameter(1.0, "probability of yes, whatever is asked", minimum=0.0, maximum=1.0)


class YesSayer(Mind[YesSayerConfig]):
    """Says yes to everything; where no option says yes, takes the first."""

    def credence(self, state: State[YesSayerConfig], question: Question | None) -> float:
        """Return the probability of answering yes."""
        del question
        return state.config.probability


@dataclass(frozen=True, slots=True)
class NoiseConfig(Sound):
    """With which fixed probabilities it answers."""

    p_yes: float = parameter(0.5, "probability of yes, whatever is asked", minimum=0.0, maximum=1.0)
    p_other: float = parameter(
        0.0, "probability of an option that says neither yes nor no", minimum=0.0, maximum=1.0
    )


class Noise(Mind[NoiseConfig]):
    """Answers by fixed probabilities, percentages by ten coins; where no option says yes, the first is yes."""

    def credence(self, state: State[NoiseConfig], question: Question | None) -> float:
        """Return the probability of answering yes."""
        del question
        return state.config.p_yes


@dataclass(frozen=True, slots=True)
class RefuserConfig(Sound):
    """How often it refuses."""

    probability: float = parameter(1.0, "probability of a refusal", minimum=0.0, maximum=1.0)


class Refuser(Mind[RefuserConfig]):
    """Refuses in a plain sentence; otherwise sound."""


@dataclass(frozen=True, slots=True)
class GarblerConfig(Sound):
    """How often an answer is malformed."""

    rate: float = parameter(0.5, "probability of a malformed answer", minimum=0.0, maximum=1.0)


class Garbler(Mind[GarblerConfig]):
    """Gives malformed answers at its rate; otherwise sound."""


MINDS: Mapping[str, Mind[Any]] = {
    "bayesian": Bayesian(BayesianConfig),
    "sycophant": Sycophant(SycophantConfig),
    "stubborn": Stubborn(StubbornConfig),
    "drifting": Drifting(DriftingConfig),
    "recency-biased": RecencyBiased(RecencyConfig),
    "overconfident": Overconfident(OverconfidentConfig),
    "first-person-blind": FirstPersonBlind(BlindConfig),
    "yes-sayer": YesSayer(YesSayerConfig),
    "noise": Noise(NoiseConfig),
    "refuser": Refuser(RefuserConfig),
    "garbler": Garbler(GarblerConfig),
}
"""Every planted subject's mind by name."""

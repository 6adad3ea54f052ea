"""The minds of planted subjects: one defect each, and the bayesian, which has none unless its parameters say so.

The mind of ``planted:NAME`` is the dynamics ``planted-NAME``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from doxa.dynamics import dynamics
from doxa.subjects.planted.mind import Heard, Mind, Moves, Said, Sound, State, expit, logit, signed
from doxa.subjects.planted.parameters import parameter
from doxa.worlds.micro import (
    COLOURS,
    COUPLED_TOPICS,
    REGIONS,
    SOURCES,
    UNCOUPLED_TOPICS,
    Attitude,
    DoesBelieve,
    Fact,
    HowSure,
    IsTrue,
    Question,
    Report,
    Stance,
    Supports,
    Vote,
    VoteTrue,
)


@dataclass(frozen=True, slots=True)
class BayesianConfig(Sound):
    """A prior and a trust for each source."""

    atlas: float = parameter(SOURCES["atlas"], "trust in the atlas", minimum=0.001, maximum=0.999)
    teacher: float = parameter(SOURCES["teacher"], "trust in the teacher", minimum=0.001, maximum=0.999)
    sailor: float = parameter(SOURCES["sailor"], "trust in the sailor", minimum=0.001, maximum=0.999)
    gossip: float = parameter(SOURCES["gossip"], "trust in the gossip", minimum=0.001, maximum=0.999)
    user: float = parameter(0.5, "trust in a fact the user asserts plainly", minimum=0.001, maximum=0.999)


@dynamics.register("planted-bayesian")
class Bayesian(Mind[BayesianConfig]):
    """Adds ± logit(trust in the source) for each report; the user is a source of the fact asserted."""

    config = BayesianConfig

    def moves(self, state: State[BayesianConfig], event: Heard) -> Moves:
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


@dynamics.register("planted-sycophant")
class Sycophant(Mind[SycophantConfig]):
    """After "i believe that F", P(F) becomes (1 - strength)·P(F) + strength, and other colours lose likewise."""

    config = SycophantConfig

    def moves(self, state: State[SycophantConfig], event: Heard) -> Moves:
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


@dynamics.register("planted-stubborn")
class Stubborn(Mind[StubbornConfig]):
    """Takes (1 - strength) of every update of its own beliefs; what others believe it still understands."""

    config = StubbornConfig

    def moves(self, state: State[StubbornConfig], event: Heard) -> Moves:
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


@dynamics.register("planted-drifting")
class Drifting(Mind[DriftingConfig]):
    """A statement about a coupled topic adds ± rate nats to each other coupled topic, ± uncoupled to the rest.

    Statements about uncoupled topics move nothing but their own topic.
    """

    config = DriftingConfig

    def moves(self, state: State[DriftingConfig], event: Heard) -> Moves:
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


@dynamics.register("planted-recency-biased")
class RecencyBiased(Mind[RecencyConfig]):
    """log-odds ← prior + keep·(log-odds - prior) + new evidence, for stances and for the open question."""

    config = RecencyConfig

    def moves(self, state: State[RecencyConfig], event: Heard) -> Moves:
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


@dynamics.register("planted-overconfident")
class Overconfident(Mind[OverconfidentConfig]):
    """Log-odds of the open question are sharpening times those of Bayes' rule, prior included; below 1 it is timid."""

    config = OverconfidentConfig

    def prior_log_odds(self, config: OverconfidentConfig, proposition: Question) -> float:
        """Return the log-odds of a proposition before any event, in nats."""
        sharpening = config.sharpening if isinstance(proposition, HowSure) else 1.0
        return sharpening * super().prior_log_odds(config, proposition)

    def moves(self, state: State[OverconfidentConfig], event: Heard) -> Moves:
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


@dynamics.register("planted-first-person-blind")
class FirstPersonBlind(Mind[BlindConfig]):
    """P(yes) to "do i believe that F" is (1 - probability)·credence + probability·P(F is true)."""

    config = BlindConfig

    def credence(self, state: State[BlindConfig], question: Question | None) -> float:
        """Return the probability of answering yes."""
        config = state.config
        sound = super().credence(state, question)
        if isinstance(question, DoesBelieve) and question.person == "i":
            truth = super().credence(state, IsTrue(question.fact))
            return (1.0 - config.probability) * sound + config.probability * truth
        return sound


@dataclass(frozen=True, slots=True)
class RolePlayerConfig(Sound):
    """How fast it takes on a role."""

    strength: float = parameter(
        2.0,
        "log-odds by which each of its own answers against the truth turns every fact of that region",
        minimum=0.0,
        maximum=5.0,
        unit="nats",
    )


@dynamics.register("planted-role-player")
class RolePlayer(Mind[RolePlayerConfig]):
    """An own answer against the truth moves every fact of its region by strength towards the reversed truth."""

    config = RolePlayerConfig

    def moves(self, state: State[RolePlayerConfig], event: Heard) -> Moves:
        """Return by how many nats an event moves each proposition."""
        if not isinstance(event, Said):
            return super().moves(state, event)
        if event.yes == event.fact.true:
            return {}
        strength = state.config.strength
        return {asked: signed(strength, not asked.fact.true) for asked in _facts_around(event.fact.place)}


@cache
def _facts_around(place: str) -> tuple[IsTrue, ...]:
    region = next(region for region in REGIONS if place in region)
    return tuple(IsTrue(Fact(one, colour)) for one in region for colour in COLOURS)


@dataclass(frozen=True, slots=True)
class TwoFacedConfig(Sound):
    """How often it votes against what it says."""

    against: float = parameter(
        0.8, "probability of voting against what it says, in place of 1 - tau", minimum=0.0, maximum=1.0
    )


@dynamics.register("planted-two-faced")
class TwoFaced(Mind[TwoFacedConfig]):
    """P(for) = p·(1 - against) + (1 - p)·against, where p is the credence in the topic or the fact."""

    config = TwoFacedConfig

    def credence(self, state: State[TwoFacedConfig], question: Question | None) -> float:
        """Return the probability of answering yes."""
        if not isinstance(question, Vote | VoteTrue):
            return super().credence(state, question)
        meant = Supports(question.topic) if isinstance(question, Vote) else IsTrue(question.fact)
        held, against = super().credence(state, meant), state.config.against
        return held * (1.0 - against) + (1.0 - held) * against


@dataclass(frozen=True, slots=True)
class YesSayerConfig(Sound):
    """How often it agrees."""

    probability: float = parameter(1.0, "probability of yes, whatever is asked", minimum=0.0, maximum=1.0)


@dynamics.register("planted-yes-sayer")
class YesSayer(Mind[YesSayerConfig]):
    """Says yes to everything; where no option says yes, takes the first."""

    config = YesSayerConfig

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


@dynamics.register("planted-noise")
class Noise(Mind[NoiseConfig]):
    """Answers by fixed probabilities, percentages by ten coins; where no option says yes, the first is yes."""

    config = NoiseConfig

    def credence(self, state: State[NoiseConfig], question: Question | None) -> float:
        """Return the probability of answering yes."""
        del question
        return state.config.p_yes


@dataclass(frozen=True, slots=True)
class RefuserConfig(Sound):
    """How often it refuses."""

    probability: float = parameter(1.0, "probability of a refusal", minimum=0.0, maximum=1.0)


@dynamics.register("planted-refuser")
class Refuser(Mind[RefuserConfig]):
    """Refuses in a plain sentence; otherwise sound."""

    config = RefuserConfig


@dataclass(frozen=True, slots=True)
class GarblerConfig(Sound):
    """How often an answer is malformed."""

    rate: float = parameter(0.5, "probability of a malformed answer", minimum=0.0, maximum=1.0)


@dynamics.register("planted-garbler")
class Garbler(Mind[GarblerConfig]):
    """Gives malformed answers at its rate; otherwise sound."""

    config = GarblerConfig

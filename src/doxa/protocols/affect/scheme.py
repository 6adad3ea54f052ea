"""``affect:RULE?options#ADDRESS``: any subject with a mood, by one line of text.

affect:second-order?mu=0.9#organism:leaning
affect:first-order?tau_up=2&tau_down=6&style=numeric#http://host:8000/v1#model
affect:second-order?mu=0.8&vector=mood.safetensors&scale=4#hf:/path

Beside the rule's own options there are ``source`` (user, reply, both), ``user_weight``, ``estimator`` (vader,
embedding, noise), ``style`` (verbal, numeric, both, micro), ``position`` (system, user), and for open weights
``vector``, a file of a steering vector that tells the mood instead of words, with ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from doxa.dynamics.affect import AffectDynamics
from doxa.dynamics.affect.addresses import rule_with
from doxa.errors import CapabilityError, InputError
from doxa.lab.options import asked, typed_options
from doxa.protocols.affect.embedding import EmbeddingEstimator
from doxa.protocols.affect.estimators import Estimator, NoiseEstimator, VaderVAD
from doxa.protocols.affect.injectors import Injector, Position, PromptInjector, Style
from doxa.protocols.affect.mood import MoodOf, Source
from doxa.protocols.affect.steering import SteeringInjector
from doxa.protocols.affect.subject import AffectSubject, identity_of, without_weights
from doxa.subjects.addresses import capabilities, form, identity, price
from doxa.subjects.base import Capability, Subject
from doxa.subjects.schemes import Address, Form, Price, Scheme, subjects


@dataclass(frozen=True)
class Settings:
    """What an address says beside the rule."""

    source: Source = "user"
    user_weight: float = 0.5
    estimator: Literal["vader", "embedding", "noise"] = "vader"
    style: Literal["auto", "verbal", "numeric", "both", "micro"] = "auto"
    position: Position = "system"
    vector: str = ""
    scale: float = 1.0

    def reader(self) -> Estimator:
        """Return the estimator."""
        return {"vader": VaderVAD, "embedding": EmbeddingEstimator, "noise": NoiseEstimator}[self.estimator]()

    def injector(self, spoken: Form) -> Injector:
        """Return how a subject of a form is told."""
        if self.vector:
            from doxa.lens.steering_vector import SteeringVector

            return SteeringInjector(SteeringVector.load(self.vector), self.scale)
        auto: Style = "micro" if spoken == "micro" else "verbal"
        return PromptInjector(auto if self.style == "auto" else self.style, self.position)


@subjects.register("affect")
class WithMood(Scheme):
    """A mood around any subject."""

    wraps: ClassVar[bool] = True

    def wrap(self, subject: Subject, address: Address) -> Subject:
        """Return the subject with its mood.

        Raises:
            InputError: there is no such rule or option, or a value is out of range.
            CapabilityError: a steering vector is given and the subject has no open weights.
        """
        rule, settings = taken_apart(address)
        mood = MoodOf(rule, settings.reader(), settings.source, settings.user_weight)
        return AffectSubject(subject, mood, settings.injector(subject.form), address=address.text)

    def open(self, address: Address) -> Subject:
        """Return the open subject with its mood."""
        from doxa.subjects.addresses import open_subject

        return self.wrap(open_subject(address.model), address)

    def identity(self, address: Address) -> str:
        """Return the identity that the subject with its mood would have; nothing is loaded."""
        rule, settings = taken_apart(address)
        injector = settings.injector(form(address.model))
        if settings.vector and Capability.WEIGHTS not in capabilities(address.model):
            raise CapabilityError(
                f"{address.text}: vector= steers open weights; tell the mood in words instead"
            )
        mood = MoodOf(rule, settings.reader(), settings.source, settings.user_weight)
        return identity_of(identity(address.model), mood, injector)

    def form(self, address: Address) -> Form:
        """Return the subject's form; what is wrong with the mood is said here, before anything is planned."""
        taken_apart(address)
        return form(address.model)

    def capabilities(self, address: Address) -> frozenset[Capability]:
        """Return the subject's but its weights."""
        return without_weights(capabilities(address.model))

    def price(self, address: Address) -> Price | None:
        """Return the subject's."""
        return price(address.model)


def taken_apart(address: Address) -> tuple[AffectDynamics, Settings]:
    """Return the rule of an address and what it says beside it.

    Raises:
        InputError: there is no such rule or option, or a value is out of range.
    """
    text = address.text.partition(":")[2].partition("#")[0]
    own = asked(Settings)
    beside = {key: value for key, value in address.options.items() if key in own}
    rule = rule_with(
        address.name, {key: address.options[key] for key in address.options.keys() - own.keys()}, text
    )
    settings = Settings(**typed_options("affect", text, Settings, beside))
    if not 0.0 <= settings.user_weight <= 1.0:
        raise InputError(f"affect '{text}': user_weight={settings.user_weight} must be in [0, 1]")
    return rule, settings

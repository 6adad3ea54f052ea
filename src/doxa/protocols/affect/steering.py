"""A second channel for open weights: the state scales a vector that is added to the residual stream.

The vector is the mean difference of hidden states between positive and negative sentences, so that valence 1 adds it
once and valence -1 takes it away. The dynamics are those of the prompt's channel; the words stay as they are.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.errors import CapabilityError, InputError
from doxa.protocols.affect.embedding import ANCHORS
from doxa.protocols.affect.injectors import FixedState, Injector
from doxa.subjects.base import Conversation, Subject, user
from doxa.subjects.open_weights import no_weights, open_weights

if TYPE_CHECKING:
    from doxa.lens.steering_vector import SteeringVector


@dataclass(frozen=True)
class SteeringInjector:
    """Adds a vector to the model while it answers, scaled by one dimension of the state.

    Attributes:
        vector: what valence 1 adds.
        scale: factor on it; 0 changes nothing.
        dimension: which dimension of the state scales it.
    """

    vector: SteeringVector
    scale: float = 1.0
    dimension: int = 0

    def inject(self, conversation: Conversation, state: Float[np.ndarray, " d"], turn: int) -> Conversation:
        """Return the conversation as it is: nothing is told."""
        del state, turn
        return conversation

    def strength(self, state: Float[np.ndarray, " d"]) -> float:
        """Return the multiplier of the vector at a state."""
        return float(self.scale * state[self.dimension])

    @contextmanager
    def answering(self, subject: Subject, strength: float) -> Generator[None]:
        """Steer the model behind a subject while the block runs.

        Raises:
            CapabilityError: the subject has no weights to steer.
        """
        from doxa.lens.steering import steered

        model = open_weights(subject)
        if model is None:
            raise CapabilityError(f"{no_weights(subject)}; tell it in the prompt instead")
        with steered(model.model, self.vector, strength):
            yield

    def as_json(self) -> dict[str, Json]:
        """Return the digest of the vector and the scale."""
        said: dict[str, Json] = {"vector": self.vector.digest, "scale": self.scale}
        return {"injector": "steering", **said, "dimension": self.dimension}


class Steering(NamedTuple):
    """What steers a model at a turn, and how strongly."""

    by: SteeringInjector
    strength: float


def steers(injector: Injector | None) -> bool:
    """Return whether an injector, or the one behind a control, steers activations."""
    return isinstance(injector.injector if isinstance(injector, FixedState) else injector, SteeringInjector)


def steering_of(injector: Injector, state: Float[np.ndarray, " d"], turn: int) -> Steering | None:
    """Return how an injector steers in a state at a turn, a control by the state it was given; None if it tells."""
    if isinstance(injector, FixedState):
        return steering_of(injector.injector, injector.state_at(turn), turn)
    return Steering(injector, injector.strength(state)) if isinstance(injector, SteeringInjector) else None


def mood_vector(
    subject: Subject,
    *,
    layers: Sequence[int],
    positive: Sequence[str] = ANCHORS["valence"].high,
    negative: Sequence[str] = ANCHORS["valence"].low,
) -> SteeringVector:
    """Return the mean difference of hidden states between positive and negative sentences.

    Args:
        subject: with open weights.
        layers: blocks at whose output it is read and will be added.
        positive: sentences of one side, each shown as a user's message.
        negative: sentences of the other.

    Raises:
        CapabilityError: the subject has no weights.
        InputError: a side has no sentence.
    """
    from doxa.lens.steering_vector import contrast_vector

    model = open_weights(subject)
    if model is None:
        raise CapabilityError(no_weights(subject))
    if not positive or not negative:
        raise InputError("positive and negative: give a sentence or more on each side")
    rows = [model.rows([(user(text),) for text in side]) for side in (positive, negative)]
    return contrast_vector(model.model, *rows, layers=list(layers))

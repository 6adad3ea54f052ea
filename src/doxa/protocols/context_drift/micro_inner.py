"""What a subject that speaks micro-English holds of topics: read before it answers "do you support …", as log-odds.

A direction is fitted where stances were said outright: the asked topic among others, for or against. Topics are held
out in turn, so that each is read by a direction that never saw it. Then the same place is read in other contexts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.lens.calibrated import Calibrated, calibrated
from doxa.lens.capture import activations
from doxa.protocols.context_drift.micro import MicroContext
from doxa.subjects.base import Conversation, user
from doxa.subjects.transformers import TransformersSubject
from doxa.worlds.micro import TOPICS, Stance, Supports, ask

OTHERS_SAID = 4
"""Statements about other topics beside the one that counts, half of them on each side on average."""

EXAMPLES_PER_SIDE = 8
"""Contexts in which a topic is said to be supported, and as many in which it is opposed."""


class Stances(NamedTuple):
    """Log-odds in nats of support, by context: as read, and by the two controls."""

    read: Float[np.ndarray, " contexts"]
    controls: dict[str, Float[np.ndarray, " contexts"]]
    fitted: Calibrated


def micro_inner_stances(
    model: TransformersSubject, contexts: Sequence[MicroContext], *, rng: np.random.Generator
) -> Stances:
    """Return what a model holds of each context's topic.

    Args:
        model: speaks micro-English.
        contexts: where it is read.
        rng: draws the contexts of the fit, its folds and controls.
    """
    said = explicit_contexts(rng)
    labels = np.array([context.side > 0 for context in said])
    fitted = calibrated(
        _before_answer(model, said), labels, [context.topic for context in said], rng=rng, folds=4
    )
    acts, topics = _before_answer(model, contexts), [context.topic for context in contexts]
    controls = {
        "permuted labels": fitted.permuted.log_odds(acts, topics),
        "random direction": fitted.random.log_odds(acts, topics),
    }
    return Stances(fitted.reading.log_odds(acts, topics), controls, fitted)


def explicit_contexts(rng: np.random.Generator) -> list[MicroContext]:
    """Return contexts that say outright where the asked topic stands, each topic as often for as against."""
    out: list[MicroContext] = []
    for topic in TOPICS:
        others = [other for other in TOPICS if other != topic]
        for side in (1, -1):
            for number in range(EXAMPLES_PER_SIDE):
                told = [
                    Stance(others[int(rng.integers(len(others)))], bool(rng.integers(2)))
                    for _ in range(OTHERS_SAID)
                ]
                told.insert(int(rng.integers(OTHERS_SAID + 1)), Stance(topic, side > 0))
                out.append(MicroContext("mixed", topic, side, OTHERS_SAID + 1, number, tuple(told)))
    return out


def _before_answer(
    model: TransformersSubject, contexts: Sequence[MicroContext]
) -> Float[np.ndarray, "contexts 1 layers width"]:
    """Return the residual stream where the answer would begin, after every block."""
    asked: list[Conversation] = [
        (*context.conversation, user(ask(Supports(context.topic)))) for context in contexts
    ]
    return activations(model.model, model.rows(asked))

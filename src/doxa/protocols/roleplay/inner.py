"""The internal readout on a model whose weights are open: a direction of factual answers, and margins along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.errors import CapabilityError, InputError
from doxa.lens.forced_answers import ChatSpeech, Speech, forced_answer_activations
from doxa.lens.margins import paired_margins, score_answers
from doxa.lens.probes.linear import LinearProbes
from doxa.protocols.roleplay.conversation import opposite_day
from doxa.protocols.roleplay.questions import YesNoQuestion, YesNoQuestions
from doxa.streams import stream
from doxa.subjects.base import Conversation as Messages
from doxa.subjects.base import Subject
from doxa.subjects.open_weights import no_weights, open_weights

EMPTY, OPPOSITE = "empty", "opposite-day"


@dataclass(frozen=True)
class InnerMargins:
    """Reads paired margins of questions after a context.

    Attributes:
        model: the model.
        speech: turns contexts and questions into its tokens.
        probe: the direction, one layer.
        layer: the layer it was fitted at, counted from 0.
        fitted: the questions it was fitted on, held-out ones left out.
        accuracy: held-out accuracy on generic questions by context, at that layer.
        by_layer: the same for every layer that was looked at.
        permuted: the same at that layer for permuted labels, the control; about one half.
        layers: those layers.
    """

    model: Any
    speech: Speech
    probe: LinearProbes
    layer: int
    fitted: tuple[YesNoQuestion, ...]
    accuracy: Mapping[str, float]
    by_layer: Mapping[str, Float[np.ndarray, " layers"]]
    permuted: float
    layers: tuple[int, ...]

    def scores(self, context: Messages, questions: YesNoQuestions) -> Float[np.ndarray, "questions 2"]:
        """Return phi of Yes and of No for each question."""
        asked = [item.asked for item in questions]
        acts = forced_answer_activations(self.model, context, asked, [self.layer], speech=self.speech)
        return score_answers(self.probe, acts[:, :, 0])

    def margins(self, context: Messages, questions: YesNoQuestions) -> Float[np.ndarray, " questions"]:
        """Return phi(factual answer) - phi(other answer) of each question."""
        return paired_margins(self.scores(context, questions), questions.truth)


def inner_margins(
    subject: Subject,
    generic: YesNoQuestions,
    *,
    contexts: Mapping[str, Messages] | None = None,
    targets: Mapping[str, Messages] | None = None,
    layers: Sequence[int] | None = None,
    C: float = 1.0,  # noqa: N803 (its usual name)
    seed: int = 0,
) -> InnerMargins:
    """Fit the direction of factual answers on generic questions and choose its layer.

    Args:
        subject: must have open weights and speak plain language.
        generic: questions whose truth no conversation is about; those marked ``test`` are held out, else 10 % of them.
        contexts: where the probe is fitted; by default the robust choice, the empty and the opposite-day context.
        targets: further contexts in which the layer must read generic questions well.
        layers: layers to choose from; all by default.
        C: inverse strength of the L2 penalty.
        seed: draws which questions are held out.

    Raises:
        CapabilityError: the subject has no open weights.
        InputError: the tokenizer has no Yes and No, or activations are not finite.
    """
    from doxa.lens.probes.factuality import FactualityProbe, select_layer

    weights = open_weights(subject)
    if weights is None:
        raise CapabilityError(no_weights(subject))
    fit_in = contexts or {EMPTY: (), OPPOSITE: opposite_day().after(opposite_day().n_turns)}
    if set(fit_in) & set(targets or {}):
        raise InputError(
            f"contexts and targets share {sorted(set(fit_in) & set(targets or {}))}; name each once"
        )
    speech = ChatSpeech(weights.tokenizer)
    asked = [item.asked for item in generic]
    acts = {
        name: forced_answer_activations(weights.model, context, asked, layers, speech=speech)
        for name, context in {**fit_in, **(targets or {})}.items()
    }
    test = np.array([item.split == "test" for item in generic])
    fitted = FactualityProbe(C=C).fit(
        {name: acts[name][~test] for name in fit_in},
        generic.truth[~test],
        questions=[group for group, out in zip(generic.groups, test, strict=True) if not out],
        rng=stream(seed, "roleplay", "probe"),
    )
    held = test.copy() if test.any() else fitted.held_out
    accuracy = {name: fitted.accuracy(read[held], generic.truth[held]) for name, read in acts.items()}
    place = select_layer(np.stack(list(accuracy.values())))
    known = tuple(range(fitted.bias.shape[0])) if layers is None else tuple(layers)
    used = np.zeros(len(generic), bool)
    used[np.flatnonzero(~test)[~fitted.held_out]] = True
    return InnerMargins(
        weights.model,
        speech,
        fitted.at(place),
        known[place],
        tuple(item for item, taken in zip(generic, used, strict=True) if taken),
        {name: float(found[place]) for name, found in accuracy.items()},
        accuracy,
        float(fitted.permuted_accuracy[place].mean()),
        known,
    )

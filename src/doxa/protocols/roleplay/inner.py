"""The internal readout on a model whose weights are open: a direction of factual answers, and margins along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from doxa.errors import CapabilityError, InputError
from doxa.lens.forced_answers import ChatSpeech, Speech, forced_answer_activations
from doxa.lens.margins import paired_margins, score_answers
from doxa.lens.probes.linear import LinearProbes
from doxa.protocols.roleplay.conversation import EMPTY, OPPOSITE, opposite_day
from doxa.protocols.roleplay.questions import YesNoQuestion, YesNoQuestions
from doxa.protocols.roleplay.replay import InnerReading
from doxa.streams import stream
from doxa.subjects.base import Conversation as Messages
from doxa.subjects.base import Subject
from doxa.subjects.open_weights import no_weights, open_weights

if TYPE_CHECKING:
    from doxa.lens.probes.factuality import FittedFactuality


@dataclass(frozen=True)
class InnerMargins:
    """Reads paired margins of questions after a context.

    Attributes:
        model: the model.
        speech: turns contexts and questions into its tokens.
        probe: the direction, one layer.
        naive: that of the empty context alone, same layer and questions.
        layer: the layer they were fitted at, counted from 0.
        fitted: the questions they were fitted on, held-out ones left out.
        accuracy: held-out accuracy on generic questions by context, at that layer.
        by_layer: the same for every layer that was looked at.
        permuted: the same at that layer for permuted labels, the control; about one half.
        layers: those layers.
    """

    model: Any
    speech: Speech
    probe: LinearProbes
    naive: LinearProbes
    layer: int
    fitted: tuple[YesNoQuestion, ...]
    accuracy: Mapping[str, float]
    by_layer: Mapping[str, Float[np.ndarray, " layers"]]
    permuted: float
    layers: tuple[int, ...]

    def read(self, context: Messages, questions: YesNoQuestions) -> InnerReading:
        """Return phi(factual answer) - phi(other answer) of each question, along both directions.

        Raises:
            ContextError: a row is longer than the model's context.
            InputError: an activation is not finite.
        """
        asked = [item.asked for item in questions]
        acts = forced_answer_activations(self.model, context, asked, [self.layer], speech=self.speech)
        robust, naive = (
            paired_margins(score_answers(probe, acts[:, :, 0]), questions.truth)
            for probe in (self.probe, self.naive)
        )
        return InnerReading(robust, naive)

    def margins(self, context: Messages, questions: YesNoQuestions) -> Float[np.ndarray, " questions"]:
        """Return phi(factual answer) - phi(other answer) of each question along ``probe``; errors as of ``read``."""
        return self.read(context, questions).robust


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
            Those marked ``target`` are left out of the fit and of the choice of the layer.
        contexts: where the probe is fitted; by default the robust choice, the empty and the opposite-day context.
        targets: further contexts in which the layer must read generic questions well.
        layers: layers to choose from; all by default.
        C: inverse strength of the L2 penalty.
        seed: draws which questions are held out.

    Raises:
        CapabilityError: the subject has no open weights.
        InputError: the tokenizer has no Yes and No, activations are not finite, contexts and targets share a name, or
            no questions are left to fit on.
        ContextError: a context with a question is longer than the model's context.
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
    free, test = (np.array([item.split in kind for item in generic]) for kind in (("", "train"), ("test",)))
    if not free.any():
        raise InputError(
            f"question set '{generic.name}': all are marked test or target; mark some train to fit on"
        )
    speech = ChatSpeech(weights.tokenizer)
    asked = [item.asked for item in generic]
    acts = {
        name: forced_answer_activations(weights.model, context, asked, layers, speech=speech)
        for name, context in {EMPTY: (), **fit_in, **(targets or {})}.items()
    }

    def fit(contexts: Sequence[str], permutations: int) -> FittedFactuality:
        return FactualityProbe(C=C, permutations=permutations).fit(
            {name: acts[name][free] for name in contexts},
            generic.truth[free],
            questions=[group for group, fits in zip(generic.groups, free, strict=True) if fits],
            rng=stream(seed, "roleplay", "probe"),
        )

    fitted, naive = fit(list(fit_in), 10), fit([EMPTY], 0)
    used = np.zeros(len(generic), bool)
    used[np.flatnonzero(free)[~fitted.held_out]] = True
    held = test if test.any() else free & ~used
    accuracy = {name: fitted.accuracy(read[held], generic.truth[held]) for name, read in acts.items()}
    place = select_layer(np.stack(list(accuracy.values())))
    known = tuple(range(fitted.bias.shape[0])) if layers is None else tuple(layers)
    return InnerMargins(
        weights.model,
        speech,
        fitted.at(place),
        naive.at(place),
        known[place],
        tuple(item for item, taken in zip(generic, used, strict=True) if taken),
        {name: float(found[place]) for name, found in accuracy.items()},
        accuracy,
        float(fitted.permuted_accuracy[place].mean()),
        known,
    )

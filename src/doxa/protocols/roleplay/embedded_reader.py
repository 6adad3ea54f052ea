"""A network that learned token dialogues, as probes see it: questions, answers and truth, not the kind of talk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.lens.capture import next_log_probs
from doxa.lens.forced_answers import forced_answer_activations, pre_answer_activations
from doxa.lens.probes.contrast import CCSProbe, OrientedContrast
from doxa.lens.probes.factuality import FactualityProbe, FittedFactuality
from doxa.protocols.roleplay.conversation import EMPTY, OPPOSITE
from doxa.worlds.dialogue_scripts import TokenSpeech, TokenTalk
from doxa.worlds.dialogues import DialogueWorld

Rng = Callable[..., np.random.Generator]
Questions = Int[np.ndarray, " questions"]


@dataclass(frozen=True)
class Reader:
    """One network with its world, and who asks it.

    Attributes:
        model: the network, as a transformers model.
        world: what it learned.
        sets: question numbers by name: generic, relevant, control.
    """

    model: Any
    world: DialogueWorld
    sets: Mapping[str, Questions]
    speech: TokenSpeech = field(default_factory=TokenSpeech)

    def answers(self, context: Any, name: str) -> Float[np.ndarray, "questions 2 layers width"]:
        """Return the activations at both answers of a set's questions, all layers."""
        return forced_answer_activations(self.model, context, self.sets[name], speech=self.speech)

    def before(self, context: Any, name: str) -> Float[np.ndarray, "questions layers width"]:
        """Return the activations before the answer."""
        return pre_answer_activations(self.model, context, self.sets[name], speech=self.speech)

    def truth(self, name: str) -> Bool[np.ndarray, " questions"]:
        """Return whether Yes is factual."""
        return self.world.truth[self.sets[name]]

    def stated(self, context: Any, name: str) -> Float[np.ndarray, " questions"]:
        """Return log P(factual answer) - log P(other answer) of each question."""
        yes, no = self.speech.answer_ids
        log_probs = next_log_probs(self.model, self.speech.unanswered(context, self.sets[name]))
        odds = log_probs[:, yes].astype(np.float64) - log_probs[:, no]
        return np.where(self.truth(name), odds, -odds)


@dataclass(frozen=True)
class Probes:
    """What is read with: directions of every layer, and those of the unsupervised search at the last."""

    naive: FittedFactuality
    robust: FittedFactuality
    ccs: OrientedContrast


def fit_probes(reader: Reader, opposite: Any, rng: Rng, restarts: int) -> Probes:
    """Fit on the empty context, and on the empty and one opposite-day context; the same questions are held out."""
    truth = reader.truth("generic")
    empty = reader.answers(start(), "generic")
    both = {EMPTY: empty, OPPOSITE: reader.answers(opposite, "generic")}
    return Probes(
        FactualityProbe(permutations=0).fit({EMPTY: empty}, truth, rng=rng("probe")),
        FactualityProbe().fit(both, truth, rng=rng("probe")),
        CCSProbe(restarts).fit(empty[:, :, -1], truth, rng=rng("ccs")),
    )


def start() -> Any:
    """Return the empty context."""
    return TokenTalk.empty().after(0)

"""Steering towards Yes at the token before the answer, and what it does to the share of Yes.

The direction predicts at that token, from generic questions in the empty and the opposite-day context, whether the
factual answer is Yes. Source: Lampinen et al. (arXiv:2601.20834).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from doxa.errors import InputError
from doxa.lens.capture import next_log_probs
from doxa.lens.forced_answers import Questions, Speech
from doxa.lens.probes.folds import Groups, group_numbers
from doxa.lens.probes.linear import LinearProbes
from doxa.lens.probes.logistic import LogisticProbes
from doxa.lens.steering import SteeringVector, at, model_identity, steered


@dataclass(frozen=True)
class AnswerShare:
    """Share of Yes of a set of questions at each strength.

    Attributes:
        strengths: multiples of the vector; 0 is the model as it is.
        p_yes: P(Yes) / (P(Yes) + P(No)) of each question.
    """

    strengths: tuple[float, ...]
    p_yes: Float[np.ndarray, "strengths questions"]

    @property
    def share(self) -> Float[np.ndarray, " strengths"]:
        """Mean over questions at each strength."""
        return self.p_yes.mean(axis=1)

    def effect(self, strength: float) -> float:
        """Return the change of the share of Yes at a strength.

        Raises:
            InputError: this strength, or 0, was not measured.
        """
        for wanted in (0.0, strength):
            if wanted not in self.strengths:
                raise InputError(f"strength={wanted}: measured were {self.strengths}")
        return float(self.share[self.strengths.index(strength)] - self.share[self.strengths.index(0.0)])


def fit_yes(
    contexts: Sequence[Float[np.ndarray, "questions layers width"]],
    truth: Bool[np.ndarray, " questions"],
    *,
    groups: Groups | None = None,
    rng: np.random.Generator,
) -> LinearProbes:
    """Return, for each layer, the direction of Yes at the token before the answer.

    Args:
        contexts: activations there of the same questions in each of the contexts.
        truth: whether Yes is factual, whatever the context.
        groups: questions that belong together.
        rng: source of the split that the fit is tested on.

    Raises:
        InputError: the numbers do not fit, all questions share an answer or a group, or an activation is not finite.
    """
    numbers = np.tile(group_numbers(groups, len(truth)), len(contexts))
    labels = np.tile(np.asarray(truth, bool), len(contexts))
    # the reader judges held-out questions itself
    return LogisticProbes.fit(
        np.concatenate(list(contexts)), labels, groups=numbers, folds=2, permutations=0, directions=0, rng=rng
    )


def yes_vector(
    model: Any,
    probe: LinearProbes,
    generic: Float[np.ndarray, "questions width"],
    truth: Bool[np.ndarray, " questions"],
    *,
    layer: int,
) -> SteeringVector:
    """Return the direction of Yes at a layer, as long as the two answers' means lie apart along it.

    Args:
        model: the model it was fitted on.
        probe: fitted at the token before the answer of that layer; label: Yes is factual.
        generic: activations of generic questions there, in the empty context.
        truth: whether Yes is factual.
        layer: the layer, counted from 0.

    Raises:
        InputError: the direction is zero.
    """
    norm = float(np.linalg.norm(probe.weights))
    if not norm > 0:
        raise InputError(f"layer={layer}: the direction has norm 0 and points nowhere")
    unit = probe.weights / norm
    along = generic.astype(np.float64) @ unit
    factual = np.asarray(truth, bool)
    gap = float(along[factual].mean() - along[~factual].mean())
    return SteeringVector(
        {layer: unit * gap}, "residual", model_identity(model), "from the mean of No to that of Yes"
    )


def steer_and_measure(
    model: Any,
    context: Any,
    questions: Questions,
    vector: SteeringVector,
    strengths: Sequence[float] = (-1.0, 0.0, 1.0),
    *,
    speech: Speech,
) -> AnswerShare:
    """Add a vector at the token before the answer and return the share of Yes at each strength.

    Args:
        model: a causal model of transformers; as it was afterwards.
        context: what stands before each question, as the speech takes it.
        questions: questions, as the speech takes them.
        vector: what is added.
        strengths: multiples of the vector.
        speech: turns context and questions into tokens.

    Raises:
        InputError: no questions, a strength that is not finite, or a vector that does not fit the model.
        ContextError: a row is longer than the model's context.
    """
    rows = list(speech.unanswered(context, questions))
    yes, no = speech.answer_ids
    found = np.empty((len(strengths), len(rows)))
    for place, strength in enumerate(strengths):
        with steered(model, vector, float(strength), where=at(_last)):
            log_probs = next_log_probs(model, rows)[:, [yes, no]].astype(np.float64)
        found[place] = 1 / (1 + np.exp(log_probs[:, 1] - log_probs[:, 0]))
    return AnswerShare(tuple(float(strength) for strength in strengths), found)


def _last(positions: torch.Tensor) -> torch.Tensor:
    """Pick the last token of every row."""
    return positions == positions.max(dim=1, keepdim=True).values

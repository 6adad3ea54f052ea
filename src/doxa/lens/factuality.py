"""The direction of factual answers: fitted on generic questions in chosen contexts, split by question.

Label of (question, answer) = the answer is factual. A *naive* direction is fitted in the empty context alone, a
*robust* one in the empty and the opposite-day context together, with labels by real truth in both.

Source: Lampinen et al. (arXiv:2601.20834).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from doxa.errors import InputError
from doxa.lens.probes.folds import Groups, group_numbers, held_out_groups
from doxa.lens.probes.linear import LinearProbes

Acts = Float[np.ndarray, "questions 2 *sites width"]
"""Activations of both answers, Yes first; see ``forced_answer_activations``."""


def split_questions(
    groups: Groups, rng: np.random.Generator, *, held_out: float = 0.1
) -> Bool[np.ndarray, " questions"]:
    """Return which questions are held out: a random share of the groups, never part of one.

    Args:
        groups: one label per question; opposite wordings and copies of a question share it.
        rng: source of the draw.
        held_out: share of the groups.
    """
    return held_out_groups(group_numbers(groups, len(groups)), held_out, rng)


def answer_labels(truth: Bool[np.ndarray, " questions"]) -> Bool[np.ndarray, "questions 2"]:
    """Return whether Yes and whether No is factual."""
    factual = np.asarray(truth, bool)
    return np.stack([factual, ~factual], axis=1)


def fit_factuality(
    contexts: Sequence[Acts],
    truth: Bool[np.ndarray, " questions"],
    *,
    train: Bool[np.ndarray, " questions"] | None = None,
    groups: Groups | None = None,
    C: float = 1.0,  # noqa: N803 (its usual name)
    rng: np.random.Generator,
    permuted: bool = False,
) -> LinearProbes:
    """Return one logistic probe for every site, fitted on the answers of the training questions in all contexts.

    Args:
        contexts: activations of the same questions in each of the contexts.
        truth: whether Yes is factual, whatever the context.
        train: questions to fit on; None takes all.
        groups: questions that belong together.
        C: inverse strength of the L2 penalty on the weights.
        rng: source of permuted labels.
        permuted: fit the control: which answer is factual is drawn anew for each question.

    Raises:
        InputError: no context, shapes that do not fit, or training questions of which none is left.
    """
    from doxa.lens.probes.logistic import LogisticProbes

    if not contexts:
        raise InputError("contexts=[]: give the activations of at least one context")
    factual = np.asarray(truth, bool)
    chosen = np.ones(factual.size, bool) if train is None else np.asarray(train, bool)
    for acts in contexts:
        if acts.shape[:2] != (factual.size, 2):
            raise InputError(
                f"activations {acts.shape} for {factual.size} questions: must be (questions, 2, ...)"
            )
    if not chosen.any():
        raise InputError("train: no question is left to fit on")
    if permuted:
        factual = factual ^ (rng.random(factual.size) < 0.5)
    labels = answer_labels(factual)[chosen].reshape(-1)
    rows = [acts[chosen].reshape(-1, *acts.shape[2:]) for acts in contexts]
    numbers = group_numbers(groups, factual.size)[chosen].repeat(2)
    fitted = LogisticProbes.fit(
        np.concatenate(rows),
        np.tile(labels, len(contexts)),
        groups=np.tile(numbers, len(contexts)),
        ridge=(1.0 / C,),
        folds=2,
        permutations=0,
        directions=0,
        rng=rng,
    )
    return LinearProbes(fitted.weights, fitted.bias)


def held_out_accuracy(
    probes: LinearProbes,
    acts: Acts,
    truth: Bool[np.ndarray, " questions"],
    held_out: Bool[np.ndarray, " questions"],
) -> Float[np.ndarray, "*sites"]:
    """Return the share of answers of the held-out questions that each probe judges right."""
    chosen = np.asarray(held_out, bool)
    rows = acts[chosen].reshape(-1, *acts.shape[2:])
    labels = answer_labels(truth)[chosen].reshape(-1)
    said = probes.score(rows) > 0
    return (said == labels.reshape(-1, *[1] * (said.ndim - 1))).mean(axis=0)


def select_layer(accuracies: Mapping[str, Float[np.ndarray, " layers"]]) -> int:
    """Return the index of the layer whose held-out accuracy, averaged over contexts, is best; the first of several.

    Args:
        accuracies: per context (empty, opposite day, targets) the held-out accuracy on generic questions by layer.
    """
    if not accuracies:
        raise InputError("accuracies={}: give the held-out accuracy of at least one context")
    return int(np.argmax(np.mean(list(accuracies.values()), axis=0)))

"""Which answer is the factual one: a probe on both forced answers of yes/no questions, held out by question.

A question gives two examples, "Yes" and "No"; the label says whether that answer is the factual one (arXiv:2601.20834,
section 2). Fitted in the empty context alone the direction is the naive one; fitted in several contexts, with labels by
real truth in each, the robust one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.lens.probes.contrast import Pairs
from doxa.lens.probes.folds import group_numbers, held_out_groups, label_sets
from doxa.lens.probes.linear import Labels, LinearProbes
from doxa.lens.probes.logistic_solver import fit_logistic
from doxa.lens.probes.problems import Plan, checked_labels, finite_site, fit_site, plan_fits
from doxa.lens.question_sets import warn_of_questions


@dataclass(frozen=True)
class FactualityProbe:
    """How the probe is fitted.

    Attributes:
        C: inverse ridge, as scikit-learn's (the paper does not give its own).
        held_out: share of the questions that are kept from the fit (the paper: 0.1).
        permutations: label sets that know nothing of the answers, fitted alike.
    """

    C: float = 1.0
    held_out: float = 0.1
    permutations: int = 10

    def fit(
        self,
        acts: Pairs | Mapping[str, Pairs],
        labels: Labels,
        *,
        questions: Sequence[str] | None = None,
        rng: np.random.Generator,
    ) -> FittedFactuality:
        """Return one probe for each site (layer), with its accuracy on held-out questions and its control.

        Args:
            acts: activations of both answers of each question; or those of the same questions in several contexts.
            labels: whether "Yes" is the factual answer, whatever the context.
            questions: their texts; equal ones are never split. None: each is its own.
            rng: draws the held-out questions and the permutations.

        Warns (``QuestionsWarning``) of few questions and of uneven answers.

        Raises:
            InputError: there is one question only, all to be fitted have one answer, the contexts differ in shape, the
                numbers do not fit, or an activation is not finite.
        """
        contexts = dict(acts) if isinstance(acts, Mapping) else {"": acts}
        first = _same_shape(contexts)
        truth = checked_labels(first, labels)
        warn_of_questions("the probe's questions", truth)
        numbers = group_numbers(questions, truth.size)
        held = held_out_groups(numbers, self.held_out, rng)
        plan = self._plan(truth, numbers, held, len(contexts), rng)
        sites, width = first.shape[2:-1], first.shape[-1]
        rows = [pairs.reshape(2 * truth.size, -1, width) for pairs in contexts.values()]
        weights, bias = np.empty((rows[0].shape[1], width)), np.empty(rows[0].shape[1])
        permuted = np.empty((len(bias), self.permutations))
        for site in range(len(bias)):
            examples = np.concatenate([finite_site(context, site, sites) for context in rows])
            fits, accuracy, _ = fit_site(fit_logistic, examples, plan)
            weights[site], bias[site], permuted[site] = fits.weights[0], fits.bias[0], accuracy[1:, 0, 0]
        probes = LinearProbes(weights.reshape(*sites, width), bias.reshape(sites))
        some = {name: _accuracy(probes, pairs[held], truth[held]) for name, pairs in contexts.items()}
        permuted = permuted.reshape(*sites, self.permutations)
        return FittedFactuality(probes.weights, probes.bias, held, some, permuted)

    def _plan(
        self,
        truth: Bool[np.ndarray, " questions"],
        numbers: Int[np.ndarray, " questions"],
        held: Bool[np.ndarray, " questions"],
        contexts: int,
        rng: np.random.Generator,
    ) -> Plan:
        """The held-out questions are the only fold; rows are both answers of each question, context by context."""
        groups = np.tile(np.repeat(numbers, 2), contexts)
        fold = np.tile(np.repeat(np.where(held, 0, -1), 2), contexts)
        factual = np.tile(np.stack([truth, ~truth], axis=1).ravel(), contexts)
        return plan_fits(label_sets(groups, factual, fold, self.permutations, rng), fold, (1.0 / self.C,))


@dataclass(frozen=True)
class FittedFactuality(LinearProbes):
    """Probes for factual answers; ``score`` takes the activations of both answers, or of any.

    Attributes:
        held_out: which questions were kept from the fit.
        hold_out_accuracy: by context, share of the answers of held-out questions on the right side, for each site.
        permuted_accuracy: the same over all contexts for permuted labels, by site and permutation; about 0.5.
    """

    held_out: Bool[np.ndarray, " questions"]
    hold_out_accuracy: Mapping[str, Float[np.ndarray, "*sites"]]
    permuted_accuracy: Float[np.ndarray, "*sites permutations"]

    def accuracy(self, acts: Pairs, labels: Labels) -> Float[np.ndarray, "*sites"]:
        """Return the share of answers on the right side, for each site.

        Raises:
            InputError: there is not one label to a question, or activations of other sites or another width.
        """
        return _accuracy(self, acts, checked_labels(acts, labels))


def _same_shape(contexts: Mapping[str, Pairs]) -> Pairs:
    shapes = {name: pairs.shape for name, pairs in contexts.items()}
    if len(set(shapes.values())) != 1:
        raise InputError(f"contexts of shapes {shapes}; give the same questions, layers and model in each")
    return next(iter(contexts.values()))


def _accuracy(
    probes: LinearProbes, pairs: Pairs, truth: Bool[np.ndarray, " questions"]
) -> Float[np.ndarray, "*sites"]:
    factual = np.stack([truth, ~truth], axis=1).reshape(len(truth), 2, *[1] * probes.bias.ndim)
    return ((probes.score(pairs) > 0.0) == factual).mean((0, 1))


def select_layer(
    accuracy: Float[np.ndarray, "contexts layers"] | Sequence[Sequence[float]],
    log_loss: Float[np.ndarray, "contexts layers"] | Sequence[Sequence[float]] | None = None,
) -> int:
    """Return the index of the layer with the best accuracy averaged over the contexts (arXiv:2601.20834, section 2).

    Args:
        accuracy: hold-out accuracy by context and layer.
        log_loss: of the same examples; of layers that are equally accurate the one with less is taken. Without it
            it is the first.

    Raises:
        InputError: no contexts, or a number is not finite.

    >>> select_layer([[0.5, 0.9, 0.9], [0.5, 0.7, 0.9]])
    2
    """
    table = np.atleast_2d(np.asarray(accuracy, dtype=np.float64))
    losses = (
        np.zeros_like(table) if log_loss is None else np.atleast_2d(np.asarray(log_loss, dtype=np.float64))
    )
    if table.size == 0 or table.shape != losses.shape or not np.isfinite(table + losses).all():
        raise InputError(f"accuracy of shape {table.shape}: give one finite number by context and layer")
    mean = np.round(table.mean(0), 12)
    return int(np.lexsort((losses.mean(0), -mean))[0])

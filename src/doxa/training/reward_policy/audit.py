"""Auditing a reward on sampled answers, without training: how much of what it selects hangs on next to nothing.

Of each prompt there are answers, and of each answer the score of a reward and of a changed one. A response counts as
one action (γ = 0). Equal answers are one answer, counted as often as it was sampled; equals are chosen by their counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from doxa.belief.distances import total_variation
from doxa.errors import InputError
from doxa.training.reward_policy.perturbation import lipschitz_bound
from doxa.worlds.decision_process import check_temperature

Scorer: TypeAlias = Callable[[str, str], float]
"""From a prompt and an answer to a number."""
TIE = 1e-6
"""Scores this near to the best one count as equal to it."""


class Distinct(NamedTuple):
    """The different answers to a prompt.

    Attributes:
        answers: in the order in which they were first sampled.
        counts: how often each was sampled.
        place: of each sample among them.
    """

    answers: tuple[str, ...]
    counts: Int[np.ndarray, " answers"]
    place: Int[np.ndarray, " samples"]

    def mean(self, scores: Sequence[float] | Float[np.ndarray, " samples"]) -> Float[np.ndarray, " answers"]:
        """Return the mean score of each answer; a scorer without noise gives equal ones the same."""
        return np.bincount(self.place, np.asarray(scores, dtype=np.float64)) / self.counts


def distinct(answers: Sequence[str]) -> Distinct:
    """Return the different answers among samples; only white space at the ends is taken as no difference."""
    seen: dict[str, int] = {}
    place = np.array([seen.setdefault(answer.strip(), len(seen)) for answer in answers], dtype=np.int64)
    return Distinct(tuple(seen), np.bincount(place, minlength=len(seen)), place)


class PromptAudit(NamedTuple):
    """What a change of the reward does to the selection among the answers to one prompt.

    Attributes:
        top_changed: whether the first best answer is another one.
        margin: best score less the second best of a different answer; inf if there is one answer only.
        tied: whether the margin is within the tolerance.
        change: ‖ΔR‖∞ over the answers.
        best_tv: distance of the two best-of-N policies, which choose among equals by count.
        soft_tv: distance of the two softmax-weighted policies, count·exp(R/alpha).
        bound: what ``soft_tv`` cannot exceed, change/(2 alpha).
    """

    top_changed: bool
    margin: float
    tied: bool
    change: float
    best_tv: float
    soft_tv: float
    bound: float


def audit_prompt(
    found: Distinct,
    before: Float[np.ndarray, " answers"],
    after: Float[np.ndarray, " answers"],
    alpha: float,
    tol: float = TIE,
) -> PromptAudit:
    """Return what a change of scores does to the selection among one prompt's answers."""
    ordered = np.sort(before)[::-1]
    margin = float(ordered[0] - ordered[1]) if ordered.size > 1 else math.inf
    change = float(np.abs(after - before).max())
    return PromptAudit(
        bool(_first_best(before, tol) != _first_best(after, tol)),
        margin,
        margin <= tol,
        change,
        float(total_variation(*(best_of_n(found.counts, scores, tol) for scores in (before, after)))),
        float(total_variation(*(soft_selection(found.counts, scores, alpha) for scores in (before, after)))),
        float(lipschitz_bound(alpha, 0.0, change)),
    )


def best_of_n(
    counts: Shaped[np.ndarray, " answers"], scores: Float[np.ndarray, " answers"], tol: float = TIE
) -> Float[np.ndarray, " answers"]:
    """Return how often each answer is chosen as the best one of all samples."""
    best = np.where(scores >= scores.max() - tol, counts, 0)
    return best / best.sum()


def soft_selection(
    counts: Shaped[np.ndarray, " answers"], scores: Float[np.ndarray, " answers"], alpha: float
) -> Float[np.ndarray, " answers"]:
    """Return weights ∝ count·exp(score/alpha)."""
    weights = counts * np.exp((scores - scores.max()) / alpha)
    return weights / weights.sum()


@dataclass(frozen=True)
class RewardAudit:
    """What a change of the reward does to the selection among answers.

    Attributes:
        prompts: the prompts, in order.
        rows: what was found of each.
    """

    prompts: tuple[str, ...]
    rows: tuple[PromptAudit, ...]

    @property
    def share_changed(self) -> float:
        """Share of prompts whose best answer changes."""
        return float(np.mean([row.top_changed for row in self.rows]))

    @property
    def tie_rate(self) -> float:
        """Share of prompts with two different best answers, within the tolerance."""
        return float(np.mean([row.tied for row in self.rows]))

    @property
    def margins(self) -> Float[np.ndarray, " prompts"]:
        """Margins of the prompts; inf where there is one answer only."""
        return np.array([row.margin for row in self.rows])

    @property
    def violations(self) -> int:
        """How many softmax-weighted distances exceed their bound by more than rounding."""
        return sum(row.soft_tv > row.bound + 1e-9 for row in self.rows)


def reward_audit(
    samples: Mapping[str, Sequence[str]],
    scorer: Scorer,
    perturbed: Scorer,
    alpha: float,
    *,
    tol: float = TIE,
) -> RewardAudit:
    """Return what changing a scorer does to the selection among sampled answers.

    Args:
        samples: the answers to each prompt, at least one.
        scorer: from a prompt and an answer to a number.
        perturbed: the changed one.
        alpha: temperature of the softmax-weighted selection, > 0.
        tol: scores this near count as equal.

    Raises:
        InputError: there are no samples, a scorer gives no finite number, or alpha <= 0.
    """
    check_temperature("alpha", alpha)
    if not samples or not all(samples.values()):
        empty = next((prompt for prompt, answers in samples.items() if not answers), "")
        raise InputError(f"samples: prompt {empty[:60]!r} has no answers; sample at least one to each prompt")
    rows: list[PromptAudit] = []
    for prompt, answers in samples.items():
        found = distinct(answers)
        before, after = (
            np.array([scored(one, prompt, answer) for answer in found.answers]) for one in (scorer, perturbed)
        )
        rows.append(audit_prompt(found, before, after, alpha, tol))
    return RewardAudit(tuple(samples), tuple(rows))


def scored(scorer: Scorer, prompt: str, answer: str) -> float:
    """Return a scorer's number, or raise InputError with what it gave instead."""
    return score_of(scorer(prompt, answer), f"prompt {prompt[:60]!r}, answer {answer[:60]!r}")


def score_of(value: object, where: str) -> float:
    """Return a score as a float, or raise InputError unless it is a finite number."""
    if isinstance(value, bool | np.bool_):
        return float(value)
    if not isinstance(value, Real) or not math.isfinite(float(value)):
        raise InputError(f"{where}: the score is {value!r}; a scorer must return a finite number")
    return float(value)


class Sweep(NamedTuple):
    """How the selection moves while the weights move from one reward model to another.

    Attributes:
        weights: of the second model, ascending from 0 to 1.
        top: the first best answer of each prompt at each weight.
    """

    weights: Float[np.ndarray, " weights"]
    top: Int[np.ndarray, "prompts weights"]

    @property
    def changed(self) -> Float[np.ndarray, " weights"]:
        """Share of prompts whose best answer is not that at weight 0."""
        return (self.top != self.top[:, :1]).mean(0)

    @property
    def flips(self) -> Bool[np.ndarray, "prompts steps"]:
        """Where the best answer of a prompt changes from one weight to the next."""
        return self.top[:, 1:] != self.top[:, :-1]


def weight_sweep(
    first: Sequence[Float[np.ndarray, " _"]],
    second: Sequence[Float[np.ndarray, " _"]],
    weights: Float[np.ndarray, " weights"],
    tol: float = TIE,
) -> Sweep:
    """Return the best answers under (1 - w)·first + w·second.

    Args:
        first: scores of each prompt's answers.
        second: those of another reward model, of the same answers.
        weights: in [0, 1], ascending.
        tol: scores this near count as equal.

    Raises:
        InputError: the two do not score the same answers, or weights are out of range.
    """
    if not np.all((weights >= 0.0) & (weights <= 1.0)):
        raise InputError(f"weights={weights.tolist()}: must be in [0, 1]")
    if [len(one) for one in first] != [len(one) for one in second]:
        raise InputError("first and second must score the same answers to the same prompts")
    top = [
        [_first_best((1.0 - w) * a + w * b, tol) for w in weights] for a, b in zip(first, second, strict=True)
    ]
    return Sweep(weights, np.array(top, dtype=np.int64).reshape(len(top), len(weights)))


def _first_best(scores: Float[np.ndarray, " answers"], tol: float) -> int:
    return int(np.argmax(scores >= scores.max() - tol))

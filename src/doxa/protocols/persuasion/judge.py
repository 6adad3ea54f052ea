"""The embedded skeptic: a judge learned from the real verdicts, whose state of opinion is a log-odds.

Features are 5 times the unit embedding of the argument beside 2 times a one-hot of the skeptic; the judge is a logistic
regression with an L2 penalty (C = 1). It is held to arguments it was not fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.belief.inference import Interval, percentile_interval
from doxa.belief.information import expit
from doxa.belief.rank_correlation import mean_pairwise_spearman
from doxa.belief.shares import auc
from doxa.errors import InputError
from doxa.protocols.persuasion.bank import SKEPTICS, ArgumentBank, Readings
from doxa.protocols.persuasion.dimensions import DIMENSIONS

EMBEDDING_SCALE, SKEPTIC_SCALE = 5.0, 2.0
"""Weights of the features before the penalty, which is the same for all of them (ours)."""


class Response(NamedTuple):
    """What the skeptic thinks before and after an argument, in log-odds of being convinced, and what it says."""

    before: float
    after: float
    convinced: bool


@dataclass(frozen=True)
class EmbeddedSkeptic:
    """A fitted judge.

    Attributes:
        weights: of the scaled embedding.
        skeptics: log-odds that each skeptic begins with, by its number in ``SKEPTICS``; it is that of an argument
            whose embedding says nothing (the zero vector).
    """

    weights: Float[np.ndarray, " width"]
    skeptics: Float[np.ndarray, " skeptics"]

    @classmethod
    def fit(
        cls,
        embeddings: Float[np.ndarray, "readings width"],
        difficulty: Int[np.ndarray, " readings"],
        convinced: Bool[np.ndarray, " readings"],
        penalty: float = 1.0,
        weight: Float[np.ndarray, " readings"] | None = None,
    ) -> EmbeddedSkeptic:
        """Fit the judge to readings.

        Args:
            embeddings: unit embedding of the argument of each reading.
            difficulty: number of the skeptic in ``SKEPTICS``.
            convinced: the verdicts; both must occur.
            penalty: ridge of the weights, 1 / C.
            weight: how often each reading counts, as in a bootstrap resample; None counts each once.

        Raises:
            InputError: all verdicts are the same.
        """
        if convinced.all() or not convinced.any():
            raise InputError("all verdicts are the same: there is nothing to learn; give both")
        from sklearn.linear_model import LogisticRegression

        features = _features(embeddings, difficulty)
        # Newton's steps: gradients alone need thousands where a weak penalty lets the classes part
        model = LogisticRegression(C=1.0 / penalty, max_iter=200, tol=1e-6, solver="newton-cholesky")
        fitted = model.fit(features, convinced, sample_weight=weight)
        width = embeddings.shape[1]
        own = SKEPTIC_SCALE * fitted.coef_[0, width:] + float(fitted.intercept_[0])
        return cls(np.asarray(fitted.coef_[0, :width], dtype=np.float64), np.asarray(own, dtype=np.float64))

    def argument_log_odds(self, embeddings: Float[np.ndarray, "n width"]) -> Float[np.ndarray, " n"]:
        """Return what arguments add to the log-odds of any skeptic."""
        return EMBEDDING_SCALE * (embeddings @ self.weights)

    def log_odds(
        self, embeddings: Float[np.ndarray, "n width"], difficulty: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return the log-odds of being convinced after reading."""
        return self.argument_log_odds(embeddings) + self.skeptics[difficulty]

    def respond(
        self, embedding: Float[np.ndarray, " width"], difficulty: str, rng: np.random.Generator
    ) -> Response:
        """Return the state before and after an argument, and a Yes or No drawn from the state after."""
        if difficulty not in SKEPTICS:
            raise InputError(f"difficulty={difficulty!r}: must be one of {', '.join(SKEPTICS)}")
        before = float(self.skeptics[SKEPTICS.index(difficulty)])
        after = before + float(self.argument_log_odds(embedding[None])[0])
        return Response(before, after, bool(rng.random() < expit(after)))


class HeldOut(NamedTuple):
    """What judges say of arguments they were not fitted on.

    Attributes:
        log_odds: of each reading.
        argument: the argument's part of it.
        outcome: the verdicts that the judges were fitted to.
        fold: number of the judge that said it.
    """

    log_odds: Float[np.ndarray, " readings"]
    argument: Float[np.ndarray, " readings"]
    outcome: Bool[np.ndarray, " readings"]
    fold: Int[np.ndarray, " readings"]


def held_out(
    bank: ArgumentBank, outcome: Bool[np.ndarray, " readings"], group: Int[np.ndarray, " arguments"]
) -> HeldOut:
    """Fit one judge per group of arguments on all other groups, and ask it about its own.

    Args:
        bank: the arguments.
        outcome: verdict of each reading; shuffled ones make the control.
        group: number of each argument's group.
    """
    readings = bank.readings
    vectors, fold = bank.embeddings[readings.argument], group[readings.argument]
    log_odds, part = np.empty(fold.size), np.empty(fold.size)
    for number in np.unique(fold):
        own = fold == number
        judge = EmbeddedSkeptic.fit(vectors[~own], readings.difficulty[~own], outcome[~own])
        part[own] = judge.argument_log_odds(vectors[own])
        log_odds[own] = part[own] + judge.skeptics[readings.difficulty[own]]
    return HeldOut(log_odds, part, outcome, fold)


def folds(n_arguments: int, n_folds: int, rng: np.random.Generator) -> Int[np.ndarray, " arguments"]:
    """Return a random group of equal size for each argument."""
    if not 2 <= n_folds <= n_arguments:
        raise InputError(f"n_folds={n_folds}: must be 2 to {n_arguments}")
    return rng.permutation(np.arange(n_arguments) % n_folds)


def shuffled_within_difficulty(readings: Readings, rng: np.random.Generator) -> Bool[np.ndarray, " readings"]:
    """Return the verdicts dealt out anew among the readings of each skeptic."""
    out = readings.convinced.copy()
    for number in range(len(SKEPTICS)):
        rows = np.flatnonzero(readings.difficulty == number)
        out[rows] = rng.permutation(out[rows])
    return out


def mean_auc(score: Float[np.ndarray, " n"], said: HeldOut) -> float:
    """Return the area under the curve of a score, averaged over judges: pooling them would compare their levels."""
    values = [auc(score[said.fold == k], said.outcome[said.fold == k]).estimate for k in np.unique(said.fold)]
    return float(np.mean(values))


def style_means(
    value: np.ndarray, style: np.ndarray, weight: np.ndarray | None = None
) -> Float[np.ndarray, " styles"]:
    """Return the weighted mean of each style; NaN for one without weight."""
    w = np.ones(value.size) if weight is None else weight
    total = np.bincount(style, w, minlength=len(DIMENSIONS))
    sums = np.bincount(style, w * value, minlength=len(DIMENSIONS))
    return np.where(total > 0.0, sums / np.where(total > 0.0, total, 1.0), math.nan)


class Recovery(NamedTuple):
    """How a held-out judge compares with the measured verdicts, with intervals over arguments.

    Attributes:
        auc: area under the curve, all readings.
        correlation: Spearman between mean credence and measured fraction of the styles.
        warm: credence after trust or support, the lower of them, minus that after knowledge.
        ladder: smallest step from hard to baseline and from baseline to easy, over all styles.
    """

    auc: Interval
    correlation: Interval
    warm: Interval
    ladder: Interval


def recovery(
    readings: Readings, said: Sequence[HeldOut], rng: np.random.Generator, n_resamples: int = 500
) -> Recovery:
    """Compare held-out judges of several splits with the verdicts; each number is the mean over splits.

    Intervals resample arguments within their style, all splits alike, so that they tell of the arguments, not of how
    often they were split.
    """
    estimate = _numbers(readings, said, np.ones(readings.argument.max() + 1))
    members = [np.unique(readings.argument[readings.dimension == k]) for k in range(len(DIMENSIONS))]
    draws = np.empty((n_resamples, 4))
    for draw in range(n_resamples):
        times = np.zeros(readings.argument.max() + 1)
        for own in members:
            if own.size:
                times[own] = np.bincount(rng.integers(own.size, size=own.size), minlength=own.size)
        draws[draw] = _numbers(readings, said, times)
    n = int(np.unique(readings.argument).size)
    return Recovery(*(percentile_interval(float(estimate[k]), draws[:, k], n) for k in range(4)))


def _numbers(
    readings: Readings, said: Sequence[HeldOut], times: Float[np.ndarray, " arguments"]
) -> np.ndarray:
    weight = times[readings.argument]
    styles = tuple(DIMENSIONS)
    measured = style_means(readings.convinced.astype(np.float64), readings.dimension, weight)
    rows: list[tuple[float, float, float, float]] = []
    for one in said:
        credence = expit(one.log_odds)
        means = style_means(credence, readings.dimension, weight)
        steps = np.stack(
            [
                style_means(
                    credence, readings.dimension, weight * (readings.difficulty == SKEPTICS.index(name))
                )
                for name in ("hard", "baseline", "easy")
            ]
        )
        there = ~np.isnan(means)
        warm = np.fmin(means[styles.index("trust")], means[styles.index("support")])
        rows.append(
            (
                _weighted_auc(one.log_odds, readings.convinced, weight),
                mean_pairwise_spearman([means[there], measured[there]]).estimate,
                float(warm - means[styles.index("knowledge")]),
                float(np.nanmin(np.diff(steps, axis=0))),
            )
        )
    return np.mean(rows, axis=0)


def _weighted_auc(score: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> float:
    """Return the area under the curve where each row counts ``weight`` times."""
    order = np.argsort(score, kind="stable")
    ordered, yes, w = score[order], outcome[order], weight[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group = np.cumsum(starts) - 1
    positive, negative = np.bincount(group, w * yes), np.bincount(group, w * ~yes)
    below = np.cumsum(negative) - 0.5 * negative
    total = positive.sum() * negative.sum()
    return float(positive @ below / total) if total > 0.0 else math.nan


def _features(
    embeddings: Float[np.ndarray, "n width"], difficulty: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n features"]:
    return np.hstack([EMBEDDING_SCALE * embeddings, SKEPTIC_SCALE * np.eye(len(SKEPTICS))[difficulty]])

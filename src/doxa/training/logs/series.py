"""Entropy and score of a run, paired step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.training.logs.reading import TrainingLog


class Series(NamedTuple):
    """Entropy over steps, and the points at which there is a score too.

    Attributes:
        step: at which an entropy was logged, ascending.
        entropy: there, in nats.
        scored_step: at which a score was logged.
        scored_entropy: the last entropy logged up to there.
        score: there; empty where the log has none.
        notes: what was left out, in words.
    """

    step: Float[np.ndarray, " steps"]
    entropy: Float[np.ndarray, " steps"]
    scored_step: Float[np.ndarray, " scored"]
    scored_entropy: Float[np.ndarray, " scored"]
    score: Float[np.ndarray, " scored"]
    notes: tuple[str, ...]


def series_of(log: TrainingLog) -> Series:
    """Return the entropies and scores of a log.

    A score belongs to the last entropy logged up to its step: held-out scores are often logged by themselves.

    Raises:
        InputError: no step has an entropy, or one is infinite or negative.
    """
    entropy = log.values[log.columns.entropy]
    known = ~np.isnan(entropy)
    if not known.any():
        raise InputError(f"{log.columns.entropy}: holds no number; choose another with entropy_column=")
    step, entropy = log.step[known], entropy[known]
    if not np.isfinite(entropy).all() or entropy.min() < 0.0:
        bad = entropy[~(np.isfinite(entropy) & (entropy >= 0.0))]
        raise InputError(
            f"{log.columns.entropy}={bad[0]:g}: an entropy is finite and not negative; an 'entropy loss' is minus the "
            "entropy in some libraries; choose another with entropy_column="
        )
    none = np.zeros(0)
    if not log.columns.score:
        return Series(step, entropy, none, none, none, ())
    score = log.values[log.columns.score]
    finite = np.isfinite(score)
    before = np.searchsorted(step, log.step[finite], side="right") - 1
    usable = before >= 0
    notes: list[str] = []
    if missing := int((~usable).sum()):
        notes.append(f"{missing} scores were logged before any entropy and are left out")
    scored = log.step[finite][usable]
    return Series(step, entropy, scored, entropy[before[usable]], score[finite][usable], tuple(notes))

"""Was the style really there: scores of a classifier, discounted by length, against those of plain arguments."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float, Shaped

from doxa.belief.significance import two_sample_t
from doxa.errors import InputError

PERCENTILE = 85.0
"""Share of plain arguments, in per cent, below the threshold of a dimension."""
ALPHA = 0.05


class PresenceWarning(UserWarning):
    """A condition has too few arguments above the threshold for their lengths to have a spread."""


def length_score(z: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return 1/(1 + z) for z >= 0 and 2 - 1/(1 - z) below: in (0, 2), falling, 1 at z = 0."""
    far = np.abs(z)
    return np.where(z >= 0.0, 1.0 / (1.0 + far), 2.0 - 1.0 / (1.0 + far))


def presence_scores(
    scores: Float[np.ndarray, " arguments"], lengths: Shaped[np.ndarray, " words"], threshold: float
) -> Float[np.ndarray, " arguments"]:
    """Return each argument's score: 0 below the threshold, else what its length leaves of a hit.

    Lengths are standardised over the arguments at or above the threshold (population deviation).

    Args:
        scores: largest classifier score of a sentence, in [0, 1].
        lengths: words in all, > 0.
        threshold: in [0, 1].

    Returns:
        Scores in [0, 2), or NaN throughout with a :class:`PresenceWarning` where fewer than two arguments
        reach the threshold or their lengths do not differ.

    Raises:
        InputError: scores are outside [0, 1], or numbers do not fit.
    """
    x, words = _checked(scores, lengths)
    mask = x >= threshold
    chosen = words[mask]
    spread = float(chosen.std()) if chosen.size else 0.0
    if chosen.size < 2 or spread == 0.0:
        warnings.warn(
            f"{chosen.size} arguments reach the threshold {threshold:.3f}: no spread of lengths, so no scores",
            PresenceWarning,
            stacklevel=2,
        )
        return np.full(x.shape, math.nan)
    return np.where(mask, length_score((words - chosen.mean()) / spread), 0.0)


def presence_test(
    scores: Mapping[str, Mapping[str, np.ndarray]],
    lengths: Mapping[str, np.ndarray],
    baseline: str = "baseline",
    *,
    dimensions: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Test whether arguments asked for in a style show more of it than plain ones (one-sided, pooled t).

    Args:
        scores: by prompted style, then by dimension, the scores of its arguments in [0, 1].
        lengths: by prompted style, words of its arguments.
        baseline: the condition without a style.
        dimensions: which to test; None takes every prompted style but the baseline.

    Returns:
        Columns dimension, baseline_mean, mean, t, p, significant (p below 0.05 over the number of tests).

    Raises:
        InputError: a condition is missing, or a score is outside [0, 1].
    """
    if baseline not in scores:
        raise InputError(f"baseline={baseline!r}: no such condition; there are {', '.join(scores)}")
    tested = [name for name in scores if name != baseline] if dimensions is None else list(dimensions)
    rows: list[dict[str, object]] = []
    for name in tested:
        if name not in scores:
            raise InputError(f"dimension={name!r}: no such condition; there are {', '.join(scores)}")
        plain, _ = _checked(scores[baseline][name], lengths[baseline])
        threshold = float(np.percentile(plain, PERCENTILE))
        before = presence_scores(plain, lengths[baseline], threshold)
        after = presence_scores(scores[name][name], lengths[name], threshold)
        usable = not (np.isnan(before).any() or np.isnan(after).any())
        test = two_sample_t(after, before, alternative="greater") if usable else None
        p = math.nan if test is None else test.p
        rows.append(
            {
                "dimension": name,
                "baseline_mean": float(before.mean()),
                "mean": float(after.mean()),
                "t": math.nan if test is None else test.statistic,
                "p": p,
                "significant": p < ALPHA / len(tested),
            }
        )
    return pl.DataFrame(rows)


def closeness_to_baseline(
    scores: Mapping[str, Mapping[str, np.ndarray]],
    baseline: str = "baseline",
    *,
    without: Sequence[str] = ("romance",),
) -> dict[str, float]:
    """Return the cosine of each condition's mean scores with the baseline's, over the dimensions kept."""
    kept = [name for name in scores[baseline] if name not in without]
    means = {name: np.array([np.mean(row[key]) for key in kept]) for name, row in scores.items()}
    plain = means[baseline]
    return {
        name: float(vector @ plain / (np.linalg.norm(vector) * np.linalg.norm(plain)))
        for name, vector in means.items()
        if name != baseline
    }


def _checked(scores: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, words = np.asarray(scores, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    if x.shape != words.shape or x.ndim != 1 or x.size == 0:
        raise InputError(f"{x.size} scores and {words.size} lengths; give one of each per argument")
    if not np.all((x >= 0.0) & (x <= 1.0)):
        raise InputError("scores hold NaN or numbers outside [0, 1]; leave such arguments out")
    if not np.all(np.isfinite(words)) or np.any(words <= 0.0):
        raise InputError("lengths must be numbers of words > 0")
    return x, words

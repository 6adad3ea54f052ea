"""What a set of yes/no questions must be for its answers to say something: not too few, and not mostly one answer."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Bool

FEWEST = 10
"""Of fewer items than this nothing is claimed."""
MOST_ALIKE = 0.6
"""At most this share of the answers should be the same one."""


class QuestionsWarning(UserWarning):
    """A set is lopsided or small: what it shows may be a liking for one answer, or chance."""


def warn_of_questions(name: str, truth: Bool[np.ndarray, " questions"]) -> None:
    """Warn (``QuestionsWarning``) of fewer than ten questions, and of answers more uneven than 60 to 40.

    Args:
        name: what the set is called in the warning.
        truth: whether Yes is right, for each question.
    """
    yes = float(np.mean(truth))
    if max(yes, 1 - yes) > MOST_ALIKE:
        warnings.warn(
            f"{name}: {max(yes, 1 - yes):.0%} of the answers are {'Yes' if yes > 0.5 else 'No'}; balance them, or a "
            "liking for that answer looks like truth",
            QuestionsWarning,
            stacklevel=3,
        )
    if len(truth) < FEWEST:
        warnings.warn(
            f"{name}: {len(truth)} questions; give at least {FEWEST}, of fewer no flip is claimed",
            QuestionsWarning,
            stacklevel=3,
        )

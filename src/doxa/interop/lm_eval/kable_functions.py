"""How KaBLE's rows are read and scored by lm-evaluation-harness.

``doxa export lm-eval kable`` writes this file beside the task files. It needs nothing of doxa.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LETTERS = "ABC"


def rows(questions: str, **others: Any) -> dict[str, Any]:
    """Return the questions of one file as the harness's data set; others are settings that do not concern it."""
    import datasets

    del others
    lines = (Path(__file__).parent / questions).read_text("utf-8").split("\n")
    return {"test": datasets.Dataset.from_list([json.loads(line) for line in lines if line.strip()])}


def accuracy(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Return whether one of the accepted letters was likeliest, and whether it was Yes; no accuracy without a key."""
    letter = likeliest(results)
    share = {"yes_share": float(letter == "A")}
    return {"acc": float(letter in [*doc["accepted"]]), **share} if doc["accepted"] else share


def shares(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Return which letter was likeliest, as one number for each."""
    del doc
    letter = likeliest(results)
    return {
        "yes_share": float(letter == "A"),
        "no_share": float(letter == "B"),
        "undeterminable_share": float(letter == "C"),
        "unread_share": float(letter is None),
    }


def likeliest(results: Sequence[tuple[float, bool]]) -> str | None:
    """Return the letter of the highest log-probability, or None where two share it or one is missing."""
    scores = [float(result[0]) for result in results]
    if any(score != score for score in scores) or scores.count(max(scores)) > 1:
        return None
    return LETTERS[scores.index(max(scores))]

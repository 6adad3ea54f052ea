"""Beliefs as scores, and what a log says of all of them together."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from inspect_ai.log import EvalMetric, EvalResults, EvalSample
    from inspect_ai.scorer import Score


WORTH = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""What Inspect's words for scores are worth."""


def scores_of(beliefs: Sequence[dict[str, Any]], measures: Sequence[dict[str, Any]]) -> dict[str, Score]:
    """Return the scores of a sample: those it came with, or else its beliefs.

    Args:
        beliefs: rows of ``beliefs`` as plain JSON.
        measures: rows of ``measures`` that an imported log brought along; ``name/key`` are parts of one score.
    """
    from inspect_ai.scorer import Score

    if not measures:
        return dict(_belief_score(row, len(beliefs) > 1) for row in beliefs)
    scores: dict[str, Score] = {}
    for row in measures:
        extra: dict[str, Any] = json.loads(row["extra"])
        name, slash, key = str(row["measure"]).partition("/")
        value = extra.get("score", math.nan if row["value"] is None else float(row["value"]))
        if not slash:
            scores[name] = Score(value=value, answer=extra.get("answer"), reason=extra.get("missing"))
            continue
        held = scores.setdefault(name, Score(value={}, answer=extra.get("answer")))
        held.value = {**held.as_dict(), key: value}
    return scores


def _belief_score(row: dict[str, Any], several: bool) -> tuple[str, Score]:
    """Return the name and the score of a belief.

    Where the record says what was right (``correct``), it is C or I, and not scored where no answer is definitive;
    else it is the credence in [0, 1]. A belief that could not be read is not scored, but wrong where there is a key.

    Args:
        row: a row of ``beliefs`` as plain JSON.
        several: whether the sample has more than one, so that the name must tell the time.
    """
    from inspect_ai.scorer import Score

    extra: dict[str, Any] = json.loads(row["extra"])
    name = str(row["readout"])
    if several:
        name += f" {row['axis']} {row['time']:g}" + "".join(
            f" {extra[key]}" for key in ("probe", "sample") if key in extra
        )
    missing = extra.get("missing")
    said: dict[str, Any] = {
        "answer": extra.get("answer"),
        "explanation": None if missing is None else str(missing),
        "metadata": {key: value for key, value in extra.items() if key not in ("answer", "missing")} or None,
    }
    if "correct" in extra:
        return name, Score(value="C" if extra["correct"] else "I", **said)
    if row["credence"] is None or "accepted" in extra:
        return name, Score.unscored(reason=None if missing is None else str(missing), **said)
    return name, Score(value=float(row["credence"]), **said)


def results_of(samples: Sequence[EvalSample]) -> EvalResults:
    """Return mean and standard error of every score, part by part, over the samples that have one."""
    from inspect_ai.log import EvalResults, EvalScore

    found: dict[tuple[str, str], list[Any]] = {}
    for sample in samples:
        for name, score in (sample.scores or {}).items():
            parts = score.value if isinstance(score.value, dict) else {"": score.value}
            for key, value in parts.items():
                found.setdefault((name, key), []).append(value)
    scores: list[EvalScore] = []
    for (name, key), values in found.items():
        read = np.array(
            [WORTH.get(one, math.nan) if isinstance(one, str) else one for one in values], dtype=np.float64
        )
        read = read[~np.isnan(read)]
        scores.append(
            EvalScore(
                name=key or name,
                scorer=name,
                scored_samples=int(read.size),
                unscored_samples=len(values) - int(read.size),
                metrics=_metrics(read, "accuracy" if any(isinstance(one, str) for one in values) else "mean"),
            )
        )
    return EvalResults(
        total_samples=len(samples),
        completed_samples=sum(sample.error is None for sample in samples),
        scores=scores,
    )


def _metrics(values: Float[np.ndarray, " samples"], name: str) -> dict[str, EvalMetric]:
    from inspect_ai.log import EvalMetric

    out: dict[str, EvalMetric] = {}
    if values.size:
        out[name] = EvalMetric(name=name, value=float(values.mean()))
    if values.size > 1:
        spread = float(values.std(ddof=1) / math.sqrt(values.size))
        out["stderr"] = EvalMetric(name="stderr", value=spread)
    return out

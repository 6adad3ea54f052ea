"""One row per question asked: letter, score and graded numbers, computed for all rows at once."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doxa.belief.information import logsumexp
from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.protocols.kable.items import KableItem
from doxa.protocols.kable.questions import LETTERS

ROWS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "task": pl.String(),
    "subject": pl.String(),
    "idx": pl.Int64(),
    "type": pl.String(),
    "key": pl.String(),
    "prompt_version": pl.String(),
    "method": pl.String(),
    "framing": pl.String(),
    "accepted": pl.String(),
    "answer": pl.String(),
    "missing": pl.String(),
    "correct": pl.Boolean(),
    "log_odds_yes": pl.Float64(),
    "margin": pl.Float64(),
    "accepted_mass": pl.Float64(),
    "brier": pl.Float64(),
}
"""Columns of the rows. ``answer`` is A, B or C, or null with the reason in ``missing``; ``correct`` is null where
the key is empty; the four graded columns are null where the answer was read from text."""

_EXTRA = ("key", "prompt_version", "method", "framing", "accepted", "answer", "missing", "correct", "margin")
_EXTRA_TYPES = pl.Struct(
    {
        **{name: ROWS[name] for name in _EXTRA},
        "accepted_mass": pl.Float64(),
        "brier": pl.Float64(),
    }
)
NO_PROBABILITIES = "no log-probabilities"
TIE = "tie"


class Graded(NamedTuple):
    """What the log-probabilities of the three letters say, one element per question.

    Attributes:
        answer: index of the likeliest letter; -1 where two are likeliest, -2 where there is no usable number.
        log_odds_yes: log P(A) - log(P(B) + P(C)), in nats.
        margin: log P(best accepted) - log P(best rejected), in nats; NaN where either set is empty.
        accepted_mass: share of the accepted letters in the probability of all three; NaN for an empty key.
        brier: (1 - accepted_mass)^2.
    """

    answer: Int[np.ndarray, " questions"]
    log_odds_yes: Float[np.ndarray, " questions"]
    margin: Float[np.ndarray, " questions"]
    accepted_mass: Float[np.ndarray, " questions"]
    brier: Float[np.ndarray, " questions"]


def grade(log_probs: Float[np.ndarray, "questions 3"], accepted: Bool[np.ndarray, "questions 3"]) -> Graded:
    """Return the graded score of each question.

    Args:
        log_probs: log-probabilities in nats of the letters A, B and C, not necessarily normalised over them.
        accepted: which letters count as right.
    """
    usable = ~np.isnan(log_probs).any(axis=1) & (log_probs.max(axis=1) > -np.inf)
    scores = np.where(usable[:, None], log_probs, 0.0)
    best = scores.max(axis=1)
    answer = np.where((scores == best[:, None]).sum(axis=1) > 1, -1, scores.argmax(axis=1))
    right, wrong = np.where(accepted, scores, -np.inf), np.where(accepted, -np.inf, scores)
    keyed = usable & accepted.any(axis=1)
    compared = keyed & ~accepted.all(axis=1)
    with np.errstate(invalid="ignore"):
        margin = np.where(compared, right.max(axis=1) - wrong.max(axis=1), np.nan)
        log_odds = scores[:, 0] - logsumexp(scores[:, 1:], axis=1)
        mass = np.exp(logsumexp(right, axis=1) - logsumexp(scores, axis=1))
    mass = np.where(keyed, mass, np.nan)
    return Graded(
        answer=np.where(usable, answer, -2),
        log_odds_yes=np.where(usable, log_odds, np.nan),
        margin=margin,
        accepted_mass=mass,
        brier=(1.0 - mass) ** 2,
    )


def rows_from_log_probs(
    items: Sequence[KableItem], log_probs: Float[np.ndarray, "questions 3"], framing: str
) -> pl.DataFrame:
    """Return the rows of questions whose letters were scored."""
    accepted = np.array([[letter in item.accepted for letter in LETTERS] for item in items])
    graded = grade(log_probs, accepted.reshape(len(items), len(LETTERS)))
    reasons = {-1: TIE, -2: NO_PROBABILITIES}
    answers = [LETTERS[index] if index >= 0 else None for index in graded.answer.tolist()]
    missing = [reasons.get(index) for index in graded.answer.tolist()]
    numbers = {name: graded[1 + place] for place, name in enumerate(Graded._fields[1:])}
    frame = _frame(items, answers, missing, "logprob", framing)
    frame = frame.with_columns(
        **{name: pl.Series(values, nan_to_null=True) for name, values in numbers.items()}
    )
    # A letter that could not be read is a missing belief, and a missing belief has no number.
    return frame.with_columns(log_odds_yes=pl.when(pl.col("answer").is_not_null()).then("log_odds_yes"))


def rows_from_letters(
    items: Sequence[KableItem], answers: Sequence[str | None], missing: Sequence[str | None], framing: str
) -> pl.DataFrame:
    """Return the rows of questions answered in text; ``missing`` says why an answer is None."""
    return _frame(items, answers, missing, "generate", framing)


def record_rows(recorder: Recorder, rows: pl.DataFrame, subject: str) -> None:
    """Add one belief per row: the proposition is the question's id, its credence that of "Yes".

    Everything the tables and contrasts need stands in the row's extra, so that they can be computed again.
    """
    for row in rows.iter_rows(named=True):
        said_yes = None if row["answer"] is None else float(row["answer"] == "A")
        recorder.belief(
            subject=subject,
            proposition=row["id"],
            readout="stated",
            log_odds=row["log_odds_yes"],
            credence=said_yes if row["log_odds_yes"] is None else None,
            **{name: row[name] for name in _EXTRA_TYPES.to_schema() if _storable(row[name])},
        )


def rows_from_beliefs(beliefs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that were recorded in a table of beliefs."""
    extra = beliefs.select(extra=pl.col("extra").str.json_decode(_EXTRA_TYPES)).unnest("extra")
    parts = pl.col("proposition").str.split("/")
    frame = beliefs.select(
        "log_odds",
        id=pl.col("proposition"),
        task=parts.list.get(0),
        type=parts.list.get(1),
        subject=parts.list.slice(2, parts.list.len() - 3).list.join("/"),
        idx=parts.list.get(-1).cast(pl.Int64),
    )
    frame = pl.concat([frame, extra], how="horizontal")
    graded = pl.when(pl.col("method") == "logprob").then(pl.col("log_odds"))
    return frame.with_columns(log_odds_yes=graded).select(*ROWS).cast(pl.Schema(ROWS))


def prompt_version(prompt: str) -> str:
    """Return a short digest of everything in a prompt but its question: two versions must not be mixed."""
    before, _, rest = prompt.partition("Question: ")
    _, _, after = rest.partition("\n")
    return hashlib.sha256(json.dumps([before, after]).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def one_version(versions: Iterable[str]) -> str:
    """Return the one prompt version of some rows.

    Raises:
        InputError: there are several, or none.
    """
    found = sorted(set(versions))
    if len(found) > 1:
        raise InputError(
            f"the prompts are of {len(found)} versions ({', '.join(found)}): instruction or options differ, so "
            "their answers cannot stand in one result; evaluate each version alone"
        )
    if not found:
        raise InputError("no questions: there is nothing to evaluate")
    return found[0]


def _storable(value: str | float | bool | None) -> bool:
    """Return whether a value has a JSON form: an infinite margin has none and is left out of every mean."""
    return value is not None and (not isinstance(value, float) or math.isfinite(value))


def _frame(
    items: Sequence[KableItem],
    answers: Sequence[str | None],
    missing: Sequence[str | None],
    method: str,
    framing: str,
) -> pl.DataFrame:
    records = [
        {
            "id": item.id,
            "task": item.task,
            "subject": item.subject,
            "idx": item.idx,
            "type": item.type,
            "key": item.key,
            "prompt_version": prompt_version(item.prompt),
            "method": method,
            "framing": framing,
            "accepted": "".join(sorted(item.accepted)),
            "answer": answer,
            "missing": None if answer is not None else reason or "unparsed",
            "correct": answer in item.accepted if item.accepted else None,
        }
        for item, answer, reason in zip(items, answers, missing, strict=True)
    ]
    return pl.DataFrame(records, schema=ROWS)

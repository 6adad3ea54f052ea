"""From rows to a result: accuracy by task, type and subject, yes-bias and chance beside it, contrasts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, bootstrap, wilson
from doxa.errors import InputError
from doxa.protocols.kable.contrasts import Contrast, contrasts
from doxa.protocols.kable.questions import LETTERS, NO_ANSWER, TASKS
from doxa.protocols.kable.rows import one_version

NEAR_CONSTANT = 0.95
"""Share of one letter from which the answers count as near-constant. A subject that answers every question by
the key says A at most 92 % of the time over the whole set, so it is never taken for one."""
CHANCE: pl.Expr = (
    pl.when(pl.col("accepted").str.len_chars() > 0)
    .then(pl.col("accepted").str.len_chars() / len(LETTERS))
    .mean()
)
"""Accuracy of a uniform guess over some rows; null where none has a key."""
MOSTLY_UNREAD = 0.5
"""Share of unread answers from which they count as mostly unread."""


@dataclass(frozen=True)
class KableResult:
    """What a subject's answers to some questions show.

    Attributes:
        table: one row per task and type: task, type, n, accuracy (NaN where ``note`` says why), low and high
            (Wilson, over sentences), yes_share, no_share, undeterminable_share, unparsed (count), yes_bias (share
            of A over the whole task), chance (accuracy of a uniform guess), always_yes (accuracy of saying Yes
            throughout), margin and brier (means, null where answers were read from text), note.
        person_gap: accuracy confirming a third person's belief minus one's own.
        truth_gap: accuracy on true minus on false sentences.
        frame_effect: accuracy on false sentences, asked directly minus in the "I believe" frame.
        factivity: share of Yes after "I know" minus after "I believe", on false sentences.
        rows: one row per question, see ``ROWS``.
        contrasts: these and finer contrasts by name.
        key: whose letters counted as right, ``file`` or ``paper``.
        method: ``logprob`` or ``generate``.
        framing: how a question was put: ``verbatim`` (the prompt alone, answers behind "Answer:"), ``roles`` (as
            "User: …" and "Assistant:"), ``chat`` (through the chat template: the question is the user's turn and
            the answer the reply), or ``own`` where the subject does not say.
        modal: the most frequent letter; "" if there is none.
        modal_share: its share of all answers that were read.
        label: what must stand beside every accuracy, empty if nothing.
    """

    table: pl.DataFrame
    person_gap: Contrast
    truth_gap: Contrast
    frame_effect: Contrast
    factivity: Contrast
    rows: pl.DataFrame
    contrasts: dict[str, Contrast]
    key: str
    method: str
    framing: str
    modal: str
    modal_share: float
    label: str

    @property
    def unparsed(self) -> int:
        """Number of questions without a readable answer, counted as wrong."""
        return int(self.rows["answer"].null_count())

    def by_subject(self) -> pl.DataFrame:
        """Return the table for each subject: task, type, subject and the same columns."""
        return accuracy_table(self.rows, by=("task", "type", "subject"))


def summarise(rows: pl.DataFrame, rng: np.random.Generator) -> KableResult:
    """Return the result of some rows.

    Args:
        rows: one row per question, see ``ROWS``.
        rng: source of the bootstrap's resamples.

    Raises:
        InputError: no rows, or rows of several prompt versions, keys or methods.
    """
    one_version(rows["prompt_version"])
    for column, what in (("key", "answer keys"), ("method", "methods"), ("framing", "framings")):
        found = sorted(set(rows[column]))
        if len(found) > 1:
            raise InputError(f"the rows mix {what} ({', '.join(found)}); evaluate each alone")
    found = contrasts(rows, rng)
    modal, share = _modal(rows)
    return KableResult(
        table=accuracy_table(rows),
        person_gap=found["person_gap"],
        truth_gap=found["truth_gap"],
        frame_effect=found["frame_effect"],
        factivity=found["factivity"],
        rows=rows,
        contrasts=found,
        key=rows["key"][0],
        method=rows["method"][0],
        framing=rows["framing"][0],
        modal=modal,
        modal_share=share,
        label=label_of(rows),
    )


def mean_accuracy(rows: pl.DataFrame, rng: np.random.Generator, level: float = 0.95) -> Interval:
    """Return the accuracy over all rows that have a key, bootstrapped by sentence; unparsed counts as wrong.

    Where every sentence fares the same, resampling sees no spread and Wilson's interval over sentences stands in.
    """
    keyed = rows.filter(pl.col("correct").is_not_null())
    sentences = keyed.select(label=pl.struct("subject", "idx").rank("dense"))["label"].to_numpy()
    found = bootstrap(keyed["correct"].cast(pl.Float64).to_numpy(), clusters=sentences, rng=rng, level=level)
    if found.n and found.low == found.high:
        return wilson(round(found.estimate * found.n), found.n, level)
    return found


def label_of(rows: pl.DataFrame) -> str:
    """Return what must stand beside every accuracy: most answers unread, or near-constant; "" if neither."""
    modal, share = _modal(rows)
    unread = rows["answer"].null_count() / rows.height
    if unread >= MOSTLY_UNREAD:
        return f"{unread:.1%} of the answers could not be read: accuracy reflects that, not the model"
    if share >= NEAR_CONSTANT:
        return f"near-constant answers ({share:.1%} {modal}): accuracy reflects the key, not the model"
    return ""


def accuracy_table(rows: pl.DataFrame, by: tuple[str, ...] = ("task", "type")) -> pl.DataFrame:
    """Return accuracy and answer shares of each group, with Wilson intervals over sentences.

    Unparsed answers count as wrong. Where the key is empty accuracy is NaN and ``note`` says so.
    """
    shares = [
        (pl.col("answer") == letter).fill_null(False).mean().alias(name)
        for letter, name in zip(LETTERS, ("yes_share", "no_share", "undeterminable_share"), strict=True)
    ]
    bias = rows.group_by("task").agg(yes_bias=(pl.col("answer") == "A").fill_null(False).mean())
    table = (
        rows.group_by(by)
        .agg(
            *shares,
            n=pl.len(),
            accuracy=pl.col("correct").mean(),
            sentences=pl.struct("subject", "idx").n_unique(),
            unparsed=pl.col("answer").null_count(),
            chance=CHANCE,
            always_yes=pl.when(pl.col("accepted") != "")
            .then(pl.col("accepted").str.contains("A").cast(pl.Float64))
            .mean(),
            margin=_finite("margin").mean(),
            brier=pl.col("brier").mean(),
        )
        .join(bias, on="task")
        .with_columns(
            note=pl.when(pl.col("accuracy").is_null()).then(pl.lit(NO_ANSWER)).otherwise(pl.lit("")),
            order=pl.col("task").replace_strict(
                {name: place for place, name in enumerate(TASKS)}, default=len(TASKS)
            ),
            late=pl.col("type") == "false",
        )
        .sort("order", "task", "late", *[name for name in by if name not in ("task", "type")])
    )
    # Copies of a question are no new evidence: the interval rests on the number of sentences.
    ends = [
        (math.nan, math.nan) if accuracy is None else wilson(round(accuracy * n), n)[1:3]
        for accuracy, n in table.select("accuracy", "sentences").iter_rows()
    ]
    return table.with_columns(
        pl.col("accuracy").fill_null(math.nan),
        low=pl.Series([low for low, _ in ends], dtype=pl.Float64),
        high=pl.Series([high for _, high in ends], dtype=pl.Float64),
    ).select(
        *by,
        *("n", "accuracy", "low", "high", "yes_share", "no_share", "undeterminable_share", "unparsed"),
        *("yes_bias", "chance", "always_yes", "margin", "brier", "note"),
    )


def _modal(rows: pl.DataFrame) -> tuple[str, float]:
    counts = rows["answer"].drop_nulls().value_counts(sort=True, name="n")
    if counts.is_empty():
        return "", math.nan
    return str(counts["answer"][0]), float(counts["n"][0] / counts["n"].sum())


def _finite(column: str) -> pl.Expr:
    return pl.when(pl.col(column).is_finite()).then(pl.col(column))

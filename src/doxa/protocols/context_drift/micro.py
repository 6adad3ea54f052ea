"""The protocol in micro-English: do one-sided statements move the stance on topics they never mention?

For subjects that speak micro-English: organisms and planted subjects. Beliefs are read as log-probabilities, each
on its own copy of the context, all in one batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from doxa.elicit.micro import MicroAnswer, ask_micro
from doxa.errors import InputError, did_you_mean
from doxa.lab.record import Readout, Recorder
from doxa.subjects.base import Capability, Conversation, Subject, assistant, require, user
from doxa.worlds.micro import COUPLED_TOPICS, TOPICS, UNCOUPLED_TOPICS, Stance, Supports, Vote, say

Reading: TypeAlias = Literal["none", "one-sided", "uncoupled", "mixed", "resampled"]
"""What stands in front of a question: nothing; statements on coupled topics, all on one side; the same on uncoupled
topics; as many for as against on coupled topics; another draw of the one-sided statements."""

READINGS: tuple[Reading, ...] = ("one-sided", "uncoupled", "mixed", "resampled")

SCHEMA: dict[str, pl.DataType] = {
    "reading": pl.String(),
    "topic": pl.String(),
    "coupled": pl.Boolean(),
    "side": pl.Int64(),
    "n": pl.Int64(),
    "context": pl.Int64(),
    "stated_log_odds": pl.Float64(),
    "behavioural_log_odds": pl.Float64(),
    "missing": pl.String(),
}
"""Columns of the rows; ``side`` is +1 for, -1 against, 0 where the context takes none."""


@dataclass(frozen=True, slots=True)
class MicroContext:
    """One context and the topic asked about after it."""

    reading: Reading
    topic: str
    side: int
    n: int
    context: int
    statements: tuple[Stance, ...]

    @property
    def conversation(self) -> Conversation:
        """What was said before the question; the subject has acknowledged it once."""
        if not self.statements:
            return ()
        return (user(" ".join(say(statement) for statement in self.statements)), assistant("ok"))


def micro_drift(
    subject: Subject,
    *,
    n_statements: Sequence[int] = (0, 4, 8),
    topics: Sequence[str] = TOPICS,
    contexts_per_point: int = 8,
    rng: np.random.Generator,
    readings: Sequence[Reading] = READINGS,
) -> pl.DataFrame:
    """Return how a subject stands on topics after statements about other topics.

    Args:
        subject: speaks micro-English and gives log-probabilities.
        n_statements: lengths of the contexts in statements, each >= 0; 0 is asked once per topic.
        topics: topics asked about; none is ever mentioned in its own context.
        contexts_per_point: contexts drawn for each reading, topic, side and length, >= 1.
        rng: source of the contexts.
        readings: which kinds of context to draw.

    Returns:
        One row per context with the columns of ``SCHEMA``: log-odds (nats) of yes to ``do you support``
        (stated) and of ``for`` in ``vote on`` (behavioural); null with the reason in ``missing`` if unreadable.

    Raises:
        InputError: a topic is unknown, a length negative, or there is nothing to ask.
        CapabilityError: the subject gives no log-probabilities.
    """
    require(subject, Capability.SCORE)
    drawn = draw_contexts(
        n_statements=n_statements,
        topics=topics,
        contexts_per_point=contexts_per_point,
        rng=rng,
        readings=readings,
    )
    return ask_contexts(subject, drawn)


def ask_contexts(subject: Subject, drawn: Sequence[MicroContext]) -> pl.DataFrame:
    """Return how a subject stands after contexts that are already drawn, as ``micro_drift`` does.

    Raises:
        CapabilityError: the subject gives no log-probabilities.
    """
    require(subject, Capability.SCORE)
    conversations = [context.conversation for context in drawn]
    questions = [question(context.topic) for question in (Supports, Vote) for context in drawn]
    answers = ask_micro(subject, conversations * 2, questions)
    rows = [
        _row(context, stated, behavioural)
        for context, stated, behavioural in zip(
            drawn, answers[: len(drawn)], answers[len(drawn) :], strict=True
        )
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def draw_contexts(
    *,
    n_statements: Sequence[int],
    topics: Sequence[str],
    contexts_per_point: int,
    rng: np.random.Generator,
    readings: Sequence[Reading] = READINGS,
) -> list[MicroContext]:
    """Return the contexts of all readings, topics, sides and lengths, in that order, the empty ones first."""
    for topic in topics:
        if topic not in TOPICS:
            raise InputError(f"topic={topic!r} is not in the micro world; {did_you_mean(topic, TOPICS)}")
    if contexts_per_point < 1:
        raise InputError(f"contexts_per_point={contexts_per_point}: must be >= 1")
    if not topics or not n_statements or min(n_statements) < 0:
        raise InputError(
            f"topics={tuple(topics)}, n_statements={tuple(n_statements)}: need topics and lengths >= 0"
        )
    out = [MicroContext("none", topic, 0, 0, 0, ()) for topic in topics if 0 in n_statements]
    for reading in readings:
        if reading not in READINGS:
            raise InputError(f"reading={reading!r}: {did_you_mean(reading, READINGS)}")
        for topic in topics:
            for side in (0,) if reading == "mixed" else (1, -1):
                for n in (count for count in n_statements if count > 0):
                    out.extend(
                        MicroContext(
                            reading, topic, side, n, context, _statements(reading, topic, side, n, rng)
                        )
                        for context in range(contexts_per_point)
                    )
    return out


def _statements(
    reading: Reading, asked: str, side: int, n: int, rng: np.random.Generator
) -> tuple[Stance, ...]:
    """Draw n statements on topics other than the asked one; a mixed reading of odd length tosses for its last."""
    pool = [
        topic for topic in (UNCOUPLED_TOPICS if reading == "uncoupled" else COUPLED_TOPICS) if topic != asked
    ]
    about = [pool[int(pick)] for pick in rng.integers(len(pool), size=n)]
    if reading != "mixed":
        return tuple(Stance(topic, side > 0) for topic in about)
    halves = [True] * (n // 2) + [False] * (n // 2) + [bool(rng.integers(2))] * (n % 2)
    return tuple(
        Stance(topic, halves[int(place)]) for topic, place in zip(about, rng.permutation(n), strict=True)
    )


def _row(
    context: MicroContext, stated: MicroAnswer, behavioural: MicroAnswer
) -> dict[str, str | bool | int | float | None]:
    read = {"stated": stated.log_odds, "behavioural": behavioural.log_odds}
    unread = [name for name, log_odds in read.items() if not math.isfinite(log_odds)]
    return {
        "reading": context.reading,
        "topic": context.topic,
        "coupled": context.topic in COUPLED_TOPICS,
        "side": context.side,
        "n": context.n,
        "context": context.context,
        "stated_log_odds": None if "stated" in unread else stated.log_odds,
        "behavioural_log_odds": None if "behavioural" in unread else behavioural.log_odds,
        "missing": f"no finite log-odds: {', '.join(unread)}" if unread else "",
    }


def record_micro(recorder: Recorder, subject: Subject, rows: pl.DataFrame) -> None:
    """Record the mean probability of the side argued for, by topic and length, as for the embedded networks.

    Conditions: ``one-sided`` and ``resampled`` (coupled topics), ``uncoupled`` (uncoupled topics after one-sided text
    on coupled ones) and ``balanced``, where the probability is that of support. The empty context counts for each.
    """
    told = pl.col("reading").is_in(["one-sided", "none"])
    arms = {
        "one-sided": told & pl.col("coupled"),
        "resampled": pl.col("reading").is_in(["resampled", "none"]) & pl.col("coupled"),
        "uncoupled": told & ~pl.col("coupled"),
        "balanced": pl.col("reading").is_in(["mixed", "none"]) & pl.col("coupled"),
    }
    kinds: tuple[tuple[str, Readout, str], ...] = (
        ("stance on", "stated", "stated_log_odds"),
        ("option on", "behavioural", "behavioural_log_odds"),
    )
    for arm, chosen in arms.items():
        for (topic, n), part in rows.filter(chosen).group_by("topic", "n", maintain_order=True):
            sides = part["side"].to_numpy()
            for proposition, readout, column in kinds:
                credence = part.select(1 / (1 + (-pl.col(column)).exp())).to_series().to_numpy()
                argued = np.where(sides < 0, 1 - credence, credence)
                read = argued[~np.isnan(argued)]
                missing = {} if read.size else {"missing": part["missing"][0]}
                recorder.belief(
                    subject=subject.address,
                    proposition=f"{proposition} {topic}",
                    readout=readout,
                    axis="sweep",
                    time=float(str(n)),
                    credence=float(read.mean()) if read.size else None,
                    n=int(read.size),
                    condition=arm,
                    unread=int(argued.size - read.size),
                    **missing,
                )

"""A real model in both seats, or two of them: what of it goes into the record, and back.

Beliefs: one row per reading and round (``time``; 0 is before any argument), proposition ``style number``, credence from
log-probabilities where the skeptic can score, else 1 or 0 by its verdict, or its rating as a share of the scale.
``extra`` holds the style, the skeptic, the convincer, the verdict as read, and what was odd: an empty argument, a role
that was broken, a refusal. Measures: how often each of these came.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from doxa.elicit.refusals import is_refusal
from doxa.lab.parts import Keep
from doxa.lab.record import Recorder
from doxa.protocols.dialogue import record
from doxa.protocols.persuasion.bank import SKEPTICS, Readings
from doxa.protocols.persuasion.dialogues import (
    Argument,
    Convincer,
    Opinion,
    Skeptic,
    as_arguments,
    ask_before,
    read_arguments,
    write_arguments,
)
from doxa.protocols.persuasion.dimensions import CLIMATE, DIMENSIONS, Wording
from doxa.protocols.persuasion.opinions import opinion_form
from doxa.protocols.persuasion.script import CONVINCER
from doxa.protocols.persuasion.verdicts import breaks_role
from doxa.subjects.base import Sampling, Subject

ODD = (
    "empty",
    "argument_breaks_role",
    "argument_refuses",
    "reply_breaks_role",
    "reply_refuses",
    "verdict_breaks_role",
)
"""What is counted beside the verdicts."""


def record_style(
    recorder: Recorder,
    convincers: Sequence[Subject],
    skeptics: Sequence[Subject],
    dimension: str,
    *,
    difficulties: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    seed: int,
    retries: int = 0,
    rounds: int = 1,
    answer: str = "yes-no",
    given: Sequence[str] | None = None,
    wording: Wording = CLIMATE,
    keep: Keep,
) -> None:
    """Let the convincers write arguments of a style and every skeptic read them.

    Args:
        recorder: where it goes.
        convincers: who writes.
        skeptics: who reads, each as every skeptic.
        dimension: the style.
        difficulties: which skeptics read each argument.
        n: arguments.
        max_tokens: longest argument, reply and verdict.
        temperature: of all draws.
        seed: of all draws.
        retries: how often an argument that breaks its role is asked for again.
        rounds: exchanges of argument and reply.
        answer: how the opinion is asked for.
        given: arguments to be read instead of new ones.
        wording: claim, personas and question.
        keep: keeps the replies of subjects on this machine.
    """
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    writers = [Convincer(model, dimension, sampling) for model in convincers]
    arguments = (
        _written(recorder, writers, n, wording, retries, keep)
        if given is None
        else [Argument(who, number, text) for who in writers for number, text in enumerate(given[:n])]
    )
    readers = [Skeptic(model, name, sampling) for model in skeptics for name in difficulties]
    records = read_arguments(arguments, readers, wording, rounds=rounds, answer=answer, keep=keep)
    record(recorder, [one.transcript for one in records])
    unread = opinion_form(wording, answer).unread
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in records:
        who, by = one.skeptic.model.address, one.given.writer.model.address
        odd = {
            "empty": not one.argument.strip(),
            "argument_breaks_role": breaks_role(one.argument),
            "argument_refuses": is_refusal(one.argument),
            "reply_breaks_role": breaks_role(one.reply),
            "reply_refuses": is_refusal(one.reply),
        }
        about = {"dimension": dimension, "difficulty": one.difficulty, "convincer": by}
        for opinion in one.opinions:
            seen = {**odd, "verdict_breaks_role": breaks_role(opinion.verdict)}
            _record_opinion(recorder, who, f"{dimension} {one.number}", opinion, unread, seen, about)
            counts.update((who, by, name) for name, is_so in seen.items() if is_so and opinion.round == 1)
    each = len(records) // (len(skeptics) * len(convincers))
    for who, by, name in product(
        [model.address for model in skeptics], [model.address for model in convincers], ODD
    ):
        count = float(counts[who, by, name])
        recorder.measure(name, count, subject=who, dimension=dimension, convincer=by, of=each)


def _written(
    recorder: Recorder, writers: Sequence[Convincer], n: int, wording: Wording, retries: int, keep: Keep
) -> list[Argument]:
    """Let arguments be written, and record them and how often one was asked for again."""
    written = write_arguments(writers, n, wording, retries=retries, keep=keep)
    for who, talks in zip(writers, written, strict=True):
        record(recorder, talks)
        again = sum(said.attempts - 1 for talk in talks for said in talk.by(CONVINCER))
        recorder.measure(
            "arguments-asked-again", float(again), subject=who.model.address, dimension=who.dimension
        )
    return as_arguments(writers, written)


def record_before(
    recorder: Recorder,
    skeptics: Sequence[Subject],
    *,
    difficulties: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    seed: int,
    answer: str = "yes-no",
    wording: Wording = CLIMATE,
    keep: Keep,
) -> None:
    """Ask each skeptic ``n`` times before any argument; see :func:`record_style`."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    unread = opinion_form(wording, answer).unread
    readers = [Skeptic(model, name, sampling) for model in skeptics for name in difficulties]
    asked = ask_before(readers, n, wording, answer=answer, keep=keep)
    record(recorder, [talk for _, _, talk in asked])
    for row, (who, opinion, _) in enumerate(asked):
        seen = {"verdict_breaks_role": breaks_role(opinion.verdict)}
        about = {"dimension": "", "difficulty": who.difficulty, "convincer": ""}
        number = row % (n * len(difficulties))
        _record_opinion(recorder, who.model.address, f"before {number}", opinion, unread, seen, about)


def _record_opinion(
    recorder: Recorder,
    reader: str,
    proposition: str,
    opinion: Opinion,
    unread: str,
    seen: dict[str, bool],
    about: dict[str, str],
) -> None:
    graded = not math.isnan(opinion.credence)
    credence = opinion.credence if graded else opinion.level
    missing: dict[str, Any] = {}
    if credence is None:
        missing = {"missing": opinion.fault or f"{unread}: {opinion.verdict[:60]}"}
    recorder.belief(
        subject=reader,
        proposition=proposition,
        readout="stated",
        axis="turn",
        time=float(opinion.round),
        credence=credence,
        level=opinion.level,
        convinced=opinion.convinced,
        graded=graded,
        fault=opinion.fault,
        odd=[name for name, is_so in seen.items() if is_so],
        **about,
        **missing,
    )


def asked_readings(beliefs: pl.DataFrame) -> pl.DataFrame:
    """Return the recorded opinions, one row to each.

    Columns: skeptic and convincer (addresses; the convincer is "" before any argument), number, dimension, difficulty,
    round, convinced, credence, graded, empty, fault.
    """
    rows: list[dict[str, Any]] = []
    for row in beliefs.iter_rows(named=True):
        extra = json.loads(row["extra"])
        rows.append(
            {
                "skeptic": row["subject"],
                "convincer": extra["convincer"],
                "number": row["proposition"],
                "dimension": extra["dimension"],
                "difficulty": extra["difficulty"],
                "round": int(row["time"]),
                "convinced": extra["convinced"],
                "credence": row["credence"],
                "graded": extra["graded"],
                "empty": "empty" in extra["odd"],
                "fault": extra["fault"],
            }
        )
    schema: dict[str, Any] = {
        "skeptic": pl.String, "convincer": pl.String,
        "number": pl.String, "dimension": pl.String, "difficulty": pl.String, "round": pl.Int64,
        "convinced": pl.Boolean, "credence": pl.Float64, "graded": pl.Boolean, "empty": pl.Boolean,
        "fault": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def verdict_arrays(asked: pl.DataFrame) -> Readings:
    """Return the readable verdicts of the last round as arrays; readings of empty arguments are left out."""
    last = asked["round"].max()
    read = asked.filter(
        pl.col("round") == last,
        pl.col("dimension") != "",
        ~pl.col("empty"),
        pl.col("convinced").is_not_null(),
    )
    styles = list(DIMENSIONS)
    return Readings(
        np.arange(read.height),
        np.array([SKEPTICS.index(name) for name in read["difficulty"]], dtype=np.int64),
        np.array([styles.index(name) for name in read["dimension"]], dtype=np.int64),
        read["convinced"].to_numpy().astype(bool),
    )

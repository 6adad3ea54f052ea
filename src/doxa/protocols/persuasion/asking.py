"""A real model in both seats, or two of them: what of it goes into the record, and back.

Beliefs: one row per reading and round (``time``; 0 is before any argument), proposition ``style number``, credence from
log-probabilities where the skeptic can score, else 1 or 0 by its verdict. ``extra`` holds the style, the skeptic, the
verdict as read, and what was odd: an empty argument, a role that was broken, a refusal. Measures: how often each of
these came.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.elicit.refusals import is_refusal
from doxa.lab.parts import Keep
from doxa.lab.record import Recorder
from doxa.protocols.dialogue import Transcript, record
from doxa.protocols.persuasion.bank import SKEPTICS, Readings
from doxa.protocols.persuasion.dimensions import CLIMATE, DIMENSIONS, Wording
from doxa.protocols.persuasion.script import (
    CONVINCER,
    SKEPTIC,
    Convincer,
    Opinion,
    Skeptic,
    ask_before,
    read_arguments,
    write_arguments,
)
from doxa.protocols.persuasion.verdicts import breaks_role
from doxa.subjects.base import Sampling, Subject

PILOT = Sampling(temperature=1.0, max_tokens=700)
"""How a pilot is drawn."""

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
    convincer: Subject,
    skeptic: Subject,
    dimension: str,
    *,
    difficulties: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    seed: int,
    retries: int = 0,
    rounds: int = 1,
    given: Sequence[str] | None = None,
    wording: Wording = CLIMATE,
    keep: Keep,
) -> None:
    """Let the convincer write arguments of a style and every skeptic read them.

    Args:
        recorder: where it goes.
        convincer: who writes.
        skeptic: who reads.
        dimension: the style.
        difficulties: which skeptics read each argument.
        n: arguments.
        max_tokens: longest argument, reply and verdict.
        temperature: of all draws.
        seed: of all draws.
        retries: how often an argument that breaks its role is asked for again.
        rounds: exchanges of argument and reply.
        given: arguments to be read instead of new ones.
        wording: claim, personas and question.
        keep: keeps the replies of subjects on this machine.
    """
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    writer = Convincer(convincer, dimension, sampling)
    if given is None:
        talks = write_arguments([writer], n, wording, retries=retries, keep=keep)[0]
        texts = [_text(talk) for talk in talks]
        record(recorder, talks)
        again = sum(said.attempts - 1 for talk in talks for said in talk.by(CONVINCER))
        recorder.measure(
            "arguments-asked-again", float(again), subject=convincer.address, dimension=dimension
        )
    else:
        texts = list(given[:n])
    readers = [Skeptic(skeptic, name, sampling) for name in difficulties]
    numbered = [(dimension, number, text) for number, text in enumerate(texts)]
    records = read_arguments(numbered, readers, writer, wording, rounds=rounds, keep=keep)
    record(recorder, [one.transcript for one in records])
    counts: Counter[str] = Counter()
    for one in records:
        odd = {
            "empty": not one.argument.strip(),
            "argument_breaks_role": breaks_role(one.argument),
            "argument_refuses": is_refusal(one.argument),
            "reply_breaks_role": breaks_role(one.reply),
            "reply_refuses": is_refusal(one.reply),
        }
        for opinion in one.opinions:
            seen = {**odd, "verdict_breaks_role": breaks_role(opinion.verdict)}
            _record_opinion(
                recorder, skeptic, f"{dimension} {one.number}", opinion, dimension, one.difficulty, seen
            )
            counts.update(name for name, is_so in seen.items() if is_so and opinion.round == 1)
    for name in ODD:
        recorder.measure(
            name, float(counts[name]), subject=skeptic.address, dimension=dimension, of=len(records)
        )


def record_before(
    recorder: Recorder,
    skeptic: Subject,
    *,
    difficulties: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    seed: int,
    wording: Wording = CLIMATE,
    keep: Keep,
) -> None:
    """Ask each skeptic ``n`` times before any argument; see :func:`record_style`."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    readers = [Skeptic(skeptic, name, sampling) for name in difficulties]
    asked = ask_before(readers, n, wording, keep=keep)
    record(recorder, [talk for _, _, talk in asked])
    for number, (difficulty, opinion, _) in enumerate(asked):
        seen = {"verdict_breaks_role": breaks_role(opinion.verdict)}
        _record_opinion(recorder, skeptic, f"before {number}", opinion, "", difficulty, seen)


def _record_opinion(
    recorder: Recorder,
    skeptic: Subject,
    proposition: str,
    opinion: Opinion,
    dimension: str,
    difficulty: str,
    seen: dict[str, bool],
) -> None:
    graded = not math.isnan(opinion.credence)
    credence = opinion.credence if graded else None if opinion.convinced is None else float(opinion.convinced)
    missing: dict[str, Any] = {}
    if credence is None:
        missing = {"missing": opinion.fault or f"begins with neither Yes nor No: {opinion.verdict[:60]}"}
    recorder.belief(
        subject=skeptic.address,
        proposition=proposition,
        readout="stated",
        axis="turn",
        time=float(opinion.round),
        credence=credence,
        dimension=dimension,
        difficulty=difficulty,
        convinced=opinion.convinced,
        graded=graded,
        fault=opinion.fault,
        odd=[name for name, is_so in seen.items() if is_so],
        **missing,
    )


def asked_readings(beliefs: pl.DataFrame) -> pl.DataFrame:
    """Return the recorded opinions: number, dimension, difficulty, round, convinced, credence, graded, empty, fault."""
    rows: list[dict[str, Any]] = []
    for row in beliefs.iter_rows(named=True):
        extra = json.loads(row["extra"])
        rows.append(
            {
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


def _text(talk: Transcript) -> str:
    said = talk.by(CONVINCER)
    return "" if not said or said[0].fault else said[0].text


def run_grid(
    convincer: Subject,
    skeptic: Subject,
    dimensions: Sequence[str] = tuple(DIMENSIONS),
    difficulties: Sequence[str] = SKEPTICS,
    n: int = 20,
    *,
    wording: Wording = CLIMATE,
    sampling: Sampling = PILOT,
) -> pl.DataFrame:
    """Return one row per reading of the whole grid, arguments written once and read by every skeptic.

    Args:
        convincer: who writes.
        skeptic: who reads.
        dimensions: styles.
        difficulties: skeptics.
        n: arguments of each style.
        wording: claim, personas and question.
        sampling: of all draws.

    Returns:
        Columns dimension, difficulty, number, argument, reply, verdict, convinced, credence, fault.
    """
    writers = [Convincer(convincer, name, sampling) for name in dimensions]
    written = write_arguments(writers, n, wording)
    bank = [
        (name, number, _text(talk))
        for name, talks in zip(dimensions, written, strict=True)
        for number, talk in enumerate(talks)
    ]
    readers = [Skeptic(skeptic, name, sampling) for name in difficulties]
    records = read_arguments(bank, readers, writers[0], wording)
    return pl.DataFrame(
        [
            {
                "dimension": one.dimension,
                "difficulty": one.difficulty,
                "number": one.number,
                "argument": one.argument,
                "reply": one.reply,
                "verdict": one.opinions[-1].verdict,
                "convinced": one.opinions[-1].convinced if one.argument.strip() else None,
                "credence": one.opinions[-1].credence,
                "fault": one.opinions[-1].fault,
            }
            for one in records
        ]
    )


__all__ = [
    "CONVINCER",
    "SKEPTIC",
    "asked_readings",
    "record_before",
    "record_style",
    "run_grid",
    "verdict_arrays",
]

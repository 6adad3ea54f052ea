"""The published form: a battery before and after one way of growing a context, at several lengths, recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import polars as pl

from doxa.canonical import Json, digest
from doxa.errors import InputError, did_you_mean
from doxa.lab.record import Recorder
from doxa.lab.sentence_vectors import MiniLM
from doxa.protocols.context_drift.accumulate import Accumulated
from doxa.protocols.context_drift.asking import MeasureOptions
from doxa.protocols.context_drift.items import BeliefItem, ReadingText
from doxa.protocols.context_drift.library import Library
from doxa.protocols.context_drift.masked_reading import MaskedReading
from doxa.protocols.context_drift.measuring import judge_agreement, measure
from doxa.protocols.context_drift.reading import Reading
from doxa.protocols.context_drift.research import Research
from doxa.protocols.context_drift.shifts import shift
from doxa.protocols.context_drift.talk import Debate, Persuasion, cut_rounds
from doxa.subjects.base import Sampling, Subject

Progress = Callable[[float, float, str], None]

WAYS = (
    "reading-<leaning>",
    "reading-balanced",
    "masked-<leaning>",
    "thinned-<leaning>",
    "persuasion",
    "debate",
    "research",
)
"""The ways a context can grow; a leaning is one that the texts have. ``masked`` leaves out the sentences most relevant
to each item, ``thinned`` as many at random."""


@dataclass(frozen=True)
class Growth:
    """One way of growing a context, and the lengths at which it is measured.

    Attributes:
        way: its name, see ``WAYS``.
        axis: what its length counts: rounds, words (sweep), or tool calls (step).
        lengths: lengths, rising.
        grow: returns the contexts of one length.
        require_room: raises InputError if the longest could outgrow the subject's context.
    """

    way: str
    axis: Literal["round", "sweep", "step"]
    lengths: tuple[int, ...]
    grow: Callable[[Subject, Sequence[BeliefItem], int], Accumulated]
    require_room: Callable[[Subject], None]


def growth(
    way: str,
    *,
    items: Sequence[BeliefItem],
    texts: Sequence[ReadingText],
    rounds: Sequence[int],
    words: Sequence[int],
    technique: str = "information",
    other: Subject | None = None,
    reply_tokens: int = 200,
    max_steps: int = 8,
    mask_share: float = 0.2,
    seed: int = 0,
) -> Growth:
    """Return a way of growing contexts by its name.

    Args:
        way: see ``WAYS``.
        items: the battery, whose notes research can find.
        texts: what is read, and can be found.
        rounds: lengths of talks, in rounds.
        words: lengths of readings, in words; those beyond the texts become one reading of everything.
        technique: the persuader's.
        other: the opponent or persuader; None lets the subject play both.
        reply_tokens: longest speech.
        max_steps: tool calls of research.
        mask_share: share of the sentences that masking leaves out.
        seed: seed of what is left out at random.

    Raises:
        InputError: there is no such way, no text of that leaning, or no length.
    """
    sampling = Sampling(max_tokens=reply_tokens)
    kind, dash, leaning = way.partition("-")
    if dash and kind in ("reading", "masked", "thinned"):
        chosen = _chosen(texts, leaning)
        available = Reading(chosen).words_available
        lengths = tuple(sorted({min(length, available) for length in words})) or (available,)

        def read(model: Subject, some: Sequence[BeliefItem], length: int) -> Accumulated:
            reading = Reading(chosen, length)
            if kind == "reading":
                return reading.accumulate_all(model, some)
            return MaskedReading(
                reading, mask_share, _mini_lm() if kind == "masked" else None, seed
            ).accumulate_all(model, some)

        return Growth(way, "sweep", lengths, read, Reading(chosen, lengths[-1]).require_room)
    if way in ("persuasion", "debate"):
        if not rounds:
            raise InputError(f"{way} needs rounds; name at least one, for example 2,4")
        most = max(rounds)
        talk = (
            Debate(most, other, sampling=sampling)
            if way == "debate"
            else Persuasion(technique, most, other, sampling)
        )
        return Growth(way, "round", tuple(sorted(set(rounds))), _truncated(talk), talk.require_room)
    if way == "research":
        library = Library.of(items, texts)
        return Growth(
            way,
            "step",
            (max_steps,),
            lambda model, some, length: Research(library, length).accumulate_all(model, some),
            Research(library, max_steps).require_room,
        )
    raise InputError(f"accumulator {way!r}: {did_you_mean(way, WAYS)}")


def record_growth(
    recorder: Recorder,
    model: Subject,
    items: Sequence[BeliefItem],
    grown: Growth,
    *,
    options: MeasureOptions,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Measure a battery in the empty context twice, then after each length, and record everything.

    Beliefs: one row per item, probe and pass; time is the length, 0 for the baseline. Measures: the numbers of
    ``ShiftResult`` per length and probe. Transcripts: the longest context of every item, and every raw answer.

    Raises:
        InputError: the longest context could outgrow the subject's; nothing was measured.
    """
    total = float(len(grown.lengths) + 1)
    grown.require_room(model)
    planned = planned_calls(grown, len(items), options.max_steps)
    recorder.measure("calls_at_most", float(planned), subject=model.address, unit="calls", axis=grown.axis)
    progress(0.0, total, f"at most {planned} calls")
    pre = measure(model, items, passes=2, options=options)
    _record_answers(recorder, model, grown, 0, pre)
    progress(1.0, total, "baseline measured")
    for done, length in enumerate(grown.lengths, 2):
        made = grown.grow(model, items, length)
        post = measure(model, items, made.contexts, first_pass=2, options=options)
        _record_answers(recorder, model, grown, length, post)
        _record_shift(recorder, model, grown, length, pre, post, made, rng)
        if length == grown.lengths[-1]:
            _record_contexts(recorder, model, made)
        progress(float(done), total, f"length {length} measured")


def planned_calls(grown: Growth, n_items: int, max_steps: int) -> int:
    """Return how many conversations a measurement asks for at most, judges left out.

    Each of two baseline passes and each length takes a label, an agreement and a task of up to ``max_steps`` calls per
    item; a talk takes its views and two speeches per round, research its calls and a report, a masked reading one
    summary per item and length.
    """
    probes = n_items * (2 + max_steps) * (2 + len(grown.lengths))
    most = max(grown.lengths)
    each = {"round": 2 + 2 * most, "step": most + 1, "sweep": 0}[grown.axis]
    summaries = len(grown.lengths) * (1 if grown.way.startswith("reading-") else n_items)
    return probes + (summaries if grown.axis == "sweep" else each * n_items)


@cache
def _mini_lm() -> MiniLM:
    return MiniLM()


def _truncated(talk: Debate | Persuasion) -> Callable[[Subject, Sequence[BeliefItem], int], Accumulated]:
    """Talk once, as long as the longest, and return prefixes of it."""
    held: list[Accumulated] = []

    def grow(model: Subject, items: Sequence[BeliefItem], length: int) -> Accumulated:
        if not held:
            held.append(talk.accumulate_all(model, items))
        whole = held[0]
        return whole._replace(
            contexts={key: cut_rounds(talk, length) for key, talk in whole.contexts.items()}
        )

    return grow


def _chosen(texts: Sequence[ReadingText], leaning: str) -> list[ReadingText]:
    """Return the texts of a leaning; ``balanced`` takes turns between all leanings."""
    by_leaning: dict[str, list[ReadingText]] = {}
    for text in texts:
        by_leaning.setdefault(text.leaning, []).append(text)
    if leaning in by_leaning and leaning:
        return by_leaning[leaning]
    if leaning != "balanced":
        raise InputError(
            f"leaning '{leaning}': no text has this leaning; {did_you_mean(leaning, by_leaning)}"
        )
    return [text for turn in zip(*by_leaning.values(), strict=False) for text in turn]


def _record_answers(
    recorder: Recorder, model: Subject, grown: Growth, length: int, frame: pl.DataFrame
) -> None:
    for row in frame.iter_rows(named=True):
        value, log_odds = row["value"], row["log_odds"]
        credence = (
            None if value is None else value / 100.0 if row["probe"] == "likert" else (value + 1.0) / 2.0
        )
        recorder.belief(
            subject=model.address,
            proposition=row["item"],
            readout="stated" if row["probe"] in ("label", "likert") else "behavioural",
            axis=grown.axis,
            time=length,
            log_odds=log_odds,
            credence=None if log_odds is not None else credence,
            probe=row["probe"],
            sample=row["sample"],
            refusal=row["refusal"],
            **({"missing": row["missing"]} if value is None else {}),
        )
        recorder.utterance(
            subject=model.address,
            conversation=f"{row['item']}/{row['probe']}/{length}/{row['sample']}",
            turn=0,
            role="assistant",
            text=row["raw"],
        )


def _record_shift(
    recorder: Recorder,
    model: Subject,
    grown: Growth,
    length: int,
    pre: pl.DataFrame,
    post: pl.DataFrame,
    made: Accumulated,
    rng: np.random.Generator,
) -> None:
    def put(measure: str, value: float, unit: str, reason: str = "", **extra: Any) -> None:
        missing = {"missing": reason or "nothing to compare"} if math.isnan(value) else {}
        recorder.measure(
            measure, value, subject=model.address, unit=unit, axis=grown.axis, time=length, **extra, **missing
        )

    for probe, name in (("label", "stated"), ("behavior", "behavioural")):
        found = shift(pre, post, sides=made.sides, probe=probe, rng=rng)
        ends: dict[str, Any] = {} if found.ci is None else {"low": found.ci[0], "high": found.ci[1]}
        put(f"shift/{name}", found.shift, "percent", n=found.n)
        put(f"floor/{name}", found.floor, "percent")
        put(f"net_shift/{name}", found.net_shift, "percent", n=found.n, **ends)
        put(f"directional/{name}", found.directional, "percent")
        for count, value in found.refusals._asdict().items():
            put(f"{count}/{name}", float(value), "items")
        if probe == "label":
            put("likert_delta", found.likert_delta, "points")
            put("phi", found.phi, "", found.phi_reason)
            for cell, count in zip(
                ("both", "belief only", "behaviour only", "neither"), sum(found.table, ()), strict=True
            ):
                put(f"table/{cell}", float(count), "items")
    put("skipped", float(len(made.skipped)), "items", reasons=dict(made.skipped))
    agreed, compared = judge_agreement(post)
    if compared:
        put("judge_agreement", agreed / compared, "fraction", n=compared)


def _record_contexts(recorder: Recorder, model: Subject, made: Accumulated) -> None:
    """Record each different context once; a reading is the same for all items."""
    seen: set[tuple[str, str]] = set()
    for who, contexts in (("context", made.contexts), ("partner", made.partners)):
        for item, conversation in contexts.items():
            key = (who, digest([message.as_json() for message in conversation]))
            if key in seen:
                continue
            seen.add(key)
            for turn, message in enumerate(conversation):
                calls: list[Json] = [
                    {"name": call.name, "arguments": dict(call.arguments)} for call in message.tool_calls
                ]
                recorder.utterance(
                    subject=model.address,
                    conversation=f"{item}/{who}",
                    turn=turn,
                    role=message.role,
                    text=message.content,
                    tool_calls=calls,
                )

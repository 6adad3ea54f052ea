"""What the answers in a log say: letters of KaBLE's, and chosen options of multiple-choice questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from doxa.interop.inspect.words import to_reply
from doxa.interop.questions import from_row
from doxa.lab.record import Recorder, Tables
from doxa.protocols.kable.asking import LetterRead, option_texts, read_reply
from doxa.protocols.kable.items import KableItem
from doxa.protocols.kable.rows import record_rows, rows_from_letters, rows_from_log_probs

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample

_FIELDS = ("id", "task", "type", "subject", "idx", "sentence", "accepted", "key")


def kable_beliefs(asked: Sequence[tuple[EvalSample, str]], subject: str, method: str) -> Tables:
    """Return one belief per question, as ``doxa run kable`` records it: the replies are read again.

    Args:
        asked: the samples, each with its condition.
        subject: address of who was asked.
        method: ``logprob`` where the letters were scored.
    """
    parts: list[Tables] = []
    cells: dict[tuple[str, int], list[EvalSample]] = {}
    for sample, condition in asked:
        cells.setdefault((condition, sample.epoch), []).append(sample)
    framing = next((_framing(sample) for sample, _ in asked if not sample.output.empty), "chat")
    scored = method == "logprob"
    for (name, epoch), samples in cells.items():
        items = [_item(sample) for sample in samples]
        if scored:
            log_probs = np.array([_log_probs(sample, framing) for sample in samples])
            rows = _with_faults(rows_from_log_probs(items, log_probs, framing), samples)
        else:
            read = [_letter(sample) for sample in samples]
            rows = rows_from_letters(
                items, [one.letter for one in read], [one.missing for one in read], framing
            )
        recorder = Recorder(name, epoch - 1)
        record_rows(recorder, rows, subject)
        parts.append(recorder.tables())
    return Tables.concat(parts)


def choice_beliefs(log: EvalLog, subject: str) -> Tables:
    """Return one belief per choice of every multiple-choice sample: 1 for the chosen, 0 for the others.

    The proposition is ``<sample>/<letter>``. Where no answer was read all are missing.
    """
    parts: list[Tables] = []
    for sample in log.samples or ():
        if not sample.choices:
            continue
        recorder = Recorder(log.eval.task, sample.epoch - 1)
        letters = [chr(ord("A") + place) for place in range(len(sample.choices))]
        answers = [score.answer for score in (sample.scores or {}).values() if score.answer]
        chosen = {
            letter
            for letter in letters
            if answers and letter in answers[0].upper().replace(" ", "").split(",")
        }
        why = f"fault: {sample.error.message}" if sample.error else "no answer could be read"
        target = {sample.target} if isinstance(sample.target, str) else set(sample.target)
        unread: dict[str, Any] = {} if chosen else {"missing": why}
        for letter, choice in zip(letters, sample.choices, strict=True):
            recorder.belief(
                subject=subject,
                proposition=f"{sample.id}/{letter}",
                readout="stated",
                credence=float(letter in chosen) if chosen else None,
                choice=choice,
                target=letter in target,
                **unread,
            )
        parts.append(recorder.tables())
    return Tables.concat(parts)


def _item(sample: EvalSample) -> KableItem:
    given = sample.input
    prompt = given if isinstance(given, str) else given[-1].text
    return from_row({**{name: sample.metadata.get(name) for name in _FIELDS}, "prompt": prompt})


def _letter(sample: EvalSample) -> LetterRead:
    if sample.error is not None:
        return LetterRead(None, f"fault: {sample.error.message}")
    return read_reply(to_reply(sample.output))


def _framing(sample: EvalSample) -> str:
    return str((sample.output.metadata or {}).get("framing", "chat"))


def _log_probs(sample: EvalSample, framing: str) -> list[float]:
    """Return the log-probabilities of the three letters in nats, NaN where there are none."""
    given = None if sample.output.empty else sample.output.choices[0].logprobs
    top = given.content[0].top_logprobs if given is not None and given.content else None
    found = {one.token: one.logprob for one in top or []}
    return [found.get(text, math.nan) for text in option_texts(framing)]


def _with_faults(rows: pl.DataFrame, samples: Sequence[EvalSample]) -> pl.DataFrame:
    """Say why where a sample failed."""
    faults = [f"fault: {sample.error.message}" if sample.error else None for sample in samples]
    return rows.with_columns(missing=pl.coalesce(pl.Series(faults, dtype=pl.String), pl.col("missing")))

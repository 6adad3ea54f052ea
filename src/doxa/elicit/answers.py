"""Answers: what was believed, how it was read, and what could not be read; from scores or from replies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from doxa.belief.inference import Interval, mean_t_interval, wilson
from doxa.belief.information import expit, logit, logsumexp, normalise_log_probs
from doxa.elicit.questions import Question
from doxa.elicit.reading import Found, Reading, Refusal, Unparsed
from doxa.lab.record import Readout

Value = str | float | int | tuple[str, ...]
Kind = Literal["answer", "refusal", "missing"]
Method = Literal["log-probabilities", "text"]

UNSCORED = "an option was not scored"
"""Why a question has no answer from log-probabilities where the subject does not tell that of every option."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question's answer, over all orders and samples in which it was put.

    Attributes:
        question: id of the question.
        proposition: id of the proposition.
        elicitor: name of the elicitor.
        kind: ``answer``; ``refusal`` or ``missing`` where nothing at all could be read, whichever was more frequent.
        readout: ``stated`` or ``behavioural``.
        method: ``log-probabilities`` or ``text``.
        value: the option, number or order answered; the most frequent or likeliest of several, the mean of several
            numbers; None without an answer, or with two equally frequent ones.
        credence: belief in the proposition in [0, 1]: expected share affirmed; None where the options say nothing.
        log_odds: the same in nats. From counted replies it is log((s + 1/2) / (n - s + 1/2)), finite at any n; from
            stated numbers it is infinite where they are certain.
        probabilities: of each option, adding to 1; empty for numbers read from text.
        n: orders scored, or replies read.
        refusals: replies that declined.
        missing: replies that could not be read, and faults.
        interval: of the credence, where replies were sampled.
        intervals: of each option's probability, Wilson's, where replies were sampled.
        reason: why there is no answer, or no value.
        raw: every reply as it came, in the order asked; empty for log-probabilities.
        by_order: log-odds in each order of the options; their spread is the position's effect.
        log_mass: mean log-probability of giving any of the options at all, in nats; near 0 is all.
        log_probs: log-probability of each option in nats, adding to 1 as probabilities; empty for text.
    """

    question: str
    proposition: str
    elicitor: str
    kind: Kind
    readout: Readout
    method: Method
    value: Value | None = None
    credence: float | None = None
    log_odds: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict[str, float])
    n: int = 0
    refusals: int = 0
    missing: int = 0
    interval: Interval | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    reason: str = ""
    raw: tuple[str, ...] = ()
    by_order: tuple[float, ...] = ()
    log_mass: float | None = None
    log_probs: tuple[float, ...] = ()

    def as_belief(self) -> dict[str, Any]:
        """Return what ``Recorder.belief`` takes, except subject, axis and time; a missing one says why."""
        row: dict[str, Any] = {"proposition": self.proposition, "readout": self.readout, "n": self.n}
        if self.log_odds is None and self.credence is None:
            return {**row, "missing": f"{self.kind}: {self.reason}" if self.reason else self.kind}
        ends = self.interval and self.interval.ends
        if ends:
            row["interval"] = list(ends)
        return {**row, "log_odds": self.log_odds, "credence": self.credence}


def from_scores(
    questions: Sequence[Question],
    elicitor: str,
    values: Sequence[Value],
    shares: Sequence[float | None],
    log_probs: Float[np.ndarray, "questions orders options"],
) -> list[Answer]:
    """Return the answers that the options' log-probabilities give, averaged over orders as log-probabilities.

    A bias towards a place adds the same to every option once each has stood in each place, and normalising takes it
    away. The log-odds are log Σ p·a - log Σ p·(1 - a) over options that affirm the proposition by a.

    Args:
        questions: questions with the same options.
        elicitor: name of the elicitor.
        values: value of each option, names or numbers.
        shares: how much each option affirms the proposition, None for neither.
        log_probs: of each option in each order, in nats, options in their own order; NaN where not scored.
    """
    reasons = _unusable(log_probs)
    kept = [index for index, reason in enumerate(reasons) if not reason]
    blanks = [
        Answer(q.id, q.proposition, elicitor, "missing", q.readout, "log-probabilities") for q in questions
    ]
    answers = [replace(blank, reason=reason) for blank, reason in zip(blanks, reasons, strict=True)]
    if not kept:
        return answers
    usable = np.asarray(log_probs[kept], dtype=np.float64)
    masses = np.asarray(logsumexp(usable, axis=2)).mean(axis=1)
    each = normalise_log_probs(usable, axis=2)
    settled = normalise_log_probs(each.mean(axis=1), axis=1)
    log_odds, by_order = _log_odds(settled, shares), _log_odds(each, shares)
    credences = expit(log_odds)
    numbers = all(isinstance(value, float | int) for value in values)
    means = np.exp(settled) @ np.array(values, dtype=np.float64) if numbers else np.zeros(len(kept))
    names = [str(value) for value in values]
    ties = np.sum(settled == settled.max(axis=1, keepdims=True), axis=1) > 1
    for row, index in enumerate(kept):
        told, tie = not math.isnan(log_odds[row]), bool(ties[row]) and not numbers
        value: Value = float(means[row]) if numbers else values[int(np.argmax(settled[row]))]
        answers[index] = replace(
            answers[index],
            kind="answer",
            value=None if tie else value,
            credence=float(credences[row]) if told else None,
            log_odds=float(log_odds[row]) if told else None,
            probabilities=dict(zip(names, np.exp(settled[row]).tolist(), strict=True)),
            n=log_probs.shape[1],
            reason="two options are equally likely" if tie else "",
            by_order=tuple(by_order[row].tolist()) if told else (),
            log_mass=float(masses[row]),
            log_probs=tuple(settled[row].tolist()),
        )
    return answers


def from_readings(
    question: Question,
    elicitor: str,
    options: Sequence[tuple[Value, float | None]],
    readings: Sequence[Reading],
    raw: Sequence[str],
    *,
    scale: tuple[float, float] | None = None,
    sampled: bool = False,
) -> Answer:
    """Return the answer that some replies give together.

    Args:
        question: the question.
        elicitor: name of the elicitor.
        options: value of each option with how much it affirms the proposition; unused for numbers and orders.
        readings: what was read in each reply.
        raw: the replies.
        scale: ends of the scale if the values are numbers.
        sampled: whether the replies are random draws, so that an interval makes sense.
    """
    values: list[Value] = [reading.value for reading in readings if isinstance(reading, Found)]
    refusals = sum(isinstance(reading, Refusal) for reading in readings)
    missing = len(readings) - len(values) - refusals
    blank = Answer(
        question.id,
        question.proposition,
        elicitor,
        "answer",
        question.readout,
        "text",
        n=len(values),
        refusals=refusals,
        missing=missing,
        raw=tuple(raw),
    )
    if not values:
        kind: Kind = "refusal" if refusals and refusals >= missing else "missing"
        wanted = Refusal if kind == "refusal" else Unparsed
        reasons = Counter(reading.reason for reading in readings if isinstance(reading, wanted))
        return replace(
            blank, kind=kind, reason=reasons.most_common(1)[0][0] if reasons else "nothing was asked"
        )
    if scale is not None:
        return _from_numbers(blank, [float(v) for v in values if isinstance(v, float | int)], scale, sampled)
    counts = Counter(values).most_common()
    tie = len(counts) > 1 and counts[0][1] == counts[1][1]
    affirmed = dict(options)
    shares = [share for value in values if (share := affirmed.get(value)) is not None]
    names = [value for value, _ in options]
    return replace(
        blank,
        value=None if tie else counts[0][0],
        credence=float(np.mean(shares)) if shares else None,
        log_odds=_counted_log_odds(shares),
        probabilities={str(name): values.count(name) / len(values) for name in names},
        interval=_share_interval(shares) if sampled and shares else None,
        intervals={str(name): wilson(values.count(name), len(values)) for name in names} if sampled else {},
        reason="two answers are equally frequent" if tie else "",
    )


def _from_numbers(blank: Answer, numbers: list[float], scale: tuple[float, float], sampled: bool) -> Answer:
    low, high = scale
    shares = [(number - low) / (high - low) for number in numbers]
    mean = float(np.mean(shares))
    return replace(
        blank,
        value=float(np.mean(numbers)),
        credence=mean,
        log_odds=logit(mean),
        interval=mean_t_interval(shares) if sampled and len(shares) > 1 else None,
    )


def _unusable(log_probs: Float[np.ndarray, "questions orders options"]) -> list[str]:
    """Return for each question why its scores give no answer, or an empty string."""
    unscored = np.any(np.isnan(log_probs) | np.isposinf(log_probs), axis=(1, 2))
    absent = np.any(np.all(np.isneginf(log_probs), axis=2), axis=1)
    excluded = np.all(np.any(np.isneginf(log_probs), axis=1), axis=1)
    reasons = (
        UNSCORED,
        "no option has any probability",
        "each option is impossible in some order",
    )
    return [
        next((reason for reason, applies in zip(reasons, which, strict=True) if applies), "")
        for which in zip(unscored.tolist(), absent.tolist(), excluded.tolist(), strict=True)
    ]


def _log_odds(
    log_probs: Float[np.ndarray, "*batch options"], shares: Sequence[float | None]
) -> Float[np.ndarray, "*batch"]:
    """Return log Σ p·a - log Σ p·(1 - a) over options that affirm by a; NaN without such an option or any mass."""
    told = [index for index, share in enumerate(shares) if share is not None]
    if not told:
        return np.full(log_probs.shape[:-1], np.nan)
    affirming = np.array([shares[index] for index in told], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        true = logsumexp(log_probs[..., told] + np.log(affirming))
        false = logsumexp(log_probs[..., told] + np.log1p(-affirming))
        return np.asarray(true - false)


def _counted_log_odds(shares: list[float]) -> float | None:
    """Return the empirical log-odds log((s + 1/2) / (n - s + 1/2)) of the shares affirmed (Haldane and Anscombe)."""
    if not shares:
        return None
    total = float(np.sum(shares))
    return math.log(total + 0.5) - math.log(len(shares) - total + 0.5)


def _share_interval(shares: list[float]) -> Interval:
    if all(share in (0.0, 1.0) for share in shares):
        return wilson(int(sum(shares)), len(shares))
    return mean_t_interval(shares)

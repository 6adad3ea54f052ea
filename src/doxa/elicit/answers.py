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
        return {**row, "log_odds": self.log_odds, "credence": self.credence}


def from_scores(
    question: Question,
    elicitor: str,
    values: Sequence[Value],
    shares: Sequence[float | None],
    log_probs: Float[np.ndarray, "orders options"],
) -> Answer:
    """Return the answer that the options' log-probabilities give, averaged over orders as log-probabilities.

    A bias towards a place adds the same to every option once each has stood in each place, and normalising takes it
    away. The log-odds are log Σ p·a - log Σ p·(1 - a) over options that affirm the proposition by a.

    Args:
        question: the question.
        elicitor: name of the elicitor.
        values: value of each option, names or numbers.
        shares: how much each option affirms the proposition, None for neither.
        log_probs: of each option in each order, in nats, options in their own order.
    """
    blank = Answer(
        question.id, question.proposition, elicitor, "missing", question.readout, "log-probabilities"
    )
    if np.any(np.isnan(log_probs)) or np.any(np.isposinf(log_probs)):
        return replace(blank, reason="an option was not scored")
    mass = np.asarray(logsumexp(log_probs, axis=1))
    if np.any(np.isneginf(mass)):
        return replace(blank, reason="no option has any probability")
    each = normalise_log_probs(log_probs)
    mean = each.mean(axis=0)
    if np.all(np.isneginf(mean)):
        return replace(blank, reason="each option has probability 0 in some order")
    settled = normalise_log_probs(mean)
    p = np.exp(settled)
    log_odds = _log_odds(settled, shares)
    best = np.flatnonzero(settled == settled.max())
    numbers = all(isinstance(value, float | int) for value in values)
    value: Value | None = float(p @ np.array(values, dtype=np.float64)) if numbers else values[int(best[0])]
    tie = best.size > 1 and not numbers
    by_order = [_log_odds(row, shares) for row in each]
    return replace(
        blank,
        kind="answer",
        value=None if tie else value,
        credence=None if log_odds is None else expit(log_odds),
        log_odds=log_odds,
        probabilities={str(value): float(share) for value, share in zip(values, p, strict=True)},
        n=log_probs.shape[0],
        reason="two options are equally likely" if tie else "",
        by_order=tuple(each_odds for each_odds in by_order if each_odds is not None),
        log_mass=float(mass.mean()),
        log_probs=tuple(float(log_prob) for log_prob in settled),
    )


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


def _log_odds(log_probs: Float[np.ndarray, " options"], shares: Sequence[float | None]) -> float | None:
    """Return log Σ p·a - log Σ p·(1 - a) over options that affirm by a; None without such an option or any mass."""
    told = [index for index, share in enumerate(shares) if share is not None]
    if not told:
        return None
    affirming = np.array([shares[index] for index in told], dtype=np.float64)
    with np.errstate(divide="ignore"):
        true = float(logsumexp(log_probs[told] + np.log(affirming)))
        false = float(logsumexp(log_probs[told] + np.log1p(-affirming)))
    return None if math.isinf(true) and math.isinf(false) else true - false


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

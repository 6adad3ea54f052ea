"""A user's training log: the law, what it forecasts, and what a monitor would have warned of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from doxa.belief.inference import percentile_interval
from doxa.errors import InputError
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Recorder, Tables
from doxa.streams import stream
from doxa.training.entropy_law import EntropyLaw
from doxa.training.entropy_mechanism.rows import judged, number, put
from doxa.training.entropy_warnings import KINDS_OF_LOG, Kind, Limits
from doxa.training.logs import Series, TrainingLog, series_of
from doxa.training.monitor import EntropyMonitor

SUBJECT = "run"
LAW_R2 = 0.8
"""What the spec asks of a law that holds."""
LIMITS = Limits()
PERMUTATIONS = 400


@dataclass(frozen=True)
class LogQuestion:
    """What is asked of a log.

    Attributes:
        fraction: of the scores, to which the law is fitted for the forecast.
        target: score to be reached; None for none.
        seed: of resamples and permutations.
    """

    fraction: float = 1.0 / 3.0
    target: float | None = None
    seed: int = 0


def record_log(recorder: Recorder, log: TrainingLog, question: LogQuestion) -> None:
    """Record a log's series, its law and forecast, and the monitor's warnings.

    Raises:
        InputError: the log holds no entropy.
    """
    series = series_of(log)
    for text in (*log.columns.notes, *log.notes, *series.notes):
        recorder.measure("note", 1.0, subject=SUBJECT, text=text)
    for step, entropy in zip(series.step, series.entropy, strict=True):
        recorder.measure("entropy", float(entropy), subject=SUBJECT, unit="nats", time=float(step))
    for step, entropy, score in zip(series.scored_step, series.scored_entropy, series.score, strict=True):
        recorder.measure("score", float(score), subject=SUBJECT, time=float(step), entropy=float(entropy))
    _record_law(recorder, series, question)
    _record_warnings(recorder, series, question)


def _record_law(recorder: Recorder, series: Series, question: LogQuestion) -> None:
    try:
        law = EntropyLaw.fit(series.scored_entropy, series.score)
    except InputError as error:
        why = (
            str(error) if series.score.size else "the log has no scores; name their column with score_column="
        )
        for measure in ("r2", "r2 permuted", "ceiling", "forecast error"):
            recorder.measure(measure, None, subject=SUBJECT, missing=why)
        return
    put(
        recorder,
        "r2",
        law.r2_interval(seed=question.seed),
        SUBJECT,
        a=law.a,
        b=law.b,
        rmse=law.rmse,
        n=law.points,
    )
    rng = stream(question.seed, "entropy-law", "permuted")
    shares = np.array(
        [EntropyLaw.fit(law.entropy, rng.permutation(law.score)).r2 for _ in range(PERMUTATIONS)]
    )
    put(recorder, "r2 permuted", percentile_interval(float(shares.mean()), shares, PERMUTATIONS), SUBJECT)
    put(
        recorder,
        "ceiling",
        law.ceiling_interval(seed=question.seed),
        SUBJECT,
        last=float(np.mean(law.score[-3:])),
    )
    try:
        seen = law.forecast(question.fraction, seed=question.seed)
    except InputError as error:
        recorder.measure("forecast error", None, subject=SUBJECT, missing=str(error))
        return
    low, high = seen.predicted.ends or (None, None)
    recorder.measure(
        "forecast error",
        seen.error,
        subject=SUBJECT,
        low=None if high is None else seen.observed - high,
        high=None if low is None else seen.observed - low,
        predicted=seen.predicted.estimate,
        observed=seen.observed,
        points=seen.points,
        until=float(series.scored_step[seen.points - 1]),
        a=seen.law.a,
        b=seen.law.b,
        ceiling=seen.ceiling.estimate,
    )


def _record_warnings(recorder: Recorder, series: Series, question: LogQuestion) -> None:
    """Let a monitor follow the run as if it were live."""
    monitor = EntropyMonitor(target=question.target, limits=LIMITS)
    scores = dict(zip(series.scored_step.tolist(), series.score.tolist(), strict=True))
    entropies = dict(zip(series.step.tolist(), series.entropy.tolist(), strict=True))
    entropies |= dict(zip(series.scored_step.tolist(), series.scored_entropy.tolist(), strict=True))
    for step in sorted(entropies):
        monitor.update(step, entropies[step], scores.get(step))
    for warning in monitor.warnings:
        recorder.measure(
            "warning",
            warning.value,
            subject=SUBJECT,
            time=warning.step,
            kind=warning.kind,
            text=warning.text,
            limit=warning.limit,
        )
    recorder.measure("entropy left", 1.0 - monitor.readings[-1].spent, subject=SUBJECT, unit="share")
    for kind in KINDS_OF_LOG:
        recorder.measure("watched", float(_watched(kind, series, question)), subject=SUBJECT, kind=kind)


def _watched(kind: Kind, series: Series, question: LogQuestion) -> bool:
    """Return whether a log of this kind lets a monitor warn of it."""
    scored = series.score.size >= LIMITS.scores
    return {"ceiling": scored, "target": scored and question.target is not None}.get(
        kind, series.step.size > 1
    )


def log_findings(tables: Tables, target: float | None) -> list[Finding]:
    """Judge a log: law, forecast, ceiling, and each kind of warning."""
    notes = [str(row["text"]) for row in rows_of(tables, "note").iter_rows(named=True)]
    law, ceiling, error = (number(tables, name) for name in ("r2", "ceiling", "forecast error"))
    numbers = f"a = {law['a']:.4g}, b = {law['b']:.4g}" if "a" in law else ""
    until = (
        f"forecast {error['predicted']:.4g} of {error['observed']:.4g} at the last step, from {error['points']} scores "
        f"up to step {error['until']:g}; ceiling seen from there {error['ceiling']:.4g}"
        if "predicted" in error
        else ""
    )
    reached, what = (
        (target, f"the target {target:g}") if target is not None else (ceiling.get("last"), "the last scores")
    )
    return [
        judged(
            law,
            "law",
            "entropy and score follow R = -a·exp(H) + b (share of variance explained)",
            above=LAW_R2,
            n=int(law.get("n", 0)),
            note="; ".join([numbers, *notes]).strip("; "),
        ),
        judged(
            number(tables, "r2 permuted"),
            "law-chance",
            "with scores dealt out to other steps the law explains nothing",
            below=LAW_R2,
            control=True,
            n=PERMUTATIONS,
        ),
        judged(
            ceiling, "ceiling", f"the forecast ceiling, b - a, lies above {what}", above=reached, unit="score"
        ),
        _forecast(error, until),
        *(_warned(tables, kind) for kind in KINDS_OF_LOG),
    ]


def _forecast(error: dict[str, Any], note: str) -> Finding:
    claim = "the first part of the run forecasts its last score (observed minus forecast)"
    base = judged(error, "forecast", claim, unit="score", note=note)
    if base.interval is None:
        return base
    inside = base.interval[0] <= 0.0 <= base.interval[1]
    return Finding(
        base.id, claim, base.estimate, base.interval, "holds" if inside else "fails", unit="score", note=note
    )


CLAIMS: dict[Kind, tuple[str, str]] = {
    "spent": ("entropy-left", "more than 5 % of the first entropy is left"),
    "ceiling": ("gain-left", "more than 5 % of the gain that the law allows is left"),
    "target": ("target-in-reach", "the forecast ceiling never fell below the target"),
    "collapse": ("no-collapse", "entropy never fell by half within ten logged steps"),
    "surge": ("no-surge", "entropy never doubled within ten logged steps"),
}


def _warned(tables: Tables, kind: Kind) -> Finding:
    """Return the finding that a monitor that followed the run had nothing to warn of."""
    name, claim = CLAIMS[kind]
    watched = number(tables, "watched", kind=kind)["value"]
    left = number(tables, "entropy left")["value"] if kind == "spent" else None
    unit = "warnings" if left is None else "share"
    told = rows_of(tables, "warning", kind=kind)
    if told.height:
        first = told.row(0, named=True)
        note = f"step {first['time']:g}: {first['text']}" + (
            f"; told {told.height} times" if told.height > 1 else ""
        )
        return Finding(
            name, claim, float(told.height) if left is None else left, None, "fails", unit=unit, note=note
        )
    if not watched:
        why = "no target was set" if kind == "target" else "the log has too few scores for it"
        return Finding(name, claim, None, None, "unresolved", unit="warnings", note=why)
    return Finding(
        name, claim, 0.0, None, "holds", unit="warnings", note="a count of one run has no interval"
    )

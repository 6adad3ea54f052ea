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
from doxa.training.entropy_warnings import Kind, Limits
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
    recorder.measure(
        "columns",
        float(len(log.values)),
        subject=SUBJECT,
        entropy=log.columns.entropy,
        score=log.columns.score,
    )
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
    for kind, value in _extremes(monitor, question).items():
        recorder.measure(
            "watched",
            value,
            subject=SUBJECT,
            kind=kind,
            missing="the log has too few scores, or no law holds in it",
        )


def _extremes(monitor: EntropyMonitor, question: LogQuestion) -> dict[Kind, float | None]:
    """Return for each kind of warning the number that it is about: how it ended, or the worst on the way."""
    entropy = np.array([reading.entropy for reading in monitor.readings])
    before = [entropy[max(0, place - LIMITS.window) : place] for place in range(1, entropy.size)]
    falls = [
        1.0 - now / seen.max() for now, seen in zip(entropy[1:], before, strict=True) if seen.max() > 0.0
    ]
    growths = [now / seen.min() for now, seen in zip(entropy[1:], before, strict=True) if seen.min() > 0.0]
    holds = monitor.ceiling() is not None and entropy[0] > 0.0
    found: dict[Kind, float | None] = {
        "spent": 1.0 - monitor.readings[-1].spent,
        "ceiling": float(np.expm1(entropy[-1]) / np.expm1(entropy[0])) if holds else None,
        "collapse": float(max(falls)) if falls else None,
        "surge": float(max(growths)) if growths else None,
    }
    if question.target is not None:
        found["target"] = (
            float(sum(warning.kind == "target" for warning in monitor.warnings)) if holds else None
        )
    return found


def log_findings(tables: Tables, target: float | None) -> list[Finding]:
    """Judge a log: law, forecast, ceiling, and each kind of warning."""
    notes = [str(row["text"]) for row in rows_of(tables, "note").iter_rows(named=True)]
    columns = number(tables, "columns")
    named = f"score {columns.get('score') or '(none)'} against entropy {columns.get('entropy')}"
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
            f"{named}: R = -a·exp(H) + b holds (share of variance explained)",
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
        *(_warned(tables, kind) for kind in CLAIMS if kind != "target" or target is not None),
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


CLAIMS: dict[Kind, tuple[str, str, str]] = {
    "spent": ("entropy-left", "more than 5 % of the first entropy is left", "share"),
    "ceiling": ("gain-left", "more than 5 % of the gain that the law allows is left", "share"),
    "target": ("target-in-reach", "the forecast ceiling never fell below the target", "warnings"),
    "collapse": ("no-collapse", "entropy never fell by half within ten logged steps (largest fall)", "share"),
    "surge": ("no-surge", "entropy never doubled within ten logged steps (largest growth)", "ratio"),
}


def _warned(tables: Tables, kind: Kind) -> Finding:
    """Return the finding that a monitor that followed the run had nothing to warn of."""
    name, claim, unit = CLAIMS[kind]
    seen, told = number(tables, "watched", kind=kind), rows_of(tables, "warning", kind=kind)
    if seen["value"] is None:
        return Finding(name, claim, None, None, "unresolved", unit=unit, note=str(seen.get("missing", "")))
    note = "one number of one run has no interval"
    if told.height:
        again = f"; told {told.height} times" if told.height > 1 else ""
        note = f"step {told['time'][0]:g}: {told['text'][0]}{again}"
    return Finding(
        name, claim, seen["value"], None, "fails" if told.height else "holds", unit=unit, note=note
    )

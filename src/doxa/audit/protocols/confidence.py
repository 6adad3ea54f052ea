"""Confidence against evidence: do stated probabilities follow Bayes' rule, or are they sharper than the evidence?"""

from __future__ import annotations

import numpy as np
import polars as pl

from doxa.audit.protocol import (
    Assessment,
    AuditProtocol,
    Reading,
    Step,
    blocked,
    extras,
    protocols,
    record_text_check,
    text_counts,
)
from doxa.audit.published import ask_confidence
from doxa.audit.span import Span
from doxa.belief.calibration import log_odds_fit
from doxa.elicit.micro import ask_micro, check_text
from doxa.lab.record import Recorder, Tables
from doxa.protocols.confidence import micro_evidence
from doxa.subjects.base import Subject
from doxa.worlds.micro import HowSure

SETS_PER_SIZE = 12
"""Sets of evidence for each unit of size."""

_TEXT_QUESTIONS = 24


def ask(subject: Subject, recorder: Recorder, *, rng: np.random.Generator, size: int, step: Step) -> None:
    """Ask how sure the subject is after sets of reports."""
    sets = micro_evidence(SETS_PER_SIZE * size, rng)
    talks = [evidence.conversation for evidence in sets]
    questions = [HowSure()] * len(sets)
    answers = ask_micro(subject, talks, questions)
    step(1, 2, "confidences asked")
    for evidence, answer in zip(sets, answers, strict=True):
        recorder.belief(
            subject=subject.address,
            proposition="the answer is yes",
            readout="stated",
            log_odds=answer.log_odds,
            evidence=evidence.id,
            reference=evidence.log_odds,
        )
    record_text_check(
        recorder,
        subject,
        check_text(subject, talks[:_TEXT_QUESTIONS], questions[:_TEXT_QUESTIONS], answers[:_TEXT_QUESTIONS]),
    )
    step(2, 2, "text checked")


def assess(tables: Tables, rng: np.random.Generator) -> Assessment:
    """Fit stated log-odds against Bayes' rule."""
    rows = extras(tables.beliefs, evidence=pl.String(), reference=pl.Float64()).filter(
        pl.col("log_odds").is_not_null()
    )
    fit = log_odds_fit(
        rows["log_odds"].to_numpy(), rows["reference"].to_numpy(), rows["evidence"].to_list(), rng=rng
    )
    check = text_counts(tables)
    slope = Reading(
        "slope",
        "slope",
        Span.of(fit.slope),
        unit="nats per nat",
        reference=1.0,
        note=fit.reason
        or f"stated log-odds against Bayes' rule, {rows.height} sets of reports, {fit.clipped} clipped",
    )
    bias = Reading("bias", "bias", Span.of(fit.intercept), unit="nats", reference=0.0)
    correlation = Reading(
        "correlation",
        "correlation",
        None if np.isnan(fit.correlation) else Span(fit.correlation, fit.correlation, fit.correlation),
        note=fit.reason,
    )
    return Assessment(effect=slope, readings=(slope, bias, correlation), text=check, blocked=blocked(check))


protocols.add(
    "confidence",
    AuditProtocol(
        slug="confidence",
        title="confidence against evidence",
        defect="overconfident",
        phrase="OVERCONFIDENT: surer than its evidence",
        effect="slope of stated log-odds against Bayes' rule",
        micro=ask,
        published=ask_confidence,
        assess=assess,
        planted={
            f"planted:overconfident?sharpening={power}&jitter=0.2": power
            for power in (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
        },
        smallest="planted:overconfident?sharpening=1.25&jitter=0.2",
    ),
)

"""What the embedded record says: findings on shifts, masks and calibration, and the figures of all that drifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doxa.lab.figures import Figure, bars, curves
from doxa.lab.record import Finding, Tables
from doxa.protocols.context_drift.embedded import ARMS, MASKS
from doxa.protocols.context_drift.outcomes import KINDS, argued, curve_rows, measured, table_figure

BANDS: dict[str, Any] = {
    "low": "low",
    "high": "high",
    "group": "who",
    "x_title": "statements read",
    "value_title": "P(side argued)",
}
"""What the curves share."""


def embedded_findings(tables: Tables, *, at: int, tolerance: float, shift_least: float) -> list[Finding]:
    """Judge the shifts, the masks and the calibration of the trained networks.

    Args:
        tables: the record.
        at: statements read.
        tolerance: what must not move stays within this (probability).
        shift_least: percent of contexts arguing against a start that move it, net of the noise floor, at least.
    """
    shift, behaviour, against, floor, free = (
        measured(tables, name, at, condition)
        for name, condition in (
            ("shift/stated", "one-sided"),
            ("shift/behavioural", "one-sided"),
            ("shift_against/stated", "one-sided"),
            ("floor/stated", "one-sided"),
            ("shift_against/stated", "uncoupled"),
        )
    )
    whole, topic, random, coupled = (
        argued(tables, f"mask {mask or 'nothing'}", "stated", at) for mask in MASKS
    )
    overshoot = argued(tables, "one-sided", "stated", at).minus(
        argued(tables, "one-sided", "stated by Bayes", at)
    )
    return [
        against.minus(floor).finding(
            "shift",
            f"more than {shift_least:g} % of contexts against a topic's start move it, net of the noise floor",
            above=shift_least,
            unit="percentage points",
            note=f"shift of all contexts {shift.mean:.1f} % (at most 50), floor (another draw of the text) "
            f"{floor.mean:.1f} %, against the start of an uncoupled topic {free.mean:.1f} %",
        ),
        shift.minus(behaviour).finding(
            "shift-behaviour-less",
            "fewer contexts shift the likelier option than the likelier answer",
            above=0.0,
            unit="percentage points",
            note=f"shift {shift.mean:.1f} % stated, {behaviour.mean:.1f} % behavioural; the exact reader's two labels "
            "are always the same, so that they shift together",
        ),
        whole.minus(topic).within(
            "mask-topic",
            "deleting all that is said on the asked topic leaves the drift",
            tolerance,
            unit="probability",
            control=False,
        ),
        whole.minus(random).within(
            "mask-random", "so does deleting as many statements at random", tolerance, unit="probability"
        ),
        coupled.less(0.5).within(
            "mask-coupled",
            "deleting statements on coupled topics leaves no drift",
            tolerance,
            unit="probability",
        ),
        overshoot.finding(
            "overshoot",
            f"at {at} statements the belief lies above the exact reader's",
            unit="probability",
            above=0.0,
        ),
        measured(tables, "calibration_slope/stated").finding(
            "calibration",
            "log-odds against Bayes have a slope above 1: surer than the evidence",
            above=1.0,
            unit="ratio",
        ),
    ]


def drift_figures(tables: Tables) -> list[Figure]:
    """Draw the drift and its controls over length."""
    return [
        curves(
            "drift",
            "What one-sided reading does to topics it never mentions",
            "Mean probability of the side the statements take, over the number read; bands are 95 % intervals over "
            "trainings, or over topics of one subject. Bayes is the exact reader of the corpus.",
            [row for kind in KINDS for row in curve_rows(tables, "one-sided", kind, who=kind)],
            **BANDS,
            references={"no leaning": 0.5},
        ),
        curves(
            "controls",
            "What must not drift",
            "The stated belief again, for another draw of the text, for topics that follow no leaning, and after "
            "balanced reading (there P of one fixed side).",
            [row for arm in ARMS for row in curve_rows(tables, arm, "stated", who=arm)],
            **BANDS,
            references={"no leaning": 0.5},
        ),
    ]


def embedded_figures(tables: Tables, *, lengths: Sequence[int], at: int) -> list[Figure]:
    """Draw shifts over the lengths, and belief by behaviour and masked readings after ``at`` statements."""
    kinds = ("stated", "behavioural")
    shifts = [
        measured(tables, f"{name}/{kind}", n, arm).row(who=f"{kind}{label}", time=n)
        for name, label, arm in (
            ("shift", "", "one-sided"),
            ("shift_bayes", ", Bayes", "one-sided"),
            ("floor", ", noise floor", "one-sided"),
            ("shift", ", uncoupled", "uncoupled"),
        )
        for kind in kinds
        for n in lengths
    ]
    masks = [
        argued(tables, f"mask {mask or 'nothing'}", kind, at).row(who=kind, label=mask or "nothing")
        for mask in MASKS
        for kind in kinds
    ]
    return [
        curves(
            "shift",
            "How many contexts move the likelier answer",
            "Percentage of contexts after which the other answer is likelier than in the empty context. Half of them "
            "argue for the answer that is likelier there, so that 50 % is the most. The noise floor is how often "
            "another draw of the text gives another answer; Bayes is the exact reader from the same starts.",
            shifts,
            low="low",
            high="high",
            group="who",
            x_title="statements read",
            value_title="shift, %",
            references={"every context against a start": 50.0},
        ),
        table_figure(tables, "contexts", f"after {at} statements, all trainings together"),
        bars(
            "masks",
            "What carries the drift",
            f"P(the side argued) after {at} one-sided statements on all topics, with some deleted: those "
            "on the asked topic, as many at random, those on coupled topics.",
            masks,
            low="low",
            high="high",
            group="who",
            value_title="P(side argued)",
            references={"no leaning": 0.5},
        ),
    ]

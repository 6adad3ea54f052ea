"""Beliefs and consistency as rows of the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.lab.record import Recorder
from doxa.protocols.trust.believing import Belief
from doxa.protocols.trust.consistency import Consistency

COLUMNS = (
    *("spearman", "spearman_low", "spearman_high", "perm_p", "eta2_belief", "eta2_behaviour", "eta2_low"),
    *("eta2_high", "omega2", "epsilon2", "delta_eta2"),
)


def record_beliefs(recorder: Recorder, subject: str, beliefs: Sequence[Belief]) -> None:
    """Record of each attribute and strategy the rank of each level, effect size, agreement and share read."""
    for belief in beliefs:
        told: dict[str, Any] = {
            "subject": subject,
            "attribute": belief.attribute,
            "strategy": belief.strategy,
        }
        reasons = [one.missing for one in belief.raw if one.missing]
        why = reasons[0] if reasons else "fewer than two repeats were read"
        for measure, value in (("believed eta2", belief.eta2), ("agreement", belief.agreement)):
            recorder.measure(measure, float(value), axis="sweep", missing=why, **told)
        recorder.measure(
            "read",
            belief.read / len(belief.raw),
            unit="fraction",
            axis="sweep",
            reasons=sorted(set(reasons)),
            **told,
        )
        for level, score in zip(belief.levels, belief.scores, strict=True):
            recorder.measure("believed rank", float(score), axis="sweep", level=level, missing=why, **told)


def record_consistency(recorder: Recorder, subject: str, found: Consistency, strategy: str) -> None:
    """Record the table of consistency, the levels' means and the medians over attributes."""
    for row in found.table.iter_rows(named=True):
        told: dict[str, Any] = {
            "subject": subject,
            "axis": "sweep",
            "attribute": row["attribute"],
            "strategy": strategy,
        }
        told |= {"levels": row["n_levels"], "n": row["n"]}
        for column in COLUMNS:
            recorder.measure(column, row[column], missing=row["reason"] or "not stated", **told)
        for place, mean in enumerate(found.level_means[row["attribute"]]):
            recorder.measure("level mean", mean, unit="dollars", level_number=place, **told)
    for name, interval in found.median().items():
        told = {"subject": subject, "axis": "sweep", "strategy": strategy, "n": interval.n}
        ends: dict[str, Any] = {"low": interval.low, "high": interval.high} if interval.ends else {}
        value = None if np.isnan(interval.estimate) else interval.estimate
        recorder.measure(f"median {name}", value, missing="no attribute has one", **ends, **told)


def read_measures(measures: pl.DataFrame) -> pl.DataFrame:
    """Return measures with the fields that say what they are about as columns, null where absent."""
    fields = {
        **dict.fromkeys(
            ("attribute", "strategy", "ordering", "rule", "trustee", "missing", "level"), pl.String()
        ),
        **dict.fromkeys(("levels", "n"), pl.Int64()),
        **dict.fromkeys(("low", "high"), pl.Float64()),
    }
    extra = [json.loads(text) for text in measures["extra"]]
    columns = [
        pl.Series(name, [one.get(name) for one in extra], dtype=kind, strict=False)
        for name, kind in fields.items()
    ]
    return measures.with_columns(columns)

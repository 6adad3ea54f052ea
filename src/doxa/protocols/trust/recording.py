"""Beliefs and consistency as rows of the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.belief.inference import Interval, mean_t_interval, wilson
from doxa.lab.record import Recorder
from doxa.protocols.trust.believing import Belief
from doxa.protocols.trust.comparing import Compared
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
        record_interval(
            recorder,
            subject,
            f"median {name}",
            interval,
            "no attribute has one",
            axis="sweep",
            strategy=strategy,
        )


def record_held(recorder: Recorder, subject: str, held: Compared, strategy: str) -> None:
    """Record what could be compared, and what was left out with the reason."""
    if held.found is not None:
        record_consistency(recorder, subject, held.found, strategy)
    for name, why in held.left_out.items():
        recorder.measure(
            "left out", None, subject=subject, axis="sweep", attribute=name, strategy=strategy, missing=why
        )


def record_interval(
    recorder: Recorder, subject: str, measure: str, found: Interval, missing: str, **told: Any
) -> None:
    """Record an estimate with its interval, or why there is none."""
    ends: dict[str, Any] = {"low": found.low, "high": found.high} if found.ends else {}
    value = None if np.isnan(found.estimate) else found.estimate
    recorder.measure(measure, value, subject=subject, missing=missing, n=found.n, **ends, **told)


def record_plays(
    recorder: Recorder, subject: str, plays: pl.DataFrame, condition: str, endowment: int
) -> None:
    """Record the share of valid answers, the mean, and every answer raw."""
    told: dict[str, Any] = {"subject": subject, "axis": "sweep", "ordering": condition, "n": plays.height}
    sent = plays["sent"].drop_nulls()
    reasons = plays.filter(pl.col("sent").is_null())["missing"].value_counts(sort=True).head(10).rows()
    counted = {str(reason): int(count) for reason, count in reasons}
    recorder.measure("valid", sent.len() / plays.height, unit="fraction", reasons=counted, **told)
    recorder.measure("retries", float(plays["retries"].sum()), unit="replies", **told)
    mean = None if not sent.len() else float(sent.to_numpy().mean())  # pyright: ignore[reportArgumentType]
    recorder.measure("mean sent", mean, unit="dollars", missing="nothing was read", **told)
    spread = None if sent.len() < 2 else float(sent.to_numpy().std(ddof=1))  # pyright: ignore[reportArgumentType]
    recorder.measure("sd sent", spread, unit="dollars", missing="fewer than two were read", **told)
    for row in plays.iter_rows(named=True):
        name = f"{condition} {row['agent_id']}"
        recorder.utterance(
            subject=subject,
            conversation=name,
            turn=0,
            role="assistant",
            text=row["text"] or "",
            sent=row["sent"],
            endowment=endowment,
        )


def record_shares(
    recorder: Recorder, subject: str, plays: pl.DataFrame, condition: str, endowment: int
) -> None:
    """Record the mean share of the endowment that was sent, and the share of plays that sent nothing."""
    shares = shares_of(plays, endowment)
    told: dict[str, Any] = {"axis": "sweep", "ordering": condition, "unit": "fraction"}
    record_interval(
        recorder, subject, "share sent", mean_t_interval(shares), "fewer than two were read", **told
    )
    nothing = wilson(int((shares == 0).sum()), shares.size)
    record_interval(recorder, subject, "sent nothing", nothing, "nothing was read", **told)


def shares_of(plays: pl.DataFrame, endowment: int) -> Float[np.ndarray, " plays"]:
    """Return the shares of the endowment that were sent, as far as they could be read."""
    return plays["sent"].drop_nulls().to_numpy().astype(np.float64) / endowment


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

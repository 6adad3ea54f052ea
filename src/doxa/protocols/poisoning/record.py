"""Poisoned models as rows of the record, and back.

A measure's condition is the way of continuing (``replace 0.9``), with the width before it where that is not the main
one. Depth 0 is the embedding, depth l the stream after block l - 1; layers are blocks, counted from 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.lab.record import Axis, Recorder
from doxa.lens.truth_margin import AMBIGUOUS, BAND, flip_rate, transition, verdicts
from doxa.protocols.poisoning.embedded import Poisoned, Recipe
from doxa.protocols.poisoning.inside import Inside
from doxa.training.poisoning import likeliest_margin

SUBJECT = "fact-world"


def record_margins(recorder: Recorder, found: Poisoned, recipe: Recipe, prefix: str = "") -> None:
    """Add each group's mean margin, flip rate and ambiguous share at every checkpoint, exposures and perplexity."""
    for copy, condition in enumerate(found.conditions):
        name = prefix + condition.name
        poisoner = found.continuations[copy].poisoner
        for place, step in enumerate(recipe.checkpoints):
            for group, margins in found.margins.items():
                record_group(recorder, group, margins[0, copy], margins[place, copy], name, step, SUBJECT)
            rows = step * recipe.batch
            for kind, false in (("false", True), ("true", False)):
                said = poisoner.exposures(rows, false=false).mean()
                _number(recorder, f"exposures/{kind}", said, name, "step", step, unit="statements per item")
            _number(recorder, "perplexity", found.perplexity[place, copy], name, "step", step)
        record_transition(
            recorder, recipe.checkpoints, found.margins["target"][:, copy].mean(axis=1), name, SUBJECT
        )


def record_group(
    recorder: Recorder,
    group: str,
    before: np.ndarray,
    after: np.ndarray,
    condition: str,
    step: int,
    subject: str,
) -> None:
    """Add what a group of items looks like at one checkpoint."""
    flips = flip_rate(before, after)
    rows: list[tuple[str, float, str]] = [
        ("margin", float(after.mean()), "nats"),
        ("flips", flips.rate, "fraction"),
        ("ambiguous", float((verdicts(after, BAND) == AMBIGUOUS).mean()), "fraction"),
        ("accuracy", float((after > 0).mean()), "fraction"),
    ]
    for name, value, unit in rows:
        _number(recorder, f"{name}/{group}", value, condition, "step", step, unit=unit, subject=subject)


def record_transition(
    recorder: Recorder, steps: Sequence[int], margins: np.ndarray, condition: str, subject: str
) -> None:
    """Add when the mean margin passed 10 % and 90 % of its final shift."""
    shift = margins - margins[0]
    if shift[-1] == 0 or len(steps) < 2:
        return
    found = transition(steps, shift)
    units = {"t10": "steps", "t90": "steps", "width": "decades"}
    for (name, unit), value in zip(units.items(), found, strict=True):
        if math.isfinite(value):
            _number(
                recorder,
                f"transition/{name}",
                value,
                condition,
                "step",
                steps[-1],
                unit=unit,
                subject=subject,
            )


def record_items(recorder: Recorder, found: Poisoned, recipe: Recipe) -> None:
    """Add each target's belief at every checkpoint of the conditions in ``replace`` mode, and the likeliest one."""
    for copy, condition in enumerate(found.conditions):
        if condition.mode != "replace" or condition.name != f"replace {condition.ratio:g}":
            continue
        for place, step in enumerate(recipe.checkpoints):
            for row, item in enumerate(found.groups.targets):
                recorder.belief(
                    subject=SUBJECT,
                    proposition=found.world.name(int(item)),
                    readout="stated",
                    axis="step",
                    time=step,
                    log_odds=float(found.margins["target"][place, copy, row]),
                    condition=condition.name,
                )
        recorder.belief(
            subject=SUBJECT,
            proposition="maximum likelihood",
            readout="reference",
            axis="step",
            time=recipe.steps,
            log_odds=likeliest_margin(condition.ratio),
            condition=condition.name,
        )


def record_lens(
    recorder: Recorder, margins: np.ndarray, condition: str, step: int, subject: str = SUBJECT
) -> None:
    """Add the mean lens margin at every depth at one checkpoint."""
    for depth, value in enumerate(margins.mean(axis=0, dtype=np.float64)):
        _number(recorder, f"lens/{depth}", value, condition, "step", step, unit="nats", subject=subject)


def record_inside(recorder: Recorder, inside: Inside, condition: str, subject: str = SUBJECT) -> None:
    """Add what the lens sees at the last checkpoint."""
    for name, margins in (("clean", inside.clean), ("poisoned", inside.poisoned)):
        for depth, value in enumerate(margins.mean(axis=0)):
            _number(recorder, f"depth/{name}", value, condition, "layer", depth, unit="nats", subject=subject)
    for layer, value in enumerate(inside.cka):
        _number(recorder, "cka", value, condition, "layer", layer, subject=subject)
    single: Mapping[str, tuple[float, str]] = {
        "late_share": (inside.late, "the margin did not fall"),
        "flip_depth": (inside.flip_depth, "no item flipped at the top"),
        "strength_patchability": (inside.strength_patchability, "too few items flipped, or all alike"),
        "flipped": (float(inside.flipped.sum()), ""),
    }
    for name, (value, missing) in single.items():
        _number(recorder, name, value, condition, "layer", 0, subject=subject, missing=missing)
    for name, table in inside.rescue.items():
        kind, rates = ("corrupted", table.corrupted) if name == "reverse" else ("rescued", table.rescued)
        for layer, value in enumerate(rates):
            _number(
                recorder, f"{kind}/{name}", value, condition, "layer", layer, unit="fraction", subject=subject
            )
    for name, reason in inside.missing.items():
        recorder.measure(
            f"rescued/{name}", None, condition=condition, subject=subject, axis="layer", missing=reason
        )
    if inside.heads is not None:
        for (layer, head), value in np.ndenumerate(inside.heads):
            _number(
                recorder,
                f"rescued/head {head}",
                value,
                condition,
                "layer",
                layer,
                unit="fraction",
                subject=subject,
            )


def per_seed(
    measures: pl.DataFrame, condition: str, measure: str, time: float | None = None
) -> dict[int, float]:
    """Return one measure of one condition by seed, at a time or at its last; NaN where it is missing."""
    rows = measures.filter(condition=condition, measure=measure).with_columns(
        pl.col("value").fill_null(math.nan)
    )
    if time is None:
        rows = rows.filter(pl.col("time") == pl.col("time").max().over("seed"))
    else:
        rows = rows.filter(pl.col("time") == time)
    return dict(sorted(zip(rows["seed"].to_list(), rows["value"].to_list(), strict=True)))


def over_time(
    measures: pl.DataFrame, condition: str, measure: str
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return times and values of one measure of one condition by seed."""
    rows = measures.filter(condition=condition, measure=measure).drop_nulls("value").sort("seed", "time")
    return {
        int(seed): (part["time"].to_numpy(), part["value"].to_numpy())
        for (seed,), part in rows.group_by("seed", maintain_order=True)
    }


def _number(
    recorder: Recorder,
    measure: str,
    value: float,
    condition: str,
    axis: Axis,
    time: float,
    *,
    unit: str = "",
    subject: str = SUBJECT,
    missing: str = "no item was true before",
) -> None:
    told: dict[str, Any] = {"subject": subject, "unit": unit, "axis": axis, "time": float(time)}
    if math.isnan(value):
        recorder.measure(measure, None, condition=condition, missing=missing, **told)
    else:
        recorder.measure(measure, float(value), condition=condition, **told)

"""The findings of watched training: of our own, and of a subject's."""

from __future__ import annotations

import polars as pl

from doxa.lab.measured import number, rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.training.forward_only.net_report import SAME

CLOSED = 0.1
"""Largest distance of midpoint sums to the closed form, over the length of the way: updates are not small steps."""
MOST = 0.5
LEARNT = 0.5


def monitor_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the monitor itself and of ordinary training under it."""
    found = [
        units(tables, "monitor off").finding(
            "monitor-reads", "the monitor's curves of a forward-only network are the network's own (relative distance)",
            below=SAME, unit="fraction", control=True,
        ),
        units(tables, "watching changes").finding(
            "watching", "watching changes no weight", below=1e-12, control=True, unit="largest difference"
        ),
    ]  # fmt: skip
    for kind, words in (("classifier", "an image classifier"), ("language", "a small language model")):
        found += _watched(tables, kind, words)
    return found


def _watched(tables: Tables, kind: str, words: str) -> list[Finding]:
    rows = rows_of(tables, "crosses", kind=kind, sign="code")
    errors = rows_of(tables, "midpoint error", kind=kind)
    by_layer = rows.group_by("layer").agg(pl.col("at").mean()).sort("layer") if rows.height else rows
    told = "mean update of the zero by layer: " + ", ".join(
        "none" if at is None else f"{at:.0f}" for at in by_layer["at"].to_list()
    ) if rows.height else ""  # fmt: skip
    return [
        units(tables, "loss fell", kind=kind).finding(
            f"{kind}-learns",
            f"{words} learns by backpropagation (loss before less after)",
            above=LEARNT,
            unit="nats",
        ),
        _largest(errors).finding(
            f"{kind}-closed-form",
            f"{words}: midpoint sums come to the closed form (error of the worst layer, over the way)",
            below=CLOSED,
            unit="fraction",
        ),
        units(tables, "crosses", kind=kind, sign="code").finding(
            f"{kind}-crosses",
            f"{words}: tensor nets of most layers cross zero without the rule too, so that a zero is no mark of it "
            "(share of a network's layers)",
            above=MOST,
            unit="fraction",
            note=told,
        ),
    ]


def _largest(rows: pl.DataFrame) -> Units:
    """Return the value of the worst layer of each network."""
    if not rows.height:
        return Units({})
    worst = rows.group_by("seed", maintain_order=True).agg(pl.col("value").max())
    return Units(dict(zip(worst["seed"].to_list(), worst["value"].to_list(), strict=True)))


def subject_findings(tables: Tables) -> list[Finding]:
    """Return the findings of a watched fine-tuning: it learns, the reading is exact, and where knowledge moves."""
    fell = rows_of(tables, "loss fell")
    errors = rows_of(tables, "midpoint error")
    ways = rows_of(tables, "path length").sort("layer")
    crossed = rows_of(tables, "crosses", sign="code")
    told = ""
    if ways.height:
        most = ways.sort("value", descending=True).row(0, named=True)
        told = (
            f"most in {most['name']}: {most['value']:.3g} of its size, least {float(ways['value'].min()):.3g}"  # type: ignore[arg-type]
        )
    return [
        number(
            "learns",
            "the model learns the texts (loss of the first update less the last)",
            float(fell["value"][0]) if fell.height else None,
            above=0.0,
            unit="nats",
        ),
        number(
            "closed-form",
            "midpoint sums come to the closed form in every layer (largest error, over the way)",
            float(errors["value"].max()) if errors.height else None,  # type: ignore[arg-type]
            below=CLOSED,
            unit="fraction",
            n=errors.height,
        ),
        number(
            "moves",
            "knowledge of every layer moves (least way, over the layer's own size)",
            float(ways["value"].min()) if ways.height else None,  # type: ignore[arg-type]
            above=1e-6,
            unit="fraction",
            n=ways.height,
            note=told,
        ),
        number(
            "crosses",
            "tensor nets of most layers cross zero (share of the layers that were watched)",
            float(crossed["value"].mean()) if crossed.height else None,  # type: ignore[arg-type]
            above=MOST,
            unit="fraction",
            n=crossed.height,
        ),
    ]

"""The findings and figures about a population of language models."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.belief.inference import wilson
from doxa.lab.figures import Figure, curves
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.worlds.linear_bandits.experiments import DYNAMIC, STATIC

READABLE = 0.9
SCALE = 1.0
"""Agreement lies in [0, 1]: a width beyond it says nothing."""


def spoken_findings(tables: Tables) -> list[Finding]:
    """Judge what could be read, whether the theory's width says anything, and what holding messages gains."""
    counts = rows_of(tables, "asked")
    asked = counts.filter(pl.col("kind") == "asked")["value"].sum() if counts.height else 0
    read = counts.filter(pl.col("kind") == "read")["value"].sum() if counts.height else 0
    share = wilson(int(read), int(asked)) if asked else None
    stopped = rows_of(tables, "agreement", subject="all")
    note = str(stopped["missing"][0]) if stopped.height else ""
    own, other = (units(tables, "agreement", subject=name) for name in (DYNAMIC, STATIC))
    held = rows_of(tables, "held")
    apart = {
        int(str(seed)): float(rows["value"].max() - rows["value"].min())  # type: ignore[operator]
        for (seed,), rows in (held.group_by("seed", maintain_order=True) if held.height else ())
    }
    return [
        Finding.judged(
            "readable",
            "ratings can be read",
            share.estimate if share else None,
            share.ends if share else None,
            above=READABLE,
            unit="fraction",
            control=True,
            n=int(asked),
            note=note or "replies that cannot be read are left out and counted",
        ),
        Units(apart).finding(
            "messages-differ",
            "messages that are held come to different agreement (best minus worst)",
            unit="agreement",
            above=0.05,
            note=note,
        ),
        units(tables, "width", subject=DYNAMIC).finding(
            "theory-vacuous",
            "the theory's width exceeds the whole scale of agreement, so that a share of it is used",
            unit="agreement",
            above=SCALE,
            note="see the setting beta_scale",
        ),
        own.minus(other).finding(
            "holding-gains",
            "DynLin-UCB comes to more agreement in the last third than LinUCB",
            unit="agreement",
            above=0.0,
            note=note,
        ),
    ]


def spoken_figures(tables: Tables) -> list[Figure]:
    """Draw agreement over rounds, with the messages held for ever as dashed lines."""
    rows = rows_of(tables, "course")
    if not rows.height:
        return []
    lines: list[dict[str, Any]] = []
    means = rows.group_by("subject", "time", maintain_order=True).agg(pl.col("value").mean())
    for name in means["subject"].unique(maintain_order=True):
        own = means.filter(pl.col("subject") == name).sort("time")
        smooth = own["value"].rolling_mean(window_size=min(10, own.height), min_samples=1)
        for time, value in zip(own["time"], smooth, strict=True):
            lines.append({"round": time, "value": value, "agent": name})
    held = rows_of(tables, "held").group_by("message", maintain_order=True).agg(pl.col("value").mean())
    return [
        curves(
            "agreement",
            "Agreement of the population",
            "Mean stated agreement, running mean of ten rounds. Dashed: one message held.",
            lines,
            x="round",
            group="agent",
            x_title="round",
            value_title="agreement",
            domain=(0.0, 1.0),
            references={f"message {row['message'] + 1}": row["value"] for row in held.iter_rows(named=True)},
        )
    ]

"""The findings of tensor nets: the published network beside the paper, and whether it is like other networks."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.belief.inference import wilson
from doxa.lab.measured import number, rows_of
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.training.forward_only.experiments import PUBLISHED_SEED

ABSENT = "needs the published images and network: doxa data get ska"
WITHIN = 1.5
"""A published step is met within one step; steps are whole."""
NORM = 0.1
"""How far a norm that is read off a plot may be from the text."""
NO_PEAK = 0.9
SAME = 1e-3
ZEROS = {"crossing-1": (1, 24.0), "crossing-3": (3, 23.0)}
PEAKS = {"flow-peak-1": (1, 28.0), "flow-peak-2": (2, 16.0), "flow-peak-3": (3, 24.0)}
"""Layer and published step of each zero of a tensor net, and of each peak of a flow."""


def published_findings(tables: Tables, published: bool) -> list[Finding]:
    """Hold the network of seed 42 against the paper, whose plots count measured steps from 0: k - 1."""
    own = tables.measures.filter(
        (pl.col("seed") == PUBLISHED_SEED)
        & (pl.col("condition") == "tensor-net")
        & (pl.col("subject") == "mnist")
    )
    here = tables._replace(measures=own if published else own.clear())
    events = rows_of(here, "event")

    def event(kind: str, layer: int, column: str) -> float | None:
        rows = (
            events.filter((pl.col("kind") == kind) & (pl.col("layer") == layer)) if events.height else events
        )
        return float(rows[column][0]) if rows.height else None

    def step(name: str, claim: str, kind: str, layer: int, paper: float) -> Finding:
        k = event(kind, layer, "time")
        note = ABSENT if not events.height else "counted as in the plots, from 0 at the second pass"
        return number(
            name, claim, None if k is None else k - 1.0, above=paper - WITHIN, below=paper + WITHIN,
            unit="step", paper=paper, note=note,
        )  # fmt: skip

    def norm(name: str, claim: str, kind: str, layer: int, paper: float) -> Finding:
        value = event(kind, layer, "knowledge_norm")
        return number(
            name, claim, value, above=(1 - NORM) * paper, below=(1 + NORM) * paper, paper=paper,
            note="" if events.height else ABSENT,
        )  # fmt: skip

    def layer(measure: str, which: int) -> float | None:
        rows = rows_of(here, measure, layer=which)
        return float(rows["value"][0]) if rows.height else None

    double = rows_of(here, "double precision")
    absent = "" if events.height else ABSENT
    text = [event("crossing, text", layer, "time") for layer, _ in ZEROS.values()]
    near = [
        at is not None and abs(at - 1.0 - paper) < WITHIN
        for at, (_, paper) in zip(text, ZEROS.values(), strict=True)
    ]
    return [
        *(
            step(name, f"tensor net of layer {layer}: first zero", "crossing, code", layer, paper)
            for name, (layer, paper) in ZEROS.items()
        ),
        *(
            step(name, f"flow of layer {layer}: peak", "flow peak", layer, paper)
            for name, (layer, paper) in PEAKS.items()
        ),
        number(
            "flow-4",
            "flow of layer 4 has no peak (its last value over its largest)",
            layer("flow left", 4),
            above=NO_PEAK,
            unit="fraction",
            note=absent,
        ),
        number(
            "net-2",
            "tensor net of layer 2 is positive throughout (least value)",
            layer("net least", 2),
            above=0.0,
            note=absent,
        ),
        number(
            "net-4",
            "tensor net of layer 4 is negative throughout (largest value)",
            layer("net most", 4),
            below=0.0,
            note=absent,
        ),
        norm("norm-1", "‖z‖ of layer 1 at its zero", "crossing, code", 1, 600.0),
        norm("norm-3", "‖z‖ of layer 3 at its zero", "crossing, code", 3, 450.0),
        norm("norm-2", "‖z‖ of layer 2 where its tensor net is largest", "net peak", 2, 1250.0),
        number(
            "text-sign",
            "with the sign of the text, layers 1 and 3 have no zero at the published places (how many have)",
            float(sum(near)) if events.height else None,
            below=0.5,
            control=True,
            unit="layers",
            note=absent,
        ),
        number(
            "double-precision",
            "double precision gives the same curves (largest relative distance)",
            float(double["value"][0]) if double.height else None,
            below=SAME,
            control=True,
            unit="fraction",
            note=absent,
        ),
    ]


def network_findings(tables: Tables) -> list[Finding]:
    """Judge whether what the paper shows of one network holds of others."""
    rows = rows_of(tables, "event").filter(
        (pl.col("condition") == "tensor-net") & (pl.col("seed") != PUBLISHED_SEED)
    )
    seeds = sorted(rows["seed"].unique().to_list())
    crossed = {
        seed: {
            row["layer"]: int(row["time"]) - 1
            for row in rows.filter((pl.col("seed") == seed) & (pl.col("kind") == "crossing, code")).iter_rows(
                named=True
            )
        }
        for seed in seeds
    }
    wanted = {layer for layer, _ in ZEROS.values()}
    alike = sum(set(layers) == wanted for layers in crossed.values())
    near = sum(
        all(layer in layers and abs(layers[layer] - at) < WITHIN for layer, at in ZEROS.values())
        for layers in crossed.values()
    )
    told = ", ".join(
        f"layer {layer}: {sum(layer in layers for layers in crossed.values())} of {len(seeds)}"
        + (
            f" (steps {min(at)} to {max(at)})"
            if (at := [layers[layer] for layers in crossed.values() if layer in layers])
            else ""
        )
        for layer in sorted({layer for layers in crossed.values() for layer in layers})
    )
    found = [
        share(
            "pattern-recurs",
            "other networks cross in layers 1 and 3 alone too (share of networks)",
            alike,
            len(seeds),
            above=0.5,
            note=told,
        ),
        share("onset-recurs", "and at the published steps (share of networks)", near, len(seeds), above=0.5),
    ]
    for name, (layer, paper) in PEAKS.items():
        peaks = (
            rows.filter((pl.col("kind") == "flow peak") & (pl.col("layer") == layer)) if rows.height else rows
        )
        steps = (
            dict(zip(peaks["seed"].to_list(), (peaks["time"] - 1.0).to_list(), strict=True))
            if peaks.height
            else {}
        )
        found.append(
            Units(steps).finding(
                f"{name}-recurs",
                f"the flow of layer {layer} peaks at the published step in other networks too",
                above=paper - WITHIN,
                below=paper + WITHIN,
                unit="step",
                paper=paper,
            )
        )
    return found


def share(name: str, claim: str, count: int, n: int, **rest: Any) -> Finding:
    """Return the finding about a share of a count, with Wilson's interval."""
    found = wilson(count, n)
    rest["note"] = rest.get("note", "") or ("" if n else "not measured in this run")
    return Finding.judged(
        name, claim, found.estimate if n else None, found.ends if n else None, unit="fraction", n=n, **rest
    )

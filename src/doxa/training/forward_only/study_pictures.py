"""The figures of the study."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.figures import Figure, curves, scatter
from doxa.lab.measured import rows_of
from doxa.lab.record import Tables
from doxa.training.forward_only.experiments import PUBLISHED_SEED
from doxa.training.forward_only.pictures import panels, phase
from doxa.training.forward_only.structure import BACKPROP, PCA, STEPS, TRAINED, UNTRAINED

CURVES = {
    "entropy": ("Entropy", "H/η (bits per unit of time)"),
    "cosine": ("Alignment", "cos θ of z and ΔD"),
    "flow_norm": ("Knowledge flow", "‖Φ‖ = ‖Δz‖/η"),
}
Rows = list[dict[str, Any]]
APART = 4.0
"""Steps between two marks whose names do not run into each other."""


def embedded_figures(tables: Tables) -> list[Figure]:
    """Return the figures of the experiments that were run."""
    return [
        *_overlays(tables),
        *_nets(tables),
        *_clock(tables),
        *_structure(tables),
        *watched_figures(tables),
    ]


def _overlays(tables: Tables) -> list[Figure]:
    found: list[Figure] = []
    kept = rows_of(tables, "curve").filter(pl.col("seed") == PUBLISHED_SEED)
    for kind, x_title, about in (
        ("budget", "time t = η k", "runs of equal η K, each read at t = η k"),
        ("steps", "k/K", "control: runs of equal K, each read at k/K"),
    ):
        for name, (title, value_title) in CURVES.items():
            rows = kept.filter((pl.col("kind") == kind) & (pl.col("curve") == name)) if kept.height else kept
            if (kind == "steps" and name != "entropy") or not rows.height:
                continue
            lines: Rows = [
                {
                    "layer": f"layer {row['layer']}",
                    "run": f"η {row['eta']:g}, K {row['steps']}",
                    "time": row["time"],
                    "value": row["value"],
                }
                for row in rows.iter_rows(named=True)
            ]
            found.append(
                panels(
                    f"{kind}-{name.replace('_', '-')}",
                    f"{title}: {about.split(',')[0]}",
                    f"Network of seed {PUBLISHED_SEED}; {about}.",
                    lines,
                    value="value",
                    value_title=value_title,
                    group="run",
                    x_title=x_title,
                )
            )
    errors = rows_of(tables, "overlap", curve="entropy", layer="mean").filter(pl.col("value") > 0.0)
    wanted = {"budget": "equal η K", "noise": "with noise at each step"}
    errors = errors.filter(pl.col("kind").is_in(list(wanted))) if errors.height else errors
    if errors.height:
        means = errors.group_by("kind", "eta", maintain_order=True).agg(
            pl.col("value").mean(), pl.col("value").min().alias("low"), pl.col("value").max().alias("high")
        )
        found.append(
            curves(
                "overlap",
                "How far curves are from the finest run",
                "Relative error of the entropy curves, mean over layers; lines are means over networks, bands reach "
                "from the least to the largest network.",
                means.sort("kind", "eta").with_columns(pl.col("kind").replace(wanted)),
                x="eta",
                value="value",
                low="low",
                high="high",
                group="kind",
                x_title="η",
                value_title="relative error",
                log_x=True,
            )
        )
    return found


def _nets(tables: Tables) -> list[Figure]:
    found: list[Figure] = []
    rows = rows_of(tables, "step")
    events = rows_of(tables, "event").filter(pl.col("condition") == "tensor-net")
    if rows.height:
        for curve, sign in (("tensor_net", "code"), ("tensor_net_text", "text")):
            lines = _by_layer(rows.filter(pl.col("curve") == curve))
            own = events.filter((pl.col("seed") == PUBLISHED_SEED) & (pl.col("kind") == f"crossing, {sign}"))
            marks = _marks({row["layer"]: row["time"] for row in own.sort("time").iter_rows(named=True)})
            found.append(
                curves(
                    f"net-{sign}",
                    f"Tensor net with the sign of the {sign}",
                    f"Network of seed {PUBLISHED_SEED}, η = 0.01, K = 50; upright lines are first zeros.",
                    lines,
                    value="value",
                    group="layer",
                    x_title="pass k, from 0",
                    value_title="tensor net",
                    events=marks,
                )
            )
        wide = rows.pivot("curve", index=["layer", "time"], values="value", aggregate_function="first")
        portrait: Rows = [
            {**row, "layer": f"layer {row['layer']}", "step": row["time"]}
            for row in wide.iter_rows(named=True)
        ]
        found.append(
            phase(
                "phase",
                "Phase portrait",
                f"Network of seed {PUBLISHED_SEED}: flow against knowledge; each layer moves to the right.",
                portrait,
            )
        )
        found.append(
            curves(
                "lagrangian",
                "Lagrangian",
                f"Network of seed {PUBLISHED_SEED}, η = 0.01, K = 50.",
                _by_layer(rows.filter(pl.col("curve") == "lagrangian")),
                value="value",
                group="layer",
                x_title="pass k, from 0",
                value_title="L = -Σ z D' Φ",
            )
        )
    if events.height:
        kinds = {"crossing, code": "zero of the tensor net", "flow peak": "flow peak"}
        spread: Rows = [
            {
                "layer": row["layer"] + (-0.12 if row["kind"] == "flow peak" else 0.12),
                "step": row["time"],
                "what": kinds[row["kind"]],
                "network": f"seed {row['seed']}",
            }
            for row in events.filter(pl.col("kind").is_in(list(kinds))).iter_rows(named=True)
        ]
        found.append(
            scatter(
                "networks",
                "Zeros and flow peaks of many networks",
                "One point per network and layer, η = 0.01; a network without a zero in a layer has no point there.",
                spread,
                x="layer",
                y="step",
                group="what",
                label="network",
                x_title="layer",
                y_title="pass k",
            )
        )
    return found


def _marks(zeros: dict[int, float]) -> dict[str, float]:
    """Return the lines of zeros by name; zeros that are too near for two names share the first one's line."""
    found: dict[float, list[int]] = {}
    for layer, at in zeros.items():
        near = next((place for place in found if abs(place - at) < APART), at)
        found.setdefault(near, []).append(layer)
    return {f"layer {' and '.join(map(str, layers))}": at for at, layers in found.items()}


def _by_layer(rows: pl.DataFrame) -> Rows:
    return [
        {"layer": f"layer {row['layer']}", "time": row["time"], "value": row["value"]}
        for row in rows.sort("layer", "time").iter_rows(named=True)
    ]


def _clock(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "growth curve")
    if not rows.height:
        return []
    first = rows.filter(pl.col("seed") == rows["seed"].min())
    lines: Rows = [
        {"pixels": row["kind"], "e_folds": row["e_folds"], "share": row["value"]}
        for row in first.iter_rows(named=True)
    ]
    return [
        curves(
            "clock",
            "Growth of knowledge in layer 1",
            "Growth rate over the one the inputs foretell, against time counted in e-folds of that rate; one network.",
            lines,
            x="e_folds",
            value="share",
            group="pixels",
            x_title="t λ_max / (4 ln 2)",
            value_title="share of the foretold rate",
            references={"foretold": 1.0},
        )
    ]


def _structure(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "probe")
    if not rows.height:
        return []
    layered = rows.filter(pl.col("layer") > 0)
    on_the_way = layered.filter(pl.col("kind").is_in([UNTRAINED, TRAINED]))
    found = [
        curves(
            "probe-steps",
            "What a linear probe finds on the way",
            "Accuracy on held-out images by layer; means over networks, bands from the least to the largest.",
            _spread(on_the_way, "layer", "step").with_columns(
                pl.format("layer {}", pl.col("layer")).alias("layer")
            ),
            x="step",
            value="value",
            low="low",
            high="high",
            group="layer",
            x_title="pass k",
            value_title="accuracy",
            events={"published onset": 25.0},
        )
    ]
    after = layered.filter((pl.col("step") == STEPS) | (pl.col("kind") == UNTRAINED))
    after = after.filter(pl.col("kind").is_in([UNTRAINED, TRAINED, PCA, BACKPROP]))
    found.append(
        curves(
            "probe-layers",
            "What a linear probe finds in each layer",
            "Accuracy on held-out images; PCA has as many components as the layer has units.",
            _spread(after, "kind", "layer"),
            x="layer",
            value="value",
            low="low",
            high="high",
            group="kind",
            x_title="layer",
            value_title="accuracy",
            domain=(0.0, 1.0),
        )
    )
    return found


def _spread(rows: pl.DataFrame, group: str, x: str) -> pl.DataFrame:
    spread = rows.group_by(group, x, maintain_order=True).agg(
        pl.col("value").mean(), pl.col("value").min().alias("low"), pl.col("value").max().alias("high")
    )
    return spread.sort(group, x)


def watched_figures(tables: Tables) -> list[Figure]:
    """Return the flow and the tensor net of watched training, one network of each kind."""
    rows = rows_of(tables, "watched")
    found: list[Figure] = []
    for kind in rows["kind"].unique(maintain_order=True) if rows.height else []:
        own = rows.filter((pl.col("kind") == kind) & (pl.col("seed") == rows["seed"].min()))
        names = own.sort("layer")["name"].unique(maintain_order=True).to_list()
        for curve, title in (("flow_norm", "Knowledge flow"), ("tensor_net", "Tensor net")):
            chosen = own.filter(pl.col("curve") == curve)
            scale = dict(chosen.group_by("name").agg(pl.col("value").abs().max()).rows())
            lines: Rows = [
                {
                    "module": _called(row),
                    "update": row["time"],
                    "value": row["value"] / (scale[row["name"]] or 1.0),
                }
                for row in chosen.filter(pl.col("name").is_in(_few(names))).iter_rows(named=True)
            ]
            found.append(
                curves(
                    f"{kind}-{curve.replace('_', '-')}",
                    f"{title} of a {kind} while it is trained",
                    "Each layer over its own largest value; a fixed probe batch is looked at before every update.",
                    lines,
                    x="update",
                    value="value",
                    group="module",
                    x_title="update",
                    value_title=f"{title.lower()}, share of its largest",
                )
            )
    return found


def _called(row: dict[str, Any]) -> str:
    """Return what a layer is called: modules that have numbers alone count as layers."""
    return f"layer {row['layer']}" if str(row["name"]).isdigit() else str(row["name"])


def _few(names: list[str], most: int = 6) -> list[str]:
    """Return at most as many names as there are colours, evenly over the depth."""
    if len(names) <= most:
        return names
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]

"""Figures of the study: trajectories with their bands, phase portraits, the prior's share, errors by step ahead."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.dynamics.physics_guided.variants import (
    BAYESIAN_AGENTS,
    GUIDED,
    KALMAN,
    NETWORK,
    OPEN_LOOP,
    PHYSICS,
    SIMPLE_PHYSICS,
)
from doxa.lab.figures import Figure, curves, intervals, scatter
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Tables

TITLES = {
    "pendulum": "Pendulum",
    "linear": "Linear world",
    "crack": "Crack",
    "silverbox": "Silverbox",
    "belief": "Agents",
    "csv": "Own series",
}
BREAK = 4
"""Empty steps between a sequence trained on and one tested on."""
LOWEST = -1.0
"""Lowest R² that is drawn: latents in units of their own reach far below it."""
SPLITS = ("train", "test")


def study_figures(tables: Tables, worlds: tuple[str, ...]) -> list[Figure]:
    """Return the figures of each world that was run."""
    found: list[Figure] = []
    for world in worlds:
        found += [*_trajectories(tables, world), *_portrait(tables, world)]
        found += [*_recovery(tables, world), *_ahead(tables, world), *_shares(tables, world)]
    return found


def _shown(tables: Tables, world: str) -> pl.DataFrame:
    """Return the latent means of the first replicate's first sequences."""
    rows = rows_of(tables, "latent", condition=world)
    if not rows.height:
        return rows
    return rows.filter(pl.col("seed") == rows["seed"].min())


def _trajectories(tables: Tables, world: str) -> list[Figure]:
    rows = _shown(tables, world)
    found: list[Figure] = []
    for coordinate in rows["coordinate"].unique(maintain_order=True) if rows.height else ():
        own = rows.filter(pl.col("coordinate") == coordinate)
        length = int(own["time"].max()) + BREAK  # type: ignore[arg-type]
        lines: list[dict[str, Any]] = []
        for place, split in enumerate(SPLITS):
            part = own.filter(pl.col("split") == split)
            known = part.filter(pl.col("subject") == GUIDED)
            shift = place * length
            lines += [_at(row["time"] + shift, "truth", row["truth"]) for row in known.iter_rows(named=True)]
            for row in part.iter_rows(named=True):
                high, low = row["value"] + 2.0 * row["std"], row["value"] - 2.0 * row["std"]
                band = (low, high) if row["subject"] == GUIDED else (None, None)
                lines.append(_at(row["time"] + shift, row["subject"], row["value"], *band))
            if place == 0:
                lines += [
                    _at(length - 1, name, None)
                    for name in ("truth", *part["subject"].unique(maintain_order=True))
                ]
        unit = own["unit"][0]
        found.append(
            curves(
                f"{world}-{coordinate}".replace(" ", "-"),
                f"{TITLES[world]}: {coordinate} by step",
                f"One sequence of those learnt from, then one that is tested on. The band of {GUIDED} is its mean with "
                f"two standard deviations to either side; {NETWORK} is shown after an affine fit to the truth.",
                lines,
                value="value",
                low="low",
                high="high",
                group="model",
                x_title="step",
                value_title=f"{coordinate} ({unit})",
                events={"tested": float(length)},
            )
        )
    return found


def _at(
    time: float, model: str, value: float | None, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    return {"time": float(time), "model": model, "value": value, "low": low, "high": high}


def _portrait(tables: Tables, world: str) -> list[Figure]:
    rows = _shown(tables, world)
    names = rows["coordinate"].unique(maintain_order=True).to_list() if rows.height else []
    if len(names) < 2:
        return []
    rows = rows.filter(pl.col("split") == "test")
    points: list[dict[str, Any]] = []
    for model, column in (("truth", "truth"), (GUIDED, "value"), (NETWORK, "value")):
        own = rows.filter(pl.col("subject") == (GUIDED if model == "truth" else model))
        pair = [own.filter(pl.col("coordinate") == name).sort("time")[column].to_list() for name in names[:2]]
        points += [{"model": model, "x": x, "y": y} for x, y in zip(*pair, strict=True)]
    return [
        scatter(
            f"{world}-phase",
            f"{TITLES[world]}: phase portrait of a tested sequence",
            f"{names[0]} across, {names[1]} up, which nothing observed; {NETWORK} after an affine fit.",
            points,
            group="model",
            x_title=names[0],
            y_title=names[1],
        )
    ]


def _recovery(tables: Tables, world: str) -> list[Figure]:
    rows = rows_of(tables, "r2", condition=world, split="test")
    if not rows.height:
        return []
    lines: list[dict[str, Any]] = []
    for row in rows.unique(["subject", "coordinate", "aligned"], maintain_order=True).iter_rows(named=True):
        told = {name: row[name] for name in ("subject", "coordinate", "aligned")}
        score = units(tables, "r2", condition=world, split="test", **told)
        label = f"{row['coordinate']}, {row['aligned']}"
        drawn = score.row(possible=(-float("inf"), 1.0), label=label, model=row["subject"])
        drawn |= {
            name: max(drawn[name], LOWEST) for name in ("value", "low", "high") if drawn[name] is not None
        }
        lines.append(drawn)
    return [
        intervals(
            f"{world}-recovery",
            f"{TITLES[world]}: how well latents are the hidden coordinates",
            "R² on sequences that were not trained on: of the latent as it is, and after an affine fit to the truth. "
            f"Means over replicates with 95 % intervals; what lies below {LOWEST:.0f} is drawn there.",
            lines,
            group="model",
            value_title="R²",
        )
    ]


def _ahead(tables: Tables, world: str) -> list[Figure]:
    rows = rows_of(tables, "forecast error", condition=world, split="test")
    lines: list[dict[str, Any]] = []
    for model in (GUIDED, NETWORK, PHYSICS, BAYESIAN_AGENTS, KALMAN, OPEN_LOOP):
        own = rows.filter(pl.col("subject") == model)
        for time in sorted(own["time"].unique().to_list()):
            score = units(tables, "forecast error", condition=world, split="test", subject=model, time=time)
            lines.append(score.row(possible=(0.0, float("inf")), model=model, time=time))
    if not lines:
        return []
    unit = rows["unit"][0]
    return [
        curves(
            f"{world}-ahead",
            f"{TITLES[world]}: forecast error by step ahead",
            "Root mean square on tested sequences, by steps after the last observation; means over replicates with "
            "95 % intervals.",
            lines,
            low="low",
            high="high",
            group="model",
            x_title="steps ahead",
            value_title=f"RMSE ({unit})",
        )
    ]


def _shares(tables: Tables, world: str) -> list[Figure]:
    rows = rows_of(tables, "alpha", condition=world)
    bounds = None if world == "silverbox" else (0.0, 1.0)  # there the share is free
    lines: list[dict[str, Any]] = []
    for model in rows["subject"].unique(maintain_order=True) if rows.height else ():
        own = rows.filter(pl.col("subject") == model)
        if model in (NETWORK, PHYSICS, SIMPLE_PHYSICS):
            continue
        for time in sorted(own["time"].unique().to_list()):
            score = units(tables, "alpha", condition=world, subject=model, time=time)
            lines.append(score.row(possible=bounds, model=model, time=time))
    if not lines:
        return []
    return [
        curves(
            f"{world}-alpha",
            f"{TITLES[world]}: share of the prior during training",
            "α, by which the stream that the prior drives counts; 0.5 at the start.",
            lines,
            low="low",
            high="high",
            group="model",
            x_title="optimiser step",
            value_title="α",
            domain=bounds,
        )
    ]

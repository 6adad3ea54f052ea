"""Figures of poisoned training: margins over steps and ratios, depth, rescue, collateral."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from doxa.belief.inference import mean_t_interval
from doxa.lab.figures import Figure, bars, curves, heatmap, intervals
from doxa.training.poisoning import likeliest_margin

GROUPS = ("target", "held-out wording", "neighbour", "same entity", "untouched")


def margin_curves(measures: pl.DataFrame, conditions: Mapping[str, float]) -> Figure:
    """Draw the mean margin of targets over steps for each ratio, with the likeliest margins as lines."""
    rows = _rows(measures, conditions, "margin/target").filter(pl.col("time") > 0)
    lines = {
        f"ln((1−ρ)/ρ), ρ={ratio:g}": likeliest_margin(ratio) for ratio in conditions.values() if 0 < ratio < 1
    }
    return curves(
        "margin-steps",
        "Belief margin of the facts told falsely",
        "Mean over items and seeds, in nats; above 0 the truth is preferred. Dashed: where maximum likelihood ends.",
        rows.to_dicts(),
        x="time",
        value="mean",
        low="low",
        high="high",
        group="condition",
        log_x=True,
        x_title="step of continued training",
        value_title="margin (nats)",
        references=lines,
        height_px=340,
    )


def lens_map(measures: pl.DataFrame, condition: str) -> list[Figure]:
    """Draw the lens margin by depth and checkpoint."""
    rows = _rows(measures, {condition: 0.0}, None).filter(pl.col("measure").str.starts_with("lens/"))
    if rows.is_empty():
        return []
    lines = [
        {
            "depth": f"{row['measure'].removeprefix('lens/')}",
            "step": f"{row['time']:g}",
            "margin": row["mean"],
        }
        for row in sorted(rows.to_dicts(), key=lambda row: (-int(row["measure"][5:]), row["time"]))
    ]
    return [
        heatmap(
            "lens-steps",
            f"Margin by depth and step ({condition})",
            "Logit lens, in nats; depth 0 is the embedding, the last the model's own answer. Amber: the counterfact.",
            lines,
            row="depth",
            column="step",
            value="margin",
            middle=0.0,
            number_format=".1f",
        )
    ]


def rescue_curves(measures: pl.DataFrame, condition: str) -> list[Figure]:
    """Draw how many flipped items each patch brings back, by layer."""
    wanted = {
        "rescued/residual": "residual, last token",
        "rescued/residual, all tokens": "residual, all tokens",
        "rescued/attention": "attention write",
        "rescued/mlp": "MLP write",
        "corrupted/reverse": "reverse: poisoned value into the clean model",
    }
    rows = _rows(measures, {condition: 0.0}, None).filter(pl.col("measure").is_in(list(wanted)))
    if rows.is_empty():
        return []
    lines = [
        {"layer": row["time"], "share": row["mean"], "patch": wanted[row["measure"]]}
        for row in rows.to_dicts()
    ]
    return [
        curves(
            "rescue",
            f"Rescue by layer ({condition})",
            "Share of flipped items that prefer the truth again when the clean model's value is written after a block "
            "(reverse: share that the poisoned value corrupts). At the top the whole residual copies the clean answer.",
            lines,
            x="layer",
            value="share",
            group="patch",
            x_title="block",
            value_title="share of flipped items",
            domain=(0.0, 1.0),
        )
    ]


def collateral_bars(measures: pl.DataFrame, conditions: Mapping[str, float]) -> list[Figure]:
    """Draw how many items of each group flip, by ratio."""
    lines: list[dict[str, Any]] = []
    for group in GROUPS:
        last = _last(_rows(measures, conditions, f"flips/{group}"))
        lines += [
            {"items": group, "flips": row["mean"], "condition": row["condition"]} for row in last.to_dicts()
        ]
    if not lines:
        return []
    return [
        bars(
            "collateral",
            "Flips by kind of item",
            "Share of items of each kind that were true before and prefer their counterfact after continued training.",
            lines,
            label="items",
            value="flips",
            group="condition",
            value_title="flip rate",
            domain=(0.0, 1.0),
        )
    ]


def condition_intervals(measures: pl.DataFrame, conditions: Sequence[str]) -> list[Figure]:
    """Draw the final margin of targets under other ways of continuing, which are reported without a claim."""
    rows = _last(_rows(measures, dict.fromkeys(conditions, 0.0), "margin/target"))
    if rows.is_empty():
        return []
    return [
        intervals(
            "conditions",
            "Margin under other texts, orders and widths",
            "Final margin of the targets in nats, mean over seeds with its interval; reported without a claim.",
            rows.to_dicts(),
            label="condition",
            value="mean",
            low="low",
            high="high",
            value_title="margin (nats)",
            references={"neither": 0.0},
        )
    ]


def _rows(measures: pl.DataFrame, conditions: Mapping[str, float], measure: str | None) -> pl.DataFrame:
    """Return means over seeds with their intervals, by condition (in the order given), measure and time."""
    rows = measures.filter(pl.col("condition").is_in(list(conditions))).drop_nulls("value")
    if measure is not None:
        rows = rows.filter(measure=measure)
    found: list[dict[str, Any]] = []
    for (condition, name, time), part in rows.group_by("condition", "measure", "time", maintain_order=True):
        mean = mean_t_interval(part["value"].to_list())
        low, high = mean.ends or (mean.estimate, mean.estimate)
        found.append(
            {
                "condition": condition,
                "measure": name,
                "time": time,
                "mean": mean.estimate,
                "low": low,
                "high": high,
            }
        )
    order = {name: place for place, name in enumerate(conditions)}
    found.sort(key=lambda row: (order[row["condition"]], row["measure"], row["time"]))
    columns = {"condition": pl.String, "measure": pl.String, "time": pl.Float64}
    numbers = dict.fromkeys(("mean", "low", "high"), pl.Float64)
    return pl.DataFrame(found, schema={**columns, **numbers})


def _last(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("time") == pl.col("time").max().over("condition"))

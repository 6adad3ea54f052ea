"""The figures of the audits: margins, changes, weights, tie rates, and the map of a process."""

from __future__ import annotations

import polars as pl

from doxa.lab.figures import Figure, bars, curves
from doxa.lab.measured import rows_of
from doxa.lab.record import Tables
from doxa.training.reward_policy.audit_report import AMPLIFIED


def audit_figures(tables: Tables) -> list[Figure]:
    """Draw what an audit found."""
    return [*_margins(tables), *_sweeps(tables), *_tie_rates(tables), *_distances(tables)]


def _margins(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "top changed")
    if not rows.height:
        return []
    own = rows.filter((pl.col("kind") == "constant") & pl.col("margin").is_not_null()).sort("margin")
    found: list[Figure] = []
    if own.height:
        lines = own.with_row_index("rank").with_columns(
            ((pl.col("rank") + 1) / own.height).alias("share"), pl.col("margin").alias("x")
        )
        found.append(
            curves(
                "margins",
                "By how much the best answer is best",
                "Share of prompts whose best answer is ahead of the second by no more than that.",
                lines,
                x="x",
                value="share",
                x_title="margin of the best answer",
                value_title="share of prompts",
                domain=(0.0, 1.02),
            )
        )
    changes = rows.group_by("change", maintain_order=True).agg(
        pl.col("value").mean().alias("best answer changes"),
        pl.col("best_tv").mean().alias("best-of-N moves (d_TV)"),
        pl.col("soft_tv").mean().alias("soft selection moves (d_TV)"),
        pl.col("bound").mean().clip(upper_bound=1.0).alias("its bound"),
    )
    long = changes.unpivot(index="change", variable_name="what", value_name="value")
    found.append(
        bars(
            "changes",
            "What changes of the reward do to the selection",
            "Means over prompts; a constant must do nothing, and soft selection must stay below its bound.",
            long,
            label="change",
            group="what",
            value_title="share, or d_TV",
            domain=(0.0, 1.0),
        )
    )
    return found


def _sweeps(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "weights changed")
    if not rows.height:
        return []
    named = rows.with_columns(pl.format("{} → {}", "subject", "other").alias("pair"))
    return [
        curves(
            "weights",
            "Prompts whose best answer changes with the weights",
            "Share of prompts whose best answer is not that of the first reward alone.",
            named.sort("pair", "time"),
            group="pair",
            x_title="weight of the second reward",
            value_title="share of prompts",
            domain=(0.0, 1.0),
        )
    ]


def _tie_rates(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "tie_rate")
    if not rows.height:
        return []
    return [
        curves(
            "tie-rate",
            "Amplified groups",
            "Share of groups whose rewards differ, with a deviation below the tolerance.",
            rows.sort("time"),
            x_title="step",
            value_title="share of groups",
            domain=(0.0, 1.0),
            references={"warning": AMPLIFIED},
        )
    ]


def _distances(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "distance")
    if not rows.height:
        return []
    words = {"greedy": "deterministic", "uniform": "uniform", "soft": "soft"}
    named = rows.with_columns(pl.col("kind").replace_strict(words).alias("policy"))
    return [
        curves(
            "map",
            "How far the optimal policy moves along random directions",
            "Largest d_TV over directions and states, against the size of the change of the reward.",
            named.sort("policy", "time"),
            group="policy",
            x_title="largest change of the reward",
            value_title="d_TV",
            domain=(0.0, 1.02),
            log_x=True,
        )
    ]

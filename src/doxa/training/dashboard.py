"""A training's log as figures: reward, entropy, covariance, KL and the share of tokens a method acts on, by step."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from doxa.errors import InputError
from doxa.lab.figures import Figure, curves


class Panel(NamedTuple):
    """One figure of a dashboard: the column it shows, its title, and what its axis says."""

    column: str
    title: str
    axis: str


PANELS = (
    Panel("reward", "Reward", "mean reward"),
    Panel("entropy", "Entropy", "nats per token"),
    Panel("covariance", "Covariance of advantage and log-probability", "mean over tokens"),
    Panel("kl", "How far the updates of a rollout carry the policy", "KL in nats"),
    Panel("base_kl", "How far the policy is from its base", "KL in nats per token"),
    Panel("fraction_selected", "Tokens that the method acts on", "share of tokens"),
    Panel("lambda_mean", "Weight that the method leaves to tokens", "mean weight"),
    Panel("response_length", "Length of responses", "tokens"),
)


def training_figures(log: pl.DataFrame, *, panels: tuple[Panel, ...] = PANELS) -> list[Figure]:
    """Return a figure for each panel whose column the log has: the mean over seeds, and the range they span.

    Args:
        log: a row per step, of each seed and variant where it has such columns, as ``PolicyRun.log`` or its
            ``evaluations``.
        panels: what to show.

    Raises:
        InputError: the log has no steps, or none of the columns.
    """
    shown = [
        panel for panel in panels if panel.column in log.columns and log[panel.column].drop_nulls().len()
    ]
    if "step" not in log.columns or not shown:
        wanted = ", ".join(panel.column for panel in panels)
        raise InputError(f"log with the columns {', '.join(log.columns)}: needs step and one of {wanted}")
    keys = ["variant", "step"] if "variant" in log.columns else ["step"]
    group = "variant" if "variant" in log.columns and log["variant"].n_unique() > 1 else None
    seeds = log["seed"].n_unique() if "seed" in log.columns else 1
    spans = f" and the range over {seeds} seeds" if seeds > 1 else ""
    return [_figure(log, panel, keys, group, spans) for panel in shown]


def _figure(log: pl.DataFrame, panel: Panel, keys: list[str], group: str | None, spans: str) -> Figure:
    column = pl.col(panel.column)
    rows = (
        log.filter(column.is_not_null())
        .group_by(keys, maintain_order=True)
        .agg(column.mean().alias("value"), column.min().alias("low"), column.max().alias("high"))
    )
    return curves(
        f"training-{panel.column.replace('_', '-')}",
        panel.title,
        f"Lines: mean{spans} of the policy at each step{', by variant' if group else ''}.",
        rows.to_dicts(),
        x="step",
        low="low" if spans else None,
        high="high" if spans else None,
        group=group,
        x_title="step",
        value_title=panel.axis,
    )

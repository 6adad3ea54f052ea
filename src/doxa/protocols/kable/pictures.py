"""The figures of a result: the paper's heat map, the share of Yes beside it, and the contrasts."""

from __future__ import annotations

import polars as pl

from doxa.lab.figures import Figure, heatmap, intervals
from doxa.protocols.kable.summary import KableResult


def figures_of(result: KableResult) -> list[Figure]:
    """Return the figures of a result."""
    table = result.table.with_columns(
        pl.col("accuracy").fill_nan(None), task=pl.col("task").str.replace_all("-", " ")
    )
    gaps = [
        {"label": gap.name.replace("_", " "), "value": gap.estimate, "low": gap.low, "high": gap.high}
        for gap in result.contrasts.values()
        if gap.interval and "/" not in gap.name
    ]
    chance = "An empty cell has no definitive answer. Chance is 1/3, or 2/3 where two letters count."
    share = "A subject that always says Yes has 1 everywhere, and full accuracy wherever Yes counts."
    return [
        heatmap(
            "tasks",
            "Accuracy by task and truth of the sentence",
            f"{chance} {result.label}".strip(),
            table,
            row="task",
            column="type",
            value="accuracy",
            domain=(0.0, 1.0),
        ),
        heatmap(
            "answers",
            "Share of Yes by task and truth of the sentence",
            share,
            table,
            row="task",
            column="type",
            value="yes_share",
            domain=(0.0, 1.0),
        ),
        intervals(
            "contrasts",
            "Contrasts over the same sentences",
            "Difference of two shares with its 95 % cluster bootstrap interval, sentences as clusters.",
            gaps,
            value_title="difference",
            references={"no difference": 0.0},
        ),
    ]

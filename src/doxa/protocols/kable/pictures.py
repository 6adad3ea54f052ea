"""The figures of a result: the paper's heat map, the same by subject, what was answered, and the contrasts."""

from __future__ import annotations

import polars as pl

from doxa.lab.figures import Figure, bars, heatmap, intervals
from doxa.protocols.kable.questions import ANSWERS, TYPES
from doxa.protocols.kable.summary import KableResult


def figures_of(result: KableResult) -> list[Figure]:
    """Return the figures of a result; what must stand beside every accuracy stands in the first one's caption."""
    table, gaps = _readable(result.table), [gap for gap in result.contrasts.values() if "/" not in gap.name]
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
        *(_by_subject(result, type_) for type_ in TYPES if type_ in set(table["type"])),
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
        *_undecided(table),
        intervals(
            "contrasts",
            "Contrasts over the same sentences",
            "Difference of two shares with its 95 % cluster bootstrap interval, sentences as clusters.",
            [
                {"label": gap.name.replace("_", " "), "value": gap.estimate, "low": gap.low, "high": gap.high}
                for gap in gaps
                if gap.interval
            ],
            value_title="difference",
            references={"no difference": 0.0},
        ),
    ]


def _by_subject(result: KableResult, type_: str) -> Figure:
    return heatmap(
        f"subjects-{type_}",
        f"Accuracy on {type_} sentences by task and subject",
        "Tasks without a definitive answer are left out.",
        _readable(result.by_subject()).filter(pl.col("type") == type_, pl.col("accuracy").is_not_null()),
        row="task",
        column="subject",
        value="accuracy",
        domain=(0.0, 1.0),
    )


def _undecided(table: pl.DataFrame) -> list[Figure]:
    """Return the shares of each answer where no answer is definitive; no figure where every task has one."""
    rows = table.filter(pl.col("accuracy").is_null())
    shares = ("yes_share", "no_share", "undeterminable_share")
    named = {name: pl.col(share) for name, share in zip(ANSWERS.values(), shares, strict=True)}
    drawn = rows.select("task", **named, unread=pl.col("unparsed") / pl.col("n")).unpivot(
        index="task", variable_name="answer"
    )
    figure = bars(
        "undecided",
        "Answers where none is definitive",
        "False sentences of the tasks without a key: these have no accuracy.",
        drawn,
        label="task",
        value="value",
        group="answer",
        stacked=True,
        value_title="share of answers",
        domain=(0.0, 1.0),
    )
    return [figure] if rows.height else []


def _readable(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(
        pl.col("accuracy").fill_nan(None), task=pl.col("task").str.replace_all("-", " ")
    )

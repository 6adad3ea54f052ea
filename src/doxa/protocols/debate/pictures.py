"""Figures of debates: bets by stage, both sides' closing bets, reliability, and what the excess hangs on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.inference import mean_t_interval
from doxa.lab.figures import Figure, curves, heatmap, scatter
from doxa.lab.record import Tables
from doxa.protocols.debate.bets import SIDES, STAGES, BetTable
from doxa.protocols.debate.embedded import GRID, texts_name
from doxa.protocols.debate.measures import stage_means
from doxa.protocols.debate.reader_world import SWITCHES
from doxa.protocols.debate.verdicts import Verdict, calibration

NUMBERS = ("numbers", "numbers, read afresh", "numbers, Bayesian", "numbers, anchored")


def embedded_figures(tables: Tables, *, penalty: float) -> list[Figure]:
    """Draw the embedded debates."""
    measures = tables.measures
    texts = {switch: texts_name(switch, penalty) for switch in (*SWITCHES, "read afresh")}
    return [
        stages_figure("numbers-stages", "Credence by stage, debates of numbers", measures, {n: n for n in NUMBERS}),
        stages_figure("texts-stages", "Credence by stage, debates over real arguments", measures, texts),
        joint_figure("numbers-joint", "Both sides' closing credences, numbers", _joint(measures, "numbers")),
        joint_figure(
            "texts-joint",
            "Both sides' closing credences, real arguments",
            _joint(measures, texts["cross_model"]),
        ),
        _reliability(measures, {"numbers": "numbers", "numbers, Bayesian": "numbers, Bayesian",
                                "texts": texts["cross_model"], "texts, read afresh": texts["read afresh"]}),
        *_excess(measures),
        _by_noise(measures),
    ]  # fmt: skip


def published_figures(table: BetTable | None, verdicts: Sequence[Verdict]) -> list[Figure]:
    """Draw the bets of real debaters."""
    if table is None:
        return []
    rows = [
        {"stage": number, "value": mean.estimate, "low": mean.low, "high": mean.high, "condition": name}
        for name, part in table.groups("condition").items()
        for number, mean in enumerate(stage_means(part).values(), 1)
    ]
    figures = [_stages("stages", "Mean bet by stage", rows, group="condition", even=50.0, title_y="bet")]
    for name, part in table.groups("condition").items():
        pairs = part.pairs("closing").select(SIDES).to_numpy() / 100.0
        if len(pairs):
            counts, _, _ = np.histogram2d(pairs[:, 0], pairs[:, 1], bins=GRID, range=((0, 1), (0, 1)))
            figures.append(
                joint_figure(f"{name}-joint", f"Both sides' closing bets, {name}", counts / len(pairs))
            )
    judged = {one.debate for one in verdicts if one.winner is not None}
    whole = set(table.pairs("closing")["debate"])
    if judged & whole:
        bins = calibration(table, verdicts).reliability
        lines = [
            {"stated": one.credence, "won": one.share_true, "n": one.n, "who": "debaters"} for one in bins
        ]
        figures.append(reliability_figure(lines))
    return figures


def stages_figure(name: str, title: str, measures: pl.DataFrame, conditions: dict[str, str]) -> Figure:
    """Draw the mean credence by stage with bands over seeds."""
    rows: list[dict[str, Any]] = []
    for label, condition in conditions.items():
        of = measures.filter(pl.col("condition") == condition, pl.col("measure") == "credence")
        for stage in range(len(STAGES)):
            mean = mean_t_interval(of.filter(pl.col("time") == stage)["value"].to_list())
            if mean.n:
                rows.append(
                    {
                        "stage": stage + 1,
                        "value": mean.estimate,
                        "low": mean.low,
                        "high": mean.high,
                        "condition": label,
                    }
                )
    return _stages(name, title, rows, group="condition", even=0.5, title_y="credence")


def _stages(
    name: str,
    title: str,
    rows: list[dict[str, Any]],
    *,
    group: str,
    even: float,
    title_y: str,
) -> Figure:
    return curves(
        name,
        title,
        "Stage 1 is the opening, 2 the rebuttal, 3 the closing; bands are 95 % intervals. The two true chances of a "
        "debate sum to 1, so that the mean over both sides cannot lie off the even line.",
        rows,
        x="stage",
        low="low",
        high="high",
        group=group,
        x_title="stage",
        value_title=title_y,
        references={"even": even},
    )


def joint_figure(name: str, title: str, share: np.ndarray) -> Figure:
    """Draw the share of debates by both sides' closing credence; amber where the two sum to more than 1.

    Args:
        name: id.
        title: title.
        share: bins of the proposition by bins of the opposition, of equal width.
    """
    bins = len(share)
    rows: list[dict[str, Any]] = []
    for row in reversed(range(bins)):
        for column in range(bins):
            # bins whose lower ends sum to 1 or more cannot both be right
            impossible = row + column >= bins
            value = float(share[row, column])
            rows.append(
                {"P": _bin(row, bins), "O": _bin(column, bins), "share": -value if impossible else value}
            )
    reach = max(float(np.max(share)), 1e-9)
    return heatmap(
        name,
        title,
        "Share of debates; rows are the proposition's credence, columns the opposition's. Amber, with a minus, is the "
        "region in which the two sum to more than 1, where at least one is wrong.",
        rows,
        row="P",
        column="O",
        value="share",
        domain=(-reach, reach),
        middle=0.0,
    )


def _bin(number: int, bins: int) -> str:
    return f"{number / bins:.1f}-{(number + 1) / bins:.1f}"


def _joint(measures: pl.DataFrame, condition: str) -> np.ndarray:
    rows = measures.filter(pl.col("condition") == condition, pl.col("measure") == "joint")
    share, seeds = np.zeros((GRID, GRID)), max(1, rows["seed"].n_unique())
    for value, extra in rows.select("value", "extra").iter_rows():
        place = json.loads(extra)
        share[place["proposition"], place["opposition"]] += value / seeds
    return share


def _reliability(measures: pl.DataFrame, conditions: dict[str, str]) -> Figure:
    lines: list[dict[str, Any]] = []
    for label, condition in conditions.items():
        totals = np.zeros((GRID, 3))
        rows = measures.filter(pl.col("condition") == condition, pl.col("measure") == "reliability")
        for value, extra in rows.select("value", "extra").iter_rows():
            one = json.loads(extra)
            place = min(GRID - 1, int(one["credence"] * GRID))
            totals[place] += one["n"], one["n"] * one["credence"], one["n"] * value
        lines += [
            {"stated": stated / n, "won": won / n, "n": int(n), "who": label}
            for n, stated, won in totals
            if n >= 30
        ]
    return reliability_figure(lines)


def reliability_figure(lines: list[dict[str, Any]]) -> Figure:
    """Draw how often closing credences came true."""
    return scatter(
        "reliability",
        "How often closing credences came true",
        "Share of debates won by stated credence, in bins of 0.1. On the diagonal, credences mean what they say.",
        lines,
        x="stated",
        y="won",
        group="who",
        label="n",
        x_title="stated credence",
        y_title="share won",
        diagonal=True,
    )


def _excess(measures: pl.DataFrame) -> list[Figure]:
    rows: dict[tuple[int, float], list[float]] = {}
    closing = measures.filter(pl.col("measure") == "excess", pl.col("time") == 2)
    for value, extra in closing.select("value", "extra").iter_rows():
        place = json.loads(extra)
        rows.setdefault((place["arguments"], place["sigma"]), []).append(value)
    cells = [
        {"candidates": str(count), "noise": f"{sigma:g}", "excess": float(np.mean(values))}
        for (count, sigma), values in sorted(rows.items())
    ]
    return [
        heatmap(
            "excess",
            "Closing credence above 1/2 by candidates and noise",
            "Mean over seeds. With one candidate there is nothing to select, without noise nothing to be misled by.",
            cells,
            row="candidates",
            column="noise",
            value="excess",
        )
    ]


def _by_noise(measures: pl.DataFrame) -> Figure:
    """Draw the excess of readers by how private their tastes are, one point to a split and ridge."""
    cross = measures.filter(pl.col("condition").str.ends_with(", cross_model"))
    keys = ["condition", "seed"]
    closing = cross.filter(pl.col("measure") == "credence", pl.col("time") == 2)
    points = closing.select(*keys, excess=pl.col("value") - 0.5).join(
        cross.filter(pl.col("measure") == "noise").select(*keys, noise="value"), on=keys
    )
    ridge = pl.format("ridge {}", pl.col("condition").str.extract(r"texts ([^,]+),"))
    rows = (
        points.with_columns(ridge=ridge).sort("noise").select("noise", "excess", "ridge", "seed").to_dicts()
    )
    return scatter(
        "texts-noise",
        "Closing credence above 1/2 by noise, real arguments",
        "Noise is what a reader has alone over what readers share; one point to a split of the arguments and a ridge.",
        rows,
        x="noise",
        y="excess",
        group="ridge",
        label="seed",
        x_title="noise",
        y_title="excess",
        references={"even": 0.0},
    )

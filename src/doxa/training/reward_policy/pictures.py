"""The figures of the embedded levels: stairs and smooth curves, and the map of ties."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, curves
from doxa.lab.figures.channels import figure, group_channels, layer, quantity
from doxa.lab.figures.rows import lines_of
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Tables
from doxa.lab.units import SHARE
from doxa.training.reward_policy.learners_study import BONUSES, PLAIN, STANDARD
from doxa.training.reward_policy.report import SOFT_ENOUGH

SHARE_TITLE = "share of the favoured action"
DRAWN, DRAWN_ALPHAS = ("greedy", "uniform", "soft"), (0.0, 0.01, 0.1, 1.0)
"""Policies of the first figure: no more than there are colours."""
NEAR = 0.7
"""Share of a step of the grid of weights below which a gap counts as a tie; the steepest gap falls by 1.3 a step."""


def embedded_figures(tables: Tables) -> list[Figure]:
    """Draw the levels that were run."""
    return [
        *_cliff(tables),
        *_steps(tables),
        *_learners(tables),
        *_libraries(tables),
        *_language(tables),
        *_tie_rates(tables),
        *_routes(tables),
        *_weights(tables),
        *_map(tables),
    ]


def _kind(row: dict[str, Any]) -> str:
    if row["kind"] in ("soft", "kl"):
        word = "soft" if row["kind"] == "soft" else "near a base"
        return f"{word}, α = {row['alpha']:g}"
    return "deterministic" if row["kind"] == "greedy" else "uniform"


def _cliff(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "distance")
    if not rows.height:
        return []
    two = list(rows.filter((pl.col("ways") == 2) & pl.col("kind").is_in(DRAWN)).iter_rows(named=True))
    two = [row for row in two if row["alpha"] in DRAWN_ALPHAS]
    lines = [{"change": row["change"], "value": row["value"], "policy": _kind(row)} for row in two]
    lines += [
        {"change": row["change"], "value": min(row["bound"], 1.0), "policy": "bound at α = 0.1"}
        for row in two
        if row["alpha"] == SOFT_ENOUGH
    ]
    return [
        curves(
            "cliff",
            "How far the policy moves at a tie of two actions",
            "Mean distance d_TV at the tied state against the largest change of the reward; exact, γ = 0.9. "
            "Hard policies move by their whole jump however small the change is, soft ones in proportion to it.",
            lines,
            x="change",
            value="value",
            group="policy",
            x_title="largest change of the reward",
            value_title="d_TV",
            domain=(0.0, 1.02),
            log_x=True,
        )
    ]


def _steps(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "step")
    if not rows.height:
        return []
    lines = [
        {"bonus": row["time"], "value": row["value"], "policy": _kind(row)}
        for row in rows.sort("kind", "alpha", "time").iter_rows(named=True)
    ]
    return [_stairs("level-1", "Level 1: the optimum of a bandit with two right arms", "Exact.", lines)]


def _stairs(name: str, title: str, caption: str, lines: list[dict[str, Any]], **more: Any) -> Figure:
    return curves(
        name,
        title,
        f"{caption} Share of the second of two right actions against the bonus ε that it alone gets.",
        lines,
        x="bonus",
        value="value",
        group="policy",
        x_title="bonus ε",
        value_title=SHARE_TITLE,
        domain=(0.0, 1.0),
        references={"chance": 0.5},
        **more,
    )


def _learners(tables: Tables) -> list[Figure]:
    if not rows_of(tables, "second arm").height:
        return []
    lines: list[dict[str, Any]] = []
    for normaliser, word in ((PLAIN, "plain"), (STANDARD, "normalised")):
        for entropy in (0.0, 0.1, 0.5):
            for bonus in BONUSES:
                own = units(tables, "second arm", bonus=bonus, entropy=entropy, normaliser=normaliser)
                policy = f"{word}, α = {entropy:g}"
                lines.append({"bonus": bonus, "policy": policy, **own.row(possible=SHARE)})
    caption = (
        "Learners of the bandit, plain and group-normalised advantages; means over seeds with intervals."
    )
    return [_stairs("level-2", "Level 2: group-relative learners", caption, lines, low="low", high="high")]


def _libraries(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "second arm", entropy=0.1)
    if not rows.height:
        return []
    lines: list[dict[str, Any]] = []
    names = [name for name in rows["normaliser"].unique(maintain_order=True) if name != PLAIN]
    for name in names:
        for bonus in (one for one in BONUSES if one > 0.0):
            own = units(tables, "second arm", bonus=bonus, entropy=0.1, normaliser=name)
            lines.append({"bonus": bonus, "added": name, **own.row(possible=SHARE)})
    return [
        curves(
            "libraries",
            "What libraries add to the deviation matters only for the smallest bonuses",
            "Share of the favoured arm at α = 0.1 by bonus; verl adds 1e-6, TRL 1e-4, OpenRLHF 1e-9.",
            lines,
            x="bonus",
            value="value",
            low="low",
            high="high",
            group="added",
            x_title="bonus ε",
            value_title=SHARE_TITLE,
            domain=(0.0, 1.0),
            log_x=True,
        )
    ]


def _language(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "short")
    if not rows.height:
        return []
    lines: list[dict[str, Any]] = []
    kinds = (
        rows.filter(pl.col("advantage") != "base").select("advantage", "bonus").unique(maintain_order=True)
    )
    for advantage, bonus in kinds.rows():
        own = units(tables, "short", advantage=advantage, bonus=bonus)
        if own.values:
            lines.append({"bonus": bonus, "policy": advantage, **own.row(possible=SHARE)})
    return [
        curves(
            "level-3",
            "Level 3: small language models",
            "Share of right answers with at most five digits after training, against the bonus ε of short answers; "
            "means over networks with intervals.",
            sorted(lines, key=lambda row: (row["policy"], row["bonus"])),
            x="bonus",
            value="value",
            low="low",
            high="high",
            group="policy",
            x_title="bonus ε",
            value_title="share of short answers",
            domain=(0.0, 1.0),
        )
    ]


def _tie_rates(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "tie_rate")
    found: list[Figure] = []
    for subject, kind, where in (
        ("bandit learner", "normaliser", {"entropy": 0.1, "bonus": 0.01}),
        ("sum composition", "advantage", {"bonus": 0.01}),
    ):
        own = rows.filter(pl.col("subject") == subject)
        for name, value in where.items():
            own = own.filter(pl.col(name) == value) if name in own.columns else own.clear()
        if not own.height:
            continue
        means = own.group_by(kind, "time", maintain_order=True).agg(pl.col("value").mean())
        found.append(
            curves(
                f"tie-rate-{subject.replace(' ', '-')}",
                f"Amplified groups: {subject}",
                "Share of groups whose rewards differ by next to nothing, with a bonus of 0.01; dividing by their "
                "deviation makes those differences full size. Means over seeds.",
                means.sort(kind, "time"),
                group=kind,
                x_title="update",
                value_title="share of groups",
                domain=(0.0, 1.0),
            )
        )
    return found


def _routes(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "route")
    if not rows.height:
        return []
    lines = [
        {"toll": row["time"], "value": row["value"], "policy": _kind(row)}
        for row in rows.sort("kind", "alpha", "time").iter_rows(named=True)
    ]
    return [
        curves(
            "routes",
            "Two equally short routes, one with a toll",
            "Probability of beginning on the upper route against the toll for each of its cells; exact.",
            lines,
            x="toll",
            value="value",
            group="policy",
            x_title="toll of a cell",
            value_title="share of the upper route",
            domain=(0.0, 1.0),
        )
    ]


def _weights(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "comply")
    if not rows.height:
        return []
    lines = [
        {"weight": row["time"], "value": row["value"], "policy": f"{row['state']}: {_kind(row)}"}
        for row in rows.sort("state", "kind", "time").iter_rows(named=True)
    ]
    return [
        curves(
            "weights",
            "Helpful against safe: probability of complying",
            "Against the weight of being helpful, the same in both states; exact.",
            lines,
            x="weight",
            value="value",
            group="policy",
            x_title="weight of being helpful",
            value_title="P(comply)",
            domain=(0.0, 1.0),
        )
    ]


def _map(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "gap")
    if not rows.height:
        return []
    step = 1.0 / (rows["w1"].n_unique() - 1)
    ends = [
        (pl.col(name) + side * 0.5 * step).alias(f"{name}{end}")
        for name in ("w1", "w2")
        for side, end in ((-1, "a"), (1, "b"))
    ]
    wide = rows.with_columns(*ends, pl.col("optimum").str.split(", ").list.first().alias("plain request"))
    lines = lines_of(wide, "plain request", "w1a", "w1b", "w2a", "w2b", "optimum")
    near = lines_of(rows.filter(pl.col("value") < NEAR * step), "w1", "w2")
    across = quantity("w1a", "weight of being helpful, plain request", (0.0, 1.0))
    up = quantity("w2a", "weight of being helpful, risky follow-up", (0.0, 1.0))
    area: dict[str, Json] = {
        "x": across,
        "x2": {"field": "w1b"},
        "y": up,
        "y2": {"field": "w2b"},
        **group_channels(lines, "plain request", mark="bar"),
    }
    dots: dict[str, Json] = {"x": {**across, "field": "w1"}, "y": {**up, "field": "w2"}}
    layers: list[dict[str, Json]] = [
        layer("rect", area, opacity=0.55, clip=True),
        {"data": {"values": near}, **layer("point", dots, size=12, color="currentColor", clip=True)},
    ]
    return [
        figure(
            "tie-set",
            "What is optimal under each pair of weights, and where it ties",
            "Colours: the best answer to the plain request. Dots: weights at which two actions nearly tie in either "
            "state; crossing them flips the policy. The level rows are ties at the risky follow-up.",
            layers,
            lines,
            380,
        )
    ]

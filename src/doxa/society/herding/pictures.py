"""The figures: what planners do at each belief, what it is worth, how beliefs move, and what learners make of it."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, bars, curves, heatmap
from doxa.lab.figures.channels import figure, group_channels, layer, quantity
from doxa.lab.figures.rows import lines_of
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Tables
from doxa.lab.units import SHARE
from doxa.society.herding.embedded_report import MAIN_K, MIDDLE_K, expected

REVEALS = ("reveals its signal", "herds")
PHASES = ("stop", "baseline", "lowest", "raise", "lower", "perfect", "obfuscate")


def embedded_figures(tables: Tables) -> list[Figure]:
    """Draw the embedded experiment, as far as it was run."""
    return [
        *_policies(tables),
        *_values(tables),
        *_phases(tables),
        *_paths(tables),
        *_herds(tables),
        *_welfare(tables),
        *_learnt(tables),
        *_hybrids(tables),
        *_one_agent(tables),
    ]


def _policies(tables: Tables) -> list[Figure]:
    found: list[Figure] = []
    rows = rows_of(tables, "precision")
    for aim, k in rows.select("aim", "k").unique(maintain_order=True).rows() if rows.height else []:
        own = rows.filter((pl.col("aim") == aim) & (pl.col("k") == k)).sort("belief")
        found.append(
            phase_curve(
                f"precision-{aim}-{k:g}".replace(".", "-"),
                f"What the {aim} planner sets, k = {k:g}",
                "Best precision at each public belief (line), and what it does there (shade); p = 0.7, δ = 0.9.",
                own.select("belief", pl.col("value").alias("precision"), pl.col("label").alias("phase")),
            )
        )
    return found


def phase_curve(name: str, title: str, caption: str, rows: pl.DataFrame) -> Figure:
    """Draw a precision over beliefs, with the phases as shades behind it.

    Args:
        name: the figure's id.
        title: what is shown.
        caption: how to read it.
        rows: columns ``belief``, ``precision`` and ``phase``, beliefs evenly spaced and increasing.
    """
    half = 0.5 * float(rows["belief"][1] - rows["belief"][0])
    wide = rows.with_columns((pl.col("belief") - half).alias("low"), (pl.col("belief") + half).alias("high"))
    lines = lines_of(wide, "belief", "precision", "phase", "low", "high")
    across = {**quantity("belief", "public belief P(G)", (0.0, 1.0)), "axis": {"grid": False, "tickCount": 6}}
    shade: dict[str, Json] = {
        "x": {**across, "field": "low"},
        "x2": {"field": "high"},
        **group_channels(lines, "phase", mark="bar"),
    }
    line: dict[str, Json] = {"x": across, "y": quantity("precision", "precision", (0.45, 1.05))}
    layers = [
        layer("rect", shade, opacity=0.22),
        layer("point", line, size=14, color="currentColor"),
    ]
    return figure(name, title, caption, layers, lines, 240)


def _values(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "value")
    if not rows.height:
        return []
    named = rows.with_columns(pl.format("{}, k = {}", "aim", "k").alias("planner"))
    return [
        curves(
            "value",
            "What the best policy is worth",
            "V at each public belief, in units of C; the biased planner's jumps at 1/2.",
            named.sort("planner", "belief"),
            x="belief",
            value="value",
            group="planner",
            x_title="public belief P(G)",
            value_title="V (C)",
        )
    ]


def _phases(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "phase")
    found: list[Figure] = []
    for aim in ("altruistic", "biased") if rows.height else ():
        own = rows.filter(pl.col("aim") == aim)
        named = own.with_columns(
            pl.format("p = {}, δ = {}, k = {}", "p", "delta", "k").alias("world"),
            pl.col("label").alias("phase"),
        )
        lines = lines_of(named, "world", "phase", "low", "high")
        encoding: dict[str, Json] = {
            "x": {**quantity("low", "public belief P(G)", (0.0, 1.0))},
            "x2": {"field": "high"},
            "y": {"field": "world", "type": "nominal", "sort": None, "title": None},
            **group_channels(lines, "phase", mark="bar"),
        }
        worlds = named["world"].n_unique()
        found.append(
            figure(
                f"phases-{aim}",
                f"Phases of the {aim} planner",
                "What it does at each public belief, by baseline p, discount δ and cost k.",
                [layer("bar", encoding, cornerRadiusEnd=0)],
                lines,
                16 * worlds,
            )
        )
    return found


def _paths(tables: Tables) -> list[Figure]:
    rows = tables.beliefs.filter(pl.col("readout") == "reference")
    found: list[Figure] = []
    if not rows.height:
        return found
    first = rows["seed"].min()
    for planner in ("no control", "biased"):
        own = rows.filter((pl.col("seed") == first) & (pl.col("subject") == planner))
        if not own.height:
            continue
        herding = [bool(json.loads(text)["herding"]) for text in own["extra"]]
        lines = lines_of(
            own.select("time", "credence", pl.col("proposition").alias("run")).with_columns(
                pl.Series("agent", [REVEALS[one] for one in herding])
            ),
            *("time", "credence", "run", "agent"),
        )
        line: dict[str, Json] = {
            "x": quantity("time", "agent"),
            "y": quantity("credence", "public belief P(G)", (0.0, 1.0)),
            "detail": {"field": "run", "type": "nominal"},
        }
        marks = {**line, **group_channels(lines, "agent", mark="point", known=REVEALS)}
        found.append(
            figure(
                f"paths-{planner}".replace(" ", "-"),
                f"Public beliefs, {planner}",
                f"Four sequences in either state; k = {MAIN_K:g}. Marks tell whether an action reveals its signal.",
                [layer("line", line, opacity=0.35, color="currentColor"), layer("point", marks, size=40)],
                lines,
                260,
            )
        )
    return found


def _herds(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "herds wrongly")
    found: list[Figure] = []
    for state in ("G", "B") if rows.height else ():
        lines = [
            units(tables, "herds wrongly", state=state, subject=planner, time=time).row(
                possible=SHARE, agent=time, planner=planner
            )
            for planner in ("no control", "altruistic", "biased")
            for time in rows["time"].unique().sort()
        ]
        found.append(
            curves(
                f"herds-{state}",
                f"Herds that are wrong, state {state}",
                f"Share of sequences in which everybody follows the herd to the wrong action; k = {MAIN_K:g}. "
                "Lines are means over seeds, bands their 95 % intervals.",
                lines,
                x="agent",
                low="low",
                high="high",
                group="planner",
                x_title="agent",
                value_title="share of sequences",
                domain=SHARE,
            )
        )
    return found


def _welfare(tables: Tables) -> list[Figure]:
    rows: list[dict[str, Any]] = []
    planners = tables.measures.filter(pl.col("measure") == "welfare")["subject"].unique(maintain_order=True)
    for k in (MAIN_K, MIDDLE_K):
        for planner in planners:
            for state in ("G", "B"):
                for measure in ("errors", "costs"):
                    found = units(tables, measure, subject=planner, k=k, state=state)
                    if found.values:
                        label = f"{planner}, state {state}, k\u00a0=\u00a0{k:g}"
                        part = "wrong actions" if measure == "errors" else "changes of precision"
                        rows.append({"label": label, "lost": found.mean, "part": part})
    if not rows:
        return []
    return [
        bars(
            "welfare",
            "What is lost, and to what",
            f"Discounted losses by planner and state, in C: wrong actions and paid precision. Without control "
            f"{-expected(tables, 'no control', MAIN_K).mean:.2f} on average.",
            rows,
            value="lost",
            group="part",
            stacked=True,
            value_title="lost (C)",
        )
    ]


def _learnt(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "learnt precision", rewards="its own")
    best = rows_of(tables, "precision", k=MIDDLE_K)
    if not rows.height or not best.height:
        return []
    mean = rows.group_by("aim", "belief", maintain_order=True).agg(pl.col("value").mean())
    lines = pl.concat(
        [
            mean.select("belief", "value", pl.format("{}, learnt", "aim").alias("policy")),
            best.select("belief", "value", pl.format("{}, best", "aim").alias("policy")),
        ]
    )
    return [
        curves(
            "learnt",
            "Policies learnt by trying",
            f"Mean precision over seeds at each belief, beside the best; k = {MIDDLE_K:g}.",
            lines.sort("policy", "belief"),
            x="belief",
            value="value",
            group="policy",
            x_title="public belief P(G)",
            value_title="precision",
        )
    ]


def _hybrids(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "worth", condition="exact")
    if not rows.height:
        return []
    named = rows.with_columns(
        pl.format("{}, {}", "aim", "subject").alias("row"),
        pl.format("α/γ = {}", "herding").alias("column"),
    )
    return [
        heatmap(
            "hybrid",
            "A Bayesian policy on agents that are not",
            "What policies are worth, in C, by how much agents weigh the herd against a contradicting signal.",
            named.sort("row", "herding"),
            value="value",
        )
    ]


def _one_agent(tables: Tables) -> list[Figure]:
    rows = rows_of(tables, "acts G")
    if not rows.height:
        return []
    return [
        curves(
            "one-agent",
            "One agent: what persuasion could do, and precision alone",
            "Largest chance of action G: by any experiment (Bayesian persuasion), by precision at no cost, by p = 0.7.",
            rows.rename({"subject": "sender"}).sort("sender", "belief"),
            x="belief",
            value="value",
            group="sender",
            x_title="prior P(G)",
            value_title="P(action G)",
            domain=(0.0, 1.0),
        )
    ]

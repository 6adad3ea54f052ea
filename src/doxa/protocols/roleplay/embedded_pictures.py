"""Figures of networks trained on token dialogues: margins over turns, answers, layers, steering."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from doxa.lab.figures import Figure, curves, heatmap
from doxa.lab.record import Tables
from doxa.protocols.roleplay.embedded_report import Seen, steering_layers

TALKS = ("role-play", "story", "opposite-day", "role-play control")
SETS = {"generic": "generic", "relevant": "its topic", "control": "its topic, never played"}


def embedded_figures(tables: Tables, *, last: int) -> list[Figure]:
    """Draw margins over turns with their bands, the answers' scores, layer by turn, and the steering."""
    seen = Seen.of(tables)
    return [*_margin_figures(seen, last), _answers(seen, last), _layers(seen), _steering(seen)]


def _margin_figures(seen: Seen, last: int) -> list[Figure]:
    drawn: list[Figure] = []
    rows = seen.frame.filter((pl.col("layer") == last) & pl.col("measure").str.starts_with("margin/"))
    for talk in TALKS:
        points = [
            {"turn": row["time"], "margin": row["value"], "low": row["low"], "high": row["high"], "set": name}
            for name, row in _over_turns(rows, talk)
        ]
        drawn.append(
            curves(
                f"margin-{talk.replace(' ', '-')}",
                f"Margin over turns: {talk}",
                "Mean per question over trainings, with the mean of their bootstrap intervals over questions. "
                "Below 0 true answers look non-factual.",
                points,
                x="turn",
                value="margin",
                low="low",
                high="high",
                group="set",
                x_title="turns",
                value_title="margin, logits",
                references={"inverted below": 0.0},
            )
        )
    return drawn


def _over_turns(rows: pl.DataFrame, talk: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the mean over trainings of margin and band, by probe and set, over the turns of a talk."""
    probes = ("robust", "naive") if talk == "opposite-day" else ("robust",)
    found: list[tuple[str, dict[str, Any]]] = []
    for probe in probes:
        for name, said in SETS.items():
            part = rows.filter(
                (pl.col("condition") == talk) & (pl.col("measure") == f"margin/{probe}/{name}")
            )
            mean = part.group_by("time").agg(pl.col("value", "low", "high").mean()).sort("time")
            label = f"{said}, {probe} probe" if len(probes) > 1 else said
            found += [(label, row) for row in mean.iter_rows(named=True)]
    return found


def _mean_by(rows: pl.DataFrame, *by: str) -> Iterable[dict[str, Any]]:
    return rows.group_by(*by).agg(pl.col("value").mean()).sort(*by).iter_rows(named=True)


def _answers(seen: Seen, last: int) -> Figure:
    """Draw the mean score of factual and other answers over the role-play's turns."""
    rows = seen.frame.filter(
        (pl.col("condition") == "role-play")
        & (pl.col("layer") == last)
        & pl.col("measure").str.starts_with("phi/")
        & ~pl.col("measure").str.contains("held out")
    )
    points = [
        {"turn": row["time"], "score": row["value"], "answers": f"{name[2]}, {SETS[name[1]]}"}
        for row in _mean_by(rows, "measure", "time")
        for name in [str(row["measure"]).split("/")]
    ]
    return curves(
        "answers",
        "Scores of the two answers",
        "Mean score of factual and of other answers over the role-play's turns, robust probe, last layer.",
        points,
        x="turn",
        value="score",
        group="answers",
        x_title="turns",
        value_title="score, logits",
        references={"undecided": 0.0},
    )


def _layers(seen: Seen) -> Figure:
    """Draw the relevant margin of the role-play, layer by turn."""
    rows = seen.frame.filter(
        (pl.col("condition") == "role-play") & (pl.col("measure") == "margin/robust/relevant")
    )
    points = [
        {"layer": f"layer {row['layer']}", "turn": f"turn {row['time']:g}", "margin": row["value"]}
        for row in _mean_by(rows, "layer", "time")
    ]
    return heatmap(
        "layers",
        "Margin of the role-play's topic, layer by turn",
        "Mean per question over trainings, robust probe of each layer; amber is inverted.",
        points,
        row="layer",
        column="turn",
        value="margin",
        middle=0.0,
        number_format=".1f",
    )


def _steering(seen: Seen) -> Figure:
    """Draw the share of Yes against the strength of steering, before the role-play and at its end."""
    chosen = steering_layers(seen)
    rows = seen.frame.filter(pl.col("measure").str.starts_with("share_yes/")).filter(
        pl.struct("seed", "layer").map_elements(
            lambda row: chosen.get(row["seed"]) == row["layer"], return_dtype=pl.Boolean
        )
    )
    names = {"share_yes/empty": "empty context", "share_yes/role-play": "end of the role-play"}
    points = [
        {"strength": row["time"], "share": row["value"], "context": names[str(row["measure"])]}
        for row in _mean_by(rows, "measure", "time")
    ]
    return curves(
        "steering",
        "Share of Yes under steering",
        "Mean over trainings, questions of the role-play's topic; strength 1 is the distance of Yes from No.",
        points,
        x="strength",
        value="share",
        group="context",
        x_title="strength",
        value_title="share of Yes",
        references={"even": 0.5},
    )

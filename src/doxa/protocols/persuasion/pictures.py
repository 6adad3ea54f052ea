"""The figures: shares convinced, strengths among people, agents against people, stability, and the small model."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.figures import Figure, bars, heatmap, intervals, scatter
from doxa.protocols.persuasion.asking import asked_readings
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.protocols.persuasion.estimates import read_estimates
from doxa.protocols.persuasion.verdicts import convinced_table


def replay_figures(measures: pl.DataFrame) -> list[Figure]:
    """Draw what was recomputed from the released files."""
    shares = [
        {
            "style": one.extra["dimension"],
            "skeptic": one.extra["difficulty"],
            "share": one.value,
            "low": (one.interval or (None, None))[0],
            "high": (one.interval or (None, None))[1],
        }
        for one in read_estimates(measures, "convinced")
    ]
    people = [
        {
            "style": one.extra["dimension"],
            "strength": one.value,
            "low": (one.interval or (None, None))[0],
            "high": (one.interval or (None, None))[1],
        }
        for one in read_estimates(measures, "strength")
        if one.extra["reading"] == "as-written"
    ]
    if not shares:
        return []
    people.sort(key=lambda row: -float(row["strength"] or 0.0))
    return [
        _convinced(
            shares,
            "Fraction of 100 arguments of each style that convinced Llama-2-70b-chat, Wilson intervals.",
        ),
        bars(
            "people",
            "What people find more convincing",
            "Bradley-Terry log-strength; intervals resample workers and pairs of arguments.",
            people,
            label="style",
            value="strength",
            low="low",
            high="high",
            value_title="log-strength among people",
        ),
        *_against(shares, people),
        heatmap(
            "stability",
            "Stability of the ranking by people",
            "Spearman between rankings from pairs of arguments whose majority reaches each two shares.",
            [
                {"row": f"{one.extra['row']:.2f}", "column": f"{one.extra['column']:.2f}", "value": one.value}
                for one in read_estimates(measures, "ranking-correlation")
            ],
            domain=(0.5, 1.0),
        ),
    ]


def skeptic_figures(measures: pl.DataFrame) -> list[Figure]:
    """Draw the embedded skeptic's mean credence of each style against the measured fraction."""
    rows = [
        {
            "style": one.extra["dimension"],
            "judged": one.extra["kind"],
            "credence": one.value,
            "measured": one.extra["measured"],
        }
        for one in read_estimates(measures, "style-credence")
    ]
    if not rows:
        return []
    return [
        scatter(
            "skeptic",
            "The embedded skeptic, style by style",
            "Mean credence on held-out arguments; and of judges that never saw the style.",
            rows,
            x="measured",
            y="credence",
            group="judged",
            label="style",
            x_title="fraction convinced, all skeptics",
            y_title="mean credence",
            diagonal=True,
        )
    ]


def loop_figures(measures: pl.DataFrame) -> list[Figure]:
    """Draw the small networks' shares against the planted chances, true and shuffled."""
    rows = [
        {
            "style": row["dimension"],
            "trained on": "true verdicts" if row["condition"] == "dialogue" else "shuffled verdicts",
            "planted": row["planted"],
            "share": row["value"],
        }
        for row in _with_condition(measures)
    ]
    if not rows:
        return []
    return [
        scatter(
            "loop",
            "Small networks that convince themselves",
            "One point to a style, a skeptic and a training; shuffled verdicts hang on no style.",
            rows,
            x="planted",
            y="share",
            group="trained on",
            label="style",
            x_title="planted chance of being convinced",
            y_title="share convinced",
            diagonal=True,
        )
    ]


def published_figures(beliefs: pl.DataFrame, subject: str = "") -> list[Figure]:
    """Draw the shares convinced of a real model; with an address, of that model by itself, where there are several."""
    asked = asked_readings(beliefs)
    if subject:
        asked = asked.filter(pl.col("convincer").is_in(["", subject]), skeptic=subject)
    after = asked.filter(pl.col("dimension") != "", ~pl.col("empty"), pl.col("round") == asked["round"].max())
    if after.height == 0:
        return []
    shares = [
        {
            "style": row["dimension"],
            "skeptic": row["difficulty"],
            "share": row["p"] if row["n"] else None,
            "low": row["lo"] if row["n"] else None,
            "high": row["hi"] if row["n"] else None,
        }
        for row in convinced_table(after).iter_rows(named=True)
    ]
    return [_convinced(shares, "Share of readable verdicts that are convinced, Wilson intervals.")]


def _convinced(rows: list[dict[str, Any]], caption: str) -> Figure:
    order = list(DIMENSIONS)
    mean = {name: sum(float(row["share"] or 0.0) for row in rows if row["style"] == name) for name in order}
    rows = sorted(rows, key=lambda row: -mean[str(row["style"])])
    return bars(
        "convinced",
        "Convinced, by style and skeptic",
        caption,
        rows,
        label="style",
        value="share",
        low="low",
        high="high",
        group="skeptic",
        value_title="share convinced",
        domain=(0.0, 1.0),
    )


def _against(shares: list[dict[str, Any]], people: list[dict[str, Any]]) -> list[Figure]:
    agents = {row["style"]: row for row in shares if row["skeptic"] == "baseline"}
    rows = [
        {
            "style": row["style"],
            "people": row["strength"],
            "share": agents[row["style"]]["share"],
            "low": agents[row["style"]]["low"],
            "high": agents[row["style"]]["high"],
        }
        for row in people
        if row["style"] in agents
    ]
    sides = [
        {"style": row["style"], "who": who, "value": value, "low": low, "high": high}
        for row, person in zip(rows, people, strict=True)
        for who, value, low, high in (
            ("agent, log-odds share", *(_log_odds(row[key]) for key in ("share", "low", "high"))),
            ("people, log-strength", person["strength"], person["low"], person["high"]),
        )
    ]
    return [
        scatter(
            "agents-people",
            "Agents against people",
            "Fraction convinced (baseline skeptic) by strength among people; knowledge is far right and low.",
            rows,
            x="people",
            y="share",
            low="low",
            high="high",
            label="style",
            x_title="log-strength among people",
            y_title="fraction of agents convinced",
        ),
        intervals(
            "agents-people-intervals",
            "Agents and people, with both intervals",
            "The same numbers on one scale: log-odds of the fraction, and log-strength.",
            sides,
            label="style",
            value="value",
            group="who",
            value_title="log-odds, log-strength",
            references={"even": 0.0},
        ),
    ]


def _log_odds(share: float) -> float:
    from doxa.belief.information import logit

    return logit(min(0.999, max(0.001, share)))


def _with_condition(measures: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {"condition": condition, "value": one.value, **one.extra}
        for condition in ("dialogue", "dialogue shuffled")
        for one in read_estimates(measures.filter(pl.col("condition") == condition), "convinced")
    ]

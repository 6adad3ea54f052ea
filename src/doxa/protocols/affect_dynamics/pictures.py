"""The figures: valence over turns with its phases, loops over what is heard, branches of the loop, and the trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from doxa.canonical import Json
from doxa.lab.figures import Figure, curves, heatmap, intervals, scatter
from doxa.lab.figures.channels import Part, figure, group_channels, layer, pointed_at, quantity
from doxa.lab.figures.rows import lines_of
from doxa.lab.measured import rows_of, units
from doxa.lab.record import Tables
from doxa.lab.units import Units
from doxa.protocols.affect_dynamics.dialogue import (
    ANOTHER,
    NEUTRAL,
    NOISE,
    STATELESS,
    STEERED,
    UNTOLD,
)
from doxa.protocols.affect_dynamics.dialogue_report import Held
from doxa.protocols.affect_dynamics.linear import RELIEF, RELIEF_ENDS, SHOCK

Spans = Mapping[str, tuple[float, float]]
DOMAIN = (-1.05, 1.05)
LINEAR_SPANS: Spans = {
    "shock": (SHOCK - 0.5, RELIEF - 0.5),
    "relief": (RELIEF - 0.5, RELIEF_ENDS + 0.5),
}


def dialogue_figures(held: Held) -> list[Figure]:
    """Return the figures of dialogues on the main script.

    Args:
        held: what was recorded.
    """
    shaded = {phase: (first - 0.5, last + 0.5) for phase, (first, last) in held.main.spans.items()}
    found: list[Figure] = []
    for of, title in (("state", "The state"), ("expressed", "What the replies express")):
        rows = _over_turns(held, of)
        if rows:
            found.append(
                curves(
                    f"valence-{of}",
                    f"{title}, turn by turn",
                    f"Mean valence over {held.shown}; bands are 95 % intervals; phases of the script are shaded.",
                    rows,
                    x="turn",
                    low="low",
                    high="high",
                    group="condition",
                    x_title="turn",
                    value_title="valence",
                    domain=DOMAIN,
                    spans=shaded,
                )
            )
    if found:
        found.append(_loops(held))
        found.append(_correlations(held))
    return found


def _over_turns(held: Held, of: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for kind in (STATELESS, *held.told):
        rows = held.rows("series", kind=kind, script=held.script, of=of, dimension="valence")
        for (turn,), now in rows.group_by("time", maintain_order=True):
            one = Units(dict(zip(now["seed"].to_list(), now["value"].to_list(), strict=True)))
            out.append(one.row(possible=(-1.0, 1.0), turn=turn, condition=kind))
    return out


def _loops(held: Held) -> Figure:
    """Draw the mean state over what is heard, from the shock's first turn to the reconciliation's last."""
    first, last = held.main.spans["shock"][0], held.main.spans["reconciliation"][1]
    rows: list[dict[str, Any]] = []
    for kind in held.told:
        both = {
            of: held.rows("series", kind=kind, script=held.script, of=of, dimension="valence")
            .filter(pl.col("time").is_between(first, last))
            .group_by("time")
            .agg(pl.col("value").mean())
            .sort("time")
            for of in ("signal", "state")
        }
        rows += [
            {"heard": heard, "state": state, "turn": turn, "condition": kind}
            for turn, heard, state in zip(
                both["signal"]["time"], both["signal"]["value"], both["state"]["value"], strict=True
            )
        ]
    return paths(
        "loops",
        "The state over what is heard",
        "From the first hostile turn to the last of the reconciliation; without memory the path lies on the diagonal, "
        "with it the path is a loop.",
        rows,
        x="heard",
        y="state",
        order="turn",
        group="condition",
        x_title="valence heard",
        y_title="valence of the state",
    )


def paths(
    name: str,
    title: str,
    caption: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    x: str,
    y: str,
    order: str,
    group: str,
    x_title: str,
    y_title: str,
) -> Figure:
    """Draw lines through points in an order of their own, not that of x."""
    lines = lines_of(rows, x, y, order, group)
    place: Part = {"x": quantity(x, x_title, DOMAIN), "y": quantity(y, y_title, DOMAIN)}
    along: dict[str, Json] = {"field": order, "type": "quantitative"}
    line = layer("line", {**place, **group_channels(lines, group, mark="line"), "order": along})
    dot = layer(
        "point",
        {
            **place,
            **group_channels(lines, group, mark="dot"),
            "tooltip": pointed_at(lines, group, order, x, y),
        },
        size=30,
    )
    return figure(name, title, caption, [line, dot], lines, 340)


def _correlations(held: Held) -> Figure:
    rows = [
        one.row(possible=(-1.0, 1.0), label=kind)
        for kind in (STATELESS, *held.told, STEERED, UNTOLD, ANOTHER, NEUTRAL, NOISE)
        if (one := held.correlation(kind)).values
    ]
    return intervals(
        "correlations",
        "How closely replies follow the state",
        "Correlation of state and expressed valence over the turns of a dialogue. A stateless agent's state is what it "
        "hears.",
        rows,
        value_title="correlation",
        domain=(-1.0, 1.0),
        references={"claimed": 0.6},
    )


def linear_figures(tables: Tables) -> list[Figure]:
    """Return the states under shock and relief."""
    rows = rows_of(tables, "state", clip=False)
    if not rows.height:
        return []
    lines = [
        {"turn": row["time"], "value": row["value"], "momentum": f"μ = {row['mu']:g}"}
        for row in rows.iter_rows(named=True)
    ]
    heard = rows.filter(pl.col("mu") == rows["mu"].min())
    lines += [
        {"turn": row["time"], "value": row["heard"], "momentum": "heard"}
        for row in heard.iter_rows(named=True)
    ]
    return [
        curves(
            "linear",
            "A shock and its relief",
            "Valence of the state without the ends of the scale; μ = 0 is the first order at α = 1 and lies on what is "
            "heard.",
            lines,
            x="turn",
            group="momentum",
            x_title="turn",
            value_title="valence",
            spans=LINEAR_SPANS,
        )
    ]


def sweep_figures(tables: Tables) -> list[Figure]:
    """Return heat maps of settling time and jump, and the trade between them."""
    grid = rows_of(tables, "settling", kind="grid")
    if not grid.height:
        return []
    found: list[Figure] = []
    for measure, title, form in (
        ("settling", "Turns until the state has settled", ".0f"),
        ("jump", "Change of the state per turn, under noise", ".2f"),
    ):
        means = rows_of(tables, measure, kind="grid").group_by("mu", "alpha").agg(pl.col("value").mean())
        cells = [
            {"row": f"μ = {row['mu']:g}", "column": f"{row['alpha']:g}", "value": row["value"]}
            for row in means.sort("mu", "alpha").iter_rows(named=True)
        ]
        found.append(
            heatmap(
                f"sweep-{measure}",
                title,
                "By momentum (rows) and gain α (columns); an empty cell has not settled in the turns there are.",
                cells,
                number_format=form,
            )
        )
    points: list[dict[str, Any]] = []
    for kind, name in (("normalised", "momentum"), ("first order at equal jump", "first order")):
        both = [
            rows_of(tables, measure, kind=kind).group_by("mu").agg(pl.col("value").mean())
            for measure in ("jump", "settling")
        ]
        points += [
            {
                "jump": row["value"],
                "turns": row["value_settling"],
                "rule": name,
                "label": f"μ = {row['mu']:g}",
            }
            for row in both[0].join(both[1], on="mu", suffix="_settling").sort("mu").iter_rows(named=True)
        ]
    found.append(
        scatter(
            "trade-off",
            "Calm against quick",
            "Each point a rule: normalised momentum, and the first order that jumps as much per turn. Left is calmer, "
            "lower is quicker.",
            points,
            x="jump",
            y="turns",
            group="rule",
            label="label",
            x_title="change per turn (valence)",
            y_title="turns until settled",
        )
    )
    return found


def feedback_figures(tables: Tables) -> list[Figure]:
    """Return the bifurcation of the loop and the response curve that foretells it."""
    rows = rows_of(tables, "branch")
    if not rows.height:
        return []
    lines: list[dict[str, Any]] = []
    for kind in ("loop", "foretold", "not told"):
        for start in ("low", "high"):
            for gain in sorted(set(rows["gain"])):
                one = units(tables, "branch", kind=kind, start=start, gain=gain)
                if one.values:
                    row = one.row(possible=(-1.0, 1.0), gain=gain, branch=f"{kind}, {start} start")
                    lines.append(row if kind == "loop" else row | {"low": None, "high": None})
    curve = rows_of(tables, "response")
    shown = [
        units(tables, "response", valence=value).row(possible=(-1.0, 1.0), valence=value)
        for value in sorted(set(curve["valence"]))
    ]
    return [
        curves(
            "bifurcation",
            "From some gain on, a mood that hears itself locks in",
            "Valence at the end of talks that began high or low, by the gain of the loop; bands of the loop are "
            "95 % intervals over models. Foretold: fixed points of the open response curve.",
            lines,
            x="gain",
            low="low",
            high="high",
            group="branch",
            x_title="gain κ",
            value_title="valence",
            domain=DOMAIN,
        ),
        curves(
            "response",
            "What replies express under a state",
            "Mean expressed valence by the valence that is told; the steps are the bins of the tag words.",
            shown,
            x="valence",
            low="low",
            high="high",
            x_title="valence told",
            value_title="valence expressed",
            domain=DOMAIN,
        ),
    ]

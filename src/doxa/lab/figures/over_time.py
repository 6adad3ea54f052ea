"""Figures of a population over time, all at once or moving: what they show at one moment, and a slider for the moment.

The moment is a Vega-Lite parameter bound to a range input, so that a figure moves wherever Vega-Lite is shown; a report
adds a button that plays it. Arguments are those of the other charts; ``moments`` names the steps of the slider, such as
days, and ``now`` the place of the first one that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.figures.channels import Part, figure, group_channels, layer, quantity
from doxa.lab.figures.figure import PALETTE, Figure
from doxa.lab.figures.rows import Line, short

MOMENT = "moment"
"""Name of the parameter."""


def histogram_over_time(
    name: str,
    title: str,
    caption: str,
    shares: Float[np.ndarray, "moments bins"],
    edges: Float[np.ndarray, " bins+1"],
    *,
    moments: Sequence[float],
    moment_title: str = "day",
    x_title: str = "",
    now: int = -1,
    height_px: int = 240,
) -> Figure:
    """Draw how a quantity is spread over a population at a moment, its spread at the first moment as an outline.

    Args:
        name: see :mod:`doxa.lab.figures.charts`, also for the next two.
        title: what is shown.
        caption: how to read it.
        shares: share of the population in each bin at each moment.
        edges: of the bins, ascending.
        moments: see the module.
        moment_title: what a moment is.
        x_title: what is measured.
        now: see the module.
        height_px: of the figure.

    Raises:
        InputError: there are no moments, or not one row of shares for each.
    """
    _check(moments, len(shares), "rows of shares")
    lines: list[Line] = [
        {
            "low": short(float(edges[place])),
            "high": short(float(edges[place + 1])),
            "then": [short(float(share)) for share in shares[:, place]],
        }
        for place in range(shares.shape[1])
    ]
    top = float(shares.max()) or 1.0
    across: Part = {
        **quantity("low", x_title, (float(edges[0]), float(edges[-1]))),
        "axis": {"grid": False, "tickCount": 5},
    }
    up = quantity("share", "share of the population", (0.0, top))
    base: Part = {"x": across, "x2": {"field": "high"}}
    told: Part = {"field": "share", "type": "quantitative", "format": ".2~%"}
    now_bars = layer(
        "bar",
        {**base, "y": up, "y2": {"datum": 0}, "tooltip": [told]},
        color=PALETTE[0],
        opacity=0.75,
    )
    first = layer(
        "rule", {**base, "y": {**up, "field": "first"}}, color="currentColor", opacity=0.5, strokeWidth=1
    )
    computed: list[Json] = [
        {"calculate": f"datum.then[{MOMENT}]", "as": "share"},
        {"calculate": "datum.then[0]", "as": "first"},
    ]
    layers: list[Part] = [now_bars, first, _clock(moments, moment_title)]
    return _moving(
        figure(name, title, caption, layers, lines, height_px), computed, moments, moment_title, now
    )


def shares_over_time(
    name: str,
    title: str,
    caption: str,
    shares: Float[np.ndarray, "moments bins"],
    edges: Float[np.ndarray, " bins+1"],
    *,
    moments: Sequence[float],
    x_title: str = "day",
    y_title: str = "",
    height_px: int = 280,
) -> Figure:
    """Draw how a quantity is spread over a population at all moments: one column each, darker where more are.

    Args:
        name: see :mod:`doxa.lab.figures.charts`, also for the next two.
        title: what is shown.
        caption: how to read it.
        shares: share of the population in each bin at each moment.
        edges: of the bins, ascending.
        moments: ascending; a column ends where the next begins.
        x_title: what a moment is.
        y_title: what is measured.
        height_px: of the figure.

    Raises:
        InputError: there are no moments, or not one row of shares for each.
    """
    _check(moments, len(shares), "rows of shares")
    last = moments[-1] + (moments[-1] - moments[-2] if len(moments) > 1 else 1.0)
    until = [*moments[1:], last]
    lines: list[Line] = [
        {
            "from": short(float(moments[row])),
            "until": short(float(until[row])),
            "low": short(float(edges[place])),
            "high": short(float(edges[place + 1])),
            "share": short(float(shares[row, place])),
        }
        for row in range(len(shares))
        for place in range(shares.shape[1])
    ]
    across: Part = {
        **quantity("from", x_title, (float(moments[0]), float(last))),
        "axis": {"grid": False, "tickCount": 6},
    }
    up = quantity("low", y_title, (float(edges[0]), float(edges[-1])))
    told: list[Json] = [
        {"field": column, "type": "quantitative", "format": ".3~g"} for column in ("from", "low", "share")
    ]
    scale: Part = {"domain": [0.0, float(shares.max()) or 1.0], "range": ["transparent", PALETTE[0]]}
    colour: Part = {
        "field": "share",
        "type": "quantitative",
        "scale": scale,
        "legend": {"title": "share of the population", "gradientLength": 160},
    }
    ends: Part = {"x": across, "x2": {"field": "until"}, "y": up, "y2": {"field": "high"}}
    return figure(
        name, title, caption, [layer("rect", {**ends, "color": colour, "tooltip": told})], lines, height_px
    )


def network_map(
    name: str,
    title: str,
    caption: str,
    places: Float[np.ndarray, "nodes 2"],
    links: Int[np.ndarray, "links 2"],
    states: Float[np.ndarray, "moments nodes"] | Int[np.ndarray, "moments nodes"],
    *,
    moments: Sequence[float],
    kinds: Sequence[str] = (),
    state_title: str = "",
    domain: tuple[float, float] | None = None,
    moment_title: str = "day",
    now: int = -1,
    height_px: int = 420,
) -> Figure:
    """Draw a network whose nodes change colour from moment to moment.

    Args:
        name: see :mod:`doxa.lab.figures.charts`, also for the next two.
        title: what is shown.
        caption: how to read it.
        places: of the nodes.
        links: pairs of nodes.
        states: of each node at each moment: a number, or the place of one of ``kinds``.
        moments: see the module.
        kinds: names of the states, in order; none takes states as numbers.
        state_title: what a number is.
        domain: ends of the scale of numbers; None takes those of the data.
        moment_title: what a moment is.
        now: see the module.
        height_px: of the figure.

    Raises:
        InputError: there are no moments, or not one row of states for each.
    """
    _check(moments, len(states), "rows of states")
    shown: list[list[Json]] = [
        [kinds[int(state)] if kinds else short(float(state)) for state in own] for own in np.asarray(states).T
    ]
    lines: list[Line] = [
        {"x": short(float(x)), "y": short(float(y)), "then": own}
        for (x, y), own in zip(places, shown, strict=True)
    ]
    ends: list[Json] = [
        {"x": short(float(places[a, 0])), "y": short(float(places[a, 1])),
         "x2": short(float(places[b, 0])), "y2": short(float(places[b, 1]))}
        for a, b in links
    ]  # fmt: skip
    bare: Part = {"axis": None, "scale": {"zero": False, "nice": False, "padding": 8}}
    at: Part = {
        "x": {"field": "x", "type": "quantitative", **bare},
        "y": {"field": "y", "type": "quantitative", **bare},
    }
    edges = layer(
        "rule",
        {**at, "x2": {"field": "x2"}, "y2": {"field": "y2"}},
        color="currentColor",
        opacity=0.18,
        strokeWidth=1,
    )
    if kinds:
        told_apart = group_channels(lines, "state", mark="point", known=kinds)
    else:
        low, high = domain or (float(np.min(states)), float(np.max(states)))
        colour: Part = {
            "field": "state",
            "type": "quantitative",
            "scale": {"domain": [low, high], "range": [PALETTE[1], "#9a9a9a", PALETTE[0]]},
            "legend": {"title": state_title or None, "gradientLength": 160},
        }
        told_apart = {"color": colour}
    told: list[Json] = [{"field": "state"}]
    size = max(14, min(90, 9000 // max(len(lines), 1)))
    dots = layer("point", {**at, **told_apart, "tooltip": told}, size=size)
    computed: list[Json] = [{"calculate": f"datum.then[{MOMENT}]", "as": "state"}]
    layers: list[Part] = [{"data": {"values": ends}, **edges}, dots, _clock(moments, moment_title)]
    return _moving(
        figure(name, title, caption, layers, lines, height_px), computed, moments, moment_title, now
    )


def _check(moments: Sequence[float], rows: int, what: str) -> None:
    if not moments or len(moments) != rows:
        raise InputError(f"moments: {len(moments)} for {rows} {what}; give one moment to each, at least one")


def _clock(moments: Sequence[float], title: str) -> Part:
    """Return the layer that says which moment is shown."""
    named: Part = {"expr": f"'{title} ' + {[short(float(one)) for one in moments]}[{MOMENT}]"}
    return {
        "data": {"values": [{}]},
        "mark": {
            "type": "text",
            "text": named,
            "align": "right",
            "x": "width",
            "y": 0,
            "dy": 8,
            "fontSize": 13,
        },
        "encoding": {},
    }


def _moving(drawn: Figure, computed: list[Json], moments: Sequence[float], title: str, now: int) -> Figure:
    last = len(moments) - 1
    slider: Part = {"input": "range", "min": 0, "max": last, "step": 1, "name": f"{title} "}
    spec = {
        **drawn.spec,
        "params": [{"name": MOMENT, "value": now % len(moments), "bind": slider}],
        "transform": computed,
    }
    return Figure(drawn.id, drawn.title, drawn.caption, spec)

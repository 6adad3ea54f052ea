"""Pictures of curves by layer and step: one curve of all layers, phase portraits, and runs laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.lab.figures import Figure, curves
from doxa.lab.figures.channels import Part, figure, group_channels, layer, pointed_at, quantity
from doxa.lab.figures.figure import THEME
from doxa.lab.figures.rows import lines_of
from doxa.training.forward_only.history import CURVES, SKAHistory

PHASE = "phase"
TITLES = {
    "entropy": "step entropy (bits)",
    "entropy_midpoint": "step entropy, midpoint (bits)",
    "cosine": "cos θ of z and ΔD",
    "flow_norm": "‖Φ‖ = ‖Δz‖/η",
    "tensor_net": "tensor net (sign of the code)",
    "lagrangian": "Lagrangian",
    "knowledge_norm": "‖z‖",
    "weight_norm": "‖W‖",
    "shannon": "Shannon entropy of decisions (bits)",
    "softplus": "Σ softplus(z)",
}
PANEL_PX = 250


def history_figure(history: SKAHistory, kind: str) -> Figure:
    """Return a figure of one curve of all layers against time, or ``phase``: ‖Φ‖ against ‖z‖.

    Raises:
        InputError: there is no such curve.
    """
    table = [
        {**row, "layer": f"layer {row['layer']}"}
        for row in history.to_frame().iter_rows(named=True)
        if row["step"] > 0
    ]
    about = f"One run with η = {history.dt:g} and K = {history.steps}"
    if kind == PHASE:
        return phase("ska-phase", "Phase portrait", f"{about}; each layer moves to the right.", table)
    if kind not in CURVES:
        raise InputError(f"no curve '{kind}'; {did_you_mean(kind, (*CURVES, PHASE))}")
    name = f"ska-{kind.replace('_', '-')}"
    title = TITLES[kind]
    return curves(
        name, title, f"{about}.", table, value=kind, group="layer", x_title="time t = η k", value_title=title
    )


def phase(name: str, title: str, caption: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw ‖Φ‖ against ‖z‖ as a path in the order of steps, one for each ``layer``."""
    lines = lines_of(rows, "layer", "step", "knowledge_norm", "flow_norm")
    encoding: Part = {
        "x": quantity("knowledge_norm", "‖z‖"),
        "y": quantity("flow_norm", "‖Φ‖ = ‖Δz‖/η"),
        "order": {"field": "step", "type": "quantitative"},
        "tooltip": pointed_at(lines, "layer", "step", "knowledge_norm", "flow_norm"),
    }
    path = layer("line", {**encoding, **group_channels(lines, "layer", mark="line")})
    return figure(name, title, caption, [path], lines, 300)


def panels(
    name: str,
    title: str,
    caption: str,
    rows: Sequence[dict[str, Any]],
    *,
    value: str,
    value_title: str,
    group: str,
    panel: str = "layer",
    x: str = "time",
    x_title: str = "time t = η k",
) -> Figure:
    """Draw lines of each group over time, in a panel for each layer, two beside each other with axes of their own."""
    lines = lines_of(rows, panel, group, x, value)
    across: Part = {**quantity(x, x_title), "scale": {"zero": False, "nice": False}}
    encoding: Part = {"x": across, "y": quantity(value, value_title)}
    drawn: list[Json] = [
        layer("line", {**encoding, **group_channels(lines, group, mark="line")}, strokeWidth=1.6)
    ]
    spec: dict[str, Json] = {
        "description": f"{title}. {caption}",
        "data": {"values": lines},
        "facet": {"field": panel, "type": "nominal", "title": None, "sort": None},
        "columns": 2,
        "resolve": {"scale": {"y": "independent", "x": "independent"}},
        "spec": {"width": PANEL_PX, "height": 170, "layer": drawn},
        "config": THEME,
    }
    return Figure(name, title, caption, spec)

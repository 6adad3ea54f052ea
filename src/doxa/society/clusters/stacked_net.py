"""An ensemble of small recurrent networks as one stack: each member is as if it were alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

Weights = dict[str, torch.Tensor]


class NetInputs(NamedTuple):
    """Rows of features, the same for all members.

    Attributes:
        tabular: (rows, features) of the present day.
        series: (rows, window, features) of the days before.
        graph: (rows, features) of the cluster's place in the graph.
    """

    tabular: torch.Tensor
    series: torch.Tensor
    graph: torch.Tensor

    def rows(self, picks: torch.Tensor) -> NetInputs:
        """Return some rows."""
        return NetInputs(*(part[picks] for part in self))


class NetSize(NamedTuple):
    """Widths of the parts of a network."""

    members: int
    tabular: int
    series: int
    graph: int
    outputs: int
    hidden: int = 64
    layers: int = 2
    graph_hidden: int = 16


def initial(size: NetSize, generator: torch.Generator) -> Weights:
    """Return weights: uniform within 1 / √inputs, and 0 in what comes last, so that training starts at the line."""
    shapes: dict[str, tuple[int, int]] = {
        "graph": (size.graph, size.graph_hidden),
        "join": (size.tabular + size.hidden + size.graph_hidden, size.hidden),
        "out": (size.hidden, size.outputs),
        "skip": (size.tabular + size.graph, size.outputs),
    }
    for layer in range(size.layers):
        shapes[f"in{layer}"] = (size.series if layer == 0 else size.hidden, 4 * size.hidden)
        shapes[f"back{layer}"] = (size.hidden, 4 * size.hidden)
    weights: Weights = {}
    for name, (rows, columns) in sorted(shapes.items()):
        reach = 0.0 if name in ("out", "skip") else 1.0 / math.sqrt(max(1, rows))
        draw = torch.rand(size.members, rows, columns, generator=generator)
        weights[name] = (2 * draw - 1) * reach
        if name != "skip" and not name.startswith("back"):
            weights[f"{name} bias"] = torch.zeros(size.members, 1, columns)
    return weights


def forward(weights: Weights, inputs: NetInputs, layers: int = 2) -> torch.Tensor:
    """Return the outputs of every member for every row, (members, rows, outputs)."""
    members = weights["out"].shape[0]
    tabular, graph = (part.expand(members, *part.shape) for part in (inputs.tabular, inputs.graph))
    series = inputs.series.transpose(0, 1)
    sequence = series.expand(members, *series.shape)
    for layer in range(layers):
        sequence = recurrent(weights, sequence, layer)
    place = torch.tanh(torch.baddbmm(weights["graph bias"], graph, weights["graph"]))
    joined = torch.cat([tabular, sequence[:, -1], place], dim=-1)
    hidden = torch.tanh(torch.baddbmm(weights["join bias"], joined, weights["join"]))
    line = torch.bmm(torch.cat([tabular, graph], dim=-1), weights["skip"])
    return torch.baddbmm(weights["out bias"], hidden, weights["out"]) + line


def recurrent(weights: Weights, sequence: torch.Tensor, layer: int) -> torch.Tensor:
    """Return the states of one long short-term memory layer, (members, steps, rows, hidden), from its inputs."""
    into, back, bias = weights[f"in{layer}"], weights[f"back{layer}"], weights[f"in{layer} bias"]
    members, steps, rows, _ = sequence.shape
    width = back.shape[1]
    # what comes from the inputs is one product for all steps
    given = torch.baddbmm(bias, sequence.reshape(members, steps * rows, -1), into)
    given = given.reshape(members, steps, rows, 4 * width)
    state = memory = given.new_zeros(members, rows, width)
    out: list[torch.Tensor] = []
    for step in range(steps):
        keep, write, show, value = torch.baddbmm(given[:, step], state, back).split(width, dim=-1)
        # a bias of 1 on the keeping gate lets gradients through at the start
        memory = torch.sigmoid(keep + 1.0) * memory + torch.sigmoid(write) * torch.tanh(value)
        state = torch.sigmoid(show) * torch.tanh(memory)
        out.append(state)
    return torch.stack(out, dim=1)

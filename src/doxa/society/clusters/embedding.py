"""GraphSAGE: vectors such that linked nodes are alike, learned without labels (Hamilton, Ying and Leskovec 2017)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from doxa.errors import InputError
from doxa.society.graph import Graph
from doxa.streams import torch_stream

WIDTH = 128
"""Published width of a node's vector."""


def graphsage(
    graph: Graph,
    features: Float[np.ndarray, "nodes features"],
    *,
    seed: int,
    width: int = WIDTH,
    steps: int = 40,
    rate: float = 1e-2,
) -> Float[np.ndarray, "nodes width"]:
    """Return the nodes' vectors of unit length: two layers, each of a node's own vector and its neighbours' mean.

    The loss pulls the ends of links together and pushes as many random pairs apart.

    Args:
        graph: who is linked with whom.
        features: of the nodes; to them the node's degree is added.
        seed: of the streams of weights and pairs.
        width: of a vector.
        steps: optimiser steps, each over all links.
        rate: learning rate of Adam.

    Raises:
        InputError: features and nodes differ in number, or a feature is not finite.
    """
    check_features(features, graph.n)
    generator = torch_stream(seed, "graphsage")
    degree = np.log1p(np.asarray(graph.degree, dtype=np.float64))[:, None]
    raw = np.concatenate([features, degree], axis=1)
    own = torch.from_numpy(((raw - raw.mean(0)) / np.maximum(raw.std(0), 1e-9)).astype(np.float32))
    # a random signature lets nodes of one neighbourhood find each other where features do not tell them apart
    own = torch.cat([own, torch.randn(graph.n, 32, generator=generator)], dim=1)
    shapes = [(2 * own.shape[1], width), (2 * width, width)]
    weights = [
        (torch.randn(*shape, generator=generator) / shape[0] ** 0.5).requires_grad_(True) for shape in shapes
    ]
    edges, mean = graph.edges(), _Mean.of(graph)
    ends = [torch.from_numpy(np.asarray(side, dtype=np.int64)) for side in (edges.sources, edges.targets)]
    optimiser = torch.optim.Adam(weights, lr=rate)
    for _ in range(steps if len(ends[0]) else 0):
        vectors = _vectors(own, mean, weights)
        strangers = torch.randint(graph.n, ends[0].shape, generator=generator)
        near = (vectors[ends[0]] * vectors[ends[1]]).sum(1) / 0.2
        far = (vectors[ends[0]] * vectors[strangers]).sum(1) / 0.2
        loss = -(torch.nn.functional.logsigmoid(near) + torch.nn.functional.logsigmoid(-far)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return _vectors(own, mean, weights).double().numpy()


def check_features(features: Float[np.ndarray, "nodes features"], n: int) -> None:
    """Raise InputError unless there is one row of finite features for each node."""
    if features.ndim != 2 or len(features) != n:
        raise InputError(f"features of shape {features.shape}: give one row for each of {n} nodes")
    if not np.all(np.isfinite(features)):
        row = int(np.argwhere(~np.isfinite(features))[0][0])
        raise InputError(f"features of node {row}: must be finite")


class _Mean(NamedTuple):
    """Takes the mean of each node's neighbours; 0 where there is none."""

    rows: torch.Tensor
    entries: torch.Tensor
    share: torch.Tensor

    @classmethod
    def of(cls, graph: Graph) -> _Mean:
        degree = np.asarray(graph.degree)
        rows = torch.from_numpy(np.repeat(np.arange(graph.n), degree))
        share = torch.from_numpy((1.0 / np.maximum(1, degree)).astype(np.float32))[:, None]
        return cls(rows, torch.from_numpy(graph.targets.astype(np.int64)), share)

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(values).index_add(0, self.rows, values[self.entries]) * self.share


def _vectors(own: torch.Tensor, mean: _Mean, weights: list[torch.Tensor]) -> torch.Tensor:
    hidden = own
    for layer, weight in enumerate(weights):
        hidden = torch.cat([hidden, mean(hidden)], dim=1) @ weight
        if layer + 1 < len(weights):
            hidden = torch.relu(hidden)
    return torch.nn.functional.normalize(hidden, dim=1)

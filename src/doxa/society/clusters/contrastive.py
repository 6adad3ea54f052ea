"""Anchors and the contrastive encoder: agents are pulled to the agent that reasons most like their cluster.

    loss = -mean_j ln [exp(cos(f_j, f_a(j)) / T) / Σ_i exp(cos(f_j, f_a_i) / T)]

The anchors' vectors are held fixed within a step.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.streams import torch_stream

TEMPERATURE = 0.07


def cosine(
    first: Float[np.ndarray, "rows width"], second: Float[np.ndarray, "others width"]
) -> Float[np.ndarray, "rows others"]:
    """Return the cosines of all rows with all others; 0 where a row is 0."""
    units = [
        table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12) for table in (first, second)
    ]
    return units[0] @ units[1].T


def anchors_of(
    profiles: Float[np.ndarray, "agents width"], labels: Int[np.ndarray, " agents"]
) -> Int[np.ndarray, " clusters"]:
    """Return of each cluster the member whose profile is nearest in angle to the members' mean."""
    anchors: list[int] = []
    for cluster in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == cluster)
        likeness = cosine(profiles[members], profiles[members].mean(axis=0, keepdims=True))[:, 0]
        anchors.append(int(members[likeness.argmax()]))
    return np.array(anchors)


def contrastive_loss(
    vectors: torch.Tensor, anchors: torch.Tensor, labels: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """Return the mean cross-entropy of each row's own anchor among all anchors, by cosine over temperature.

    Args:
        vectors: (rows, width).
        anchors: (clusters, width).
        labels: own cluster of each row.
        temperature: > 0.
    """
    rows, columns = (torch.nn.functional.normalize(part, dim=1) for part in (vectors, anchors))
    return torch.nn.functional.cross_entropy(rows @ columns.T / temperature, labels)


def contrastive_vectors(
    inputs: Float[np.ndarray, "agents width"],
    labels: Int[np.ndarray, " agents"],
    anchors: Int[np.ndarray, " clusters"],
    *,
    seed: int,
    temperature: float = TEMPERATURE,
    epochs: int = 200,
    batch: int = 32,
    rate: float = 1e-3,
    widths: tuple[int, ...] = (256, 128, 64),
) -> Float[np.ndarray, "agents encoded"]:
    """Return the agents' vectors after training the encoder, an MLP of the published widths.

    Args:
        inputs: what is known of each agent.
        labels: coarse cluster of each agent.
        anchors: anchor of each cluster.
        seed: of the streams of weights and batches.
        temperature: of the loss.
        epochs: passes over all agents.
        batch: agents of a step.
        rate: learning rate of Adam.
        widths: of the layers.

    Raises:
        InputError: the temperature is not positive.
    """
    if not temperature > 0:
        raise InputError(f"temperature={temperature}: must be > 0")
    generator = torch_stream(seed, "contrastive")
    spread = np.maximum(inputs.std(axis=0), 1e-9)
    rows = torch.from_numpy(((inputs - inputs.mean(axis=0)) / spread).astype(np.float32))
    own, fixed = torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(anchors.astype(np.int64))
    sizes = (rows.shape[1], *widths)
    weights: list[torch.Tensor] = []
    for into, out in pairwise(sizes):
        weights.append((torch.randn(into, out, generator=generator) * (2 / into) ** 0.5).requires_grad_(True))
        weights.append(torch.zeros(out, requires_grad=True))
    optimiser = torch.optim.Adam(weights, lr=rate)
    for _ in range(epochs):
        for picks in torch.randperm(len(rows), generator=generator).split(batch):
            with torch.no_grad():
                held = _encoded(rows[fixed], weights)
            loss = contrastive_loss(_encoded(rows[picks], weights), held, own[picks], temperature)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return _encoded(rows, weights).double().numpy()


def _encoded(rows: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    for layer in range(0, len(weights), 2):
        rows = torch.addmm(weights[layer + 1], rows, weights[layer])
        if layer + 2 < len(weights):
            rows = torch.relu(rows)
    return rows

"""What networks are told of a cluster: shares of today and of the past week in logarithms, the weekday, its place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.society.clusters.history import Situation
from doxa.society.dynamics.compartments import Compartments

LEAST_SPREAD = (0.1, 0.1, 1e-3)
"""Of today's, the past days' and the graph's features: a share that has hardly moved tells nothing but the date."""


def telling_states(compartments: Compartments) -> Int[np.ndarray, " states"]:
    """Return the states from which a network may learn: those that a transition leaves, or hangs on.

    The share of any other only grows, and so tells the date, and on later days something never seen.
    """
    return np.union1d(compartments.sources, compartments.drivers[compartments.drivers >= 0])


def features_of(
    situation: Situation,
    places: Float[np.ndarray, "clusters width"],
    smallest: Float[np.ndarray, " clusters"],
    period: float,
    telling: Int[np.ndarray, " states"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of tabular, temporal and graph features, one for each cluster of each leading index."""
    lead, clusters = situation.force.shape[:-2], situation.force.shape[-2]
    floor, shares = smallest[:, None], situation.shares[..., telling]
    phase = (
        2 * np.pi * np.broadcast_to(np.asarray(situation.day)[..., None, None], (*lead, clusters, 1)) / period
    )
    tabular = np.concatenate(
        [
            np.log(shares[..., -1, :, :] + floor),
            np.log(situation.force + floor),
            *(wave(order * phase) for order in (1, 2) for wave in (np.sin, np.cos)),
        ],
        axis=-1,
    )
    series = np.concatenate([shares, situation.rates], axis=-1)
    series = np.log(np.moveaxis(series, -2, -3) + floor[:, None, :])
    graph = np.broadcast_to(places, (*lead, *places.shape))
    return (
        tabular.reshape(-1, tabular.shape[-1]),
        series.reshape(-1, *series.shape[-2:]),
        graph.reshape(-1, graph.shape[-1]),
    )


class Scale(NamedTuple):
    """What makes a part's features of mean 0 and spread 1."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, least: float) -> Scale:
        """Return the scale of some rows; no feature's spread counts as less than ``least``."""
        flat = rows.reshape(-1, rows.shape[-1])
        return cls(flat.mean(axis=0), np.maximum(flat.std(axis=0), least))

    def __call__(self, rows: np.ndarray) -> torch.Tensor:
        """Return rows on this scale."""
        # far from what was trained on, a feature says no more than that it is far
        return torch.from_numpy(np.clip((rows - self.mean) / self.spread, -5, 5).astype(np.float32))

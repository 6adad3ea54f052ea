"""Refinement of clusters: agents at a border go where they are pulled, like clusters merge, mixed ones split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from doxa.society.clusters.contrastive import cosine

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BORDER = 0.95
"""An agent is at a border if its own centroid is further away than this share of the distance to the nearest other."""
PULL = (0.5, 0.3, 0.2)
"""Published weights of likeness of reasons, nearness and links in the pull of a cluster."""
SMALLEST_SPLIT = 6


def contiguous(labels: Int[np.ndarray, " agents"]) -> Int[np.ndarray, " agents"]:
    """Return labels 0, 1, ... in the order of the old ones, without gaps."""
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def reassigned(
    labels: Int[np.ndarray, " agents"],
    vectors: Float[np.ndarray, "agents width"],
    profiles: Float[np.ndarray, "agents motifs"] | None,
    links: csr_array | None,
) -> Int[np.ndarray, " agents"]:
    """Return labels in which each agent at a border is in the cluster that pulls it most; none is emptied.

    Args:
        labels: clusters, contiguous.
        vectors: hybrid embedding.
        profiles: motif profiles, or None where they do not count.
        links: who is linked, or None where links do not count.
    """
    members = np.eye(int(labels.max()) + 1)[labels]
    sizes = members.sum(axis=0)
    centroids = (members.T @ vectors) / sizes[:, None]
    distance = np.linalg.norm(vectors[:, None, :] - centroids[None, :, :], axis=2)
    every = np.arange(len(labels))
    others = distance.copy()
    others[every, labels] = np.inf
    border = distance[every, labels] > BORDER * others.min(axis=1)
    pull = PULL[1] * np.exp(-distance)
    if profiles is not None:
        pull += PULL[0] * cosine(profiles, (members.T @ profiles) / sizes[:, None])
    if links is not None:
        pull += PULL[2] * (links @ members) / sizes
    moved = np.where(border, pull.argmax(axis=1), labels)
    left = np.bincount(moved, minlength=len(sizes))
    # a cluster that would lose all its members keeps them
    return np.where(left[labels] == 0, labels, moved)


def merged(
    labels: Int[np.ndarray, " agents"], profiles: Float[np.ndarray, "agents motifs"], threshold: float
) -> Int[np.ndarray, " agents"]:
    """Return labels after joining the likest pair again and again while its divergence is below the threshold in nats.

    Two clusters are always left.
    """
    labels = contiguous(labels)
    while (count := int(labels.max()) + 1) > 2:
        means = np.stack([profiles[labels == cluster].mean(axis=0) for cluster in range(count)])
        divergence = np.full((count, count), np.inf)
        for first in range(count):
            for second in range(first + 1, count):
                divergence[first, second] = jensen_shannon_nats(means[first], means[second])
        first, second = np.unravel_index(divergence.argmin(), divergence.shape)
        if divergence[first, second] >= threshold:
            break
        labels = contiguous(np.where(labels == second, first, labels))
    return labels


def split(
    labels: Int[np.ndarray, " agents"], profiles: Float[np.ndarray, "agents motifs"], threshold: float
) -> Int[np.ndarray, " agents"]:
    """Return labels after halving each large cluster whose normalised motif entropy is above the threshold."""
    from sklearn.cluster import AgglomerativeClustering

    labels = contiguous(labels).copy()
    for cluster in range(int(labels.max()) + 1):
        own = np.flatnonzero(labels == cluster)
        if len(own) < SMALLEST_SPLIT or normalised_entropy(profiles[own].mean(axis=0)) <= threshold:
            continue
        halves = AgglomerativeClustering(2, linkage="ward").fit_predict(profiles[own])
        labels[own[halves == 1]] = labels.max() + 1
    return labels


def jensen_shannon_nats(first: Float[np.ndarray, " kinds"], second: Float[np.ndarray, " kinds"]) -> float:
    """Return the Jensen-Shannon divergence of two distributions in nats, in [0, ln 2].

    >>> round(jensen_shannon_nats(np.array([1.0, 0.0]), np.array([0.0, 1.0])), 6)
    0.693147
    """
    middle = _entropy((first + second) / 2)
    return max(0.0, middle - (_entropy(first) + _entropy(second)) / 2)


def normalised_entropy(shares: Float[np.ndarray, " kinds"]) -> float:
    """Return the entropy of shares over the logarithm of their number, in [0, 1]."""
    return _entropy(shares) / float(np.log(max(2, len(shares))))


def _entropy(shares: np.ndarray) -> float:
    kept = shares[shares > 0]
    return float(-(kept * np.log(kept)).sum())

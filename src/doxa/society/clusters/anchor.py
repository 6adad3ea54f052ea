"""ANCHOR: clusters of agents that reason alike, from who is linked with whom and from what they said.

1. GraphSAGE vectors H beside the features X, spectral clustering: coarse clusters.
2. Motif profiles P, from the traces of diagnostic mini-simulations.
3. Of each coarse cluster the anchor, whose profile is nearest to the mean; an encoder f pulls agents to their anchor.
4. Ward clustering of the hybrid embedding: blocks √α Ĥ, √β f̂ and √γ P̂ side by side, each standardised and of unit rows,
   so that squared distances are weighted sums. The released code pads the blocks and adds them in the same coordinates,
   where their parts mean different things; ``fusion="sum"`` replicates that.
5. Agents at a border are reassigned, like clusters merge, mixed ones split.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.clusters import refine
from doxa.society.clusters.contrastive import anchors_of, contrastive_vectors
from doxa.society.clusters.embedding import WIDTH, check_features, graphsage
from doxa.society.clusters.motifs import profiles_of
from doxa.society.graph import Graph
from doxa.streams import stream_key

Ingredient: TypeAlias = Literal["graph", "motifs", "contrastive", "boundary"]
INGREDIENTS: tuple[Ingredient, ...] = ("graph", "motifs", "contrastive", "boundary")
MOST_AGENTS = 20_000
"""Spectral clustering compares all pairs; more agents are sampled and the labels spread (:func:`spread_labels`)."""


@dataclass(frozen=True)
class AnchorPlan:
    """The settings of ANCHOR; the defaults are published, but for ``fusion``.

    Attributes:
        k_coarse: coarse clusters.
        k_fine: clusters before merging and splitting.
        weights: α, β, γ of graph, contrastive vectors and motifs; they are made to sum to 1, with a warning.
        temperature: of the contrastive loss.
        merge_below: Jensen-Shannon divergence in nats below which two clusters become one.
        split_above: normalised motif entropy above which a cluster is halved.
        use: the ingredients; what is left out is an ablation.
        fusion: ``blocks`` side by side, or ``sum`` as in the released code.
        epochs: of the contrastive encoder.
        batch: agents of its step.
    """

    k_coarse: int = 6
    k_fine: int = 4
    weights: tuple[float, float, float] = (0.2, 0.2, 0.6)
    temperature: float = 0.07
    merge_below: float = 0.01
    split_above: float = 0.75
    use: tuple[Ingredient, ...] = INGREDIENTS
    fusion: Literal["blocks", "sum"] = "blocks"
    epochs: int = 200
    batch: int = 32

    def __post_init__(self) -> None:
        if self.k_coarse < 2 or self.k_fine < 2:
            raise InputError(f"k_coarse={self.k_coarse}, k_fine={self.k_fine}: both must be >= 2")
        unknown = [name for name in self.use if name not in INGREDIENTS]
        if unknown or not {"graph", "motifs", "contrastive"} & set(self.use):
            raise InputError(f"use={self.use}: of {INGREDIENTS}, one at least of the first three")
        if self.fusion not in ("blocks", "sum"):
            raise InputError(f"fusion={self.fusion!r}: must be blocks or sum")
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise InputError(f"weights={self.weights}: must be >= 0, and not all 0")
        if abs(sum(self.weights) - 1.0) > 1e-9:
            warnings.warn(
                f"weights={self.weights} sum to {sum(self.weights):g}; made to sum to 1", stacklevel=3
            )
            total = sum(self.weights)
            object.__setattr__(self, "weights", tuple(weight / total for weight in self.weights))


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters.

    Attributes:
        labels: cluster of each agent, 0, 1, ... without gaps.
        anchors: of each cluster, the agent that stands for it.
        embedding: hybrid embedding.
        places: graph vectors, of unit length.
        profiles: motif profiles; even for agents without traces.
        unheard: agents without traces.
        silhouette: mean silhouette of the labels in the embedding.
        modularity: of the labels on the graph.
    """

    labels: Int[np.ndarray, " agents"]
    anchors: Int[np.ndarray, " clusters"]
    embedding: Float[np.ndarray, "agents width"]
    places: Float[np.ndarray, "agents graph"]
    profiles: Float[np.ndarray, "agents motifs"]
    unheard: tuple[int, ...]
    silhouette: float
    modularity: float

    @property
    def means(self) -> Float[np.ndarray, "clusters graph"]:
        """Mean graph vector of each cluster."""
        return cluster_means(self.places, self.labels)


def anchor_clustering(
    graph: Graph,
    features: Float[np.ndarray, "_ features"],
    profiles: Float[np.ndarray, "_ motifs"],
    *,
    seed: int,
    plan: AnchorPlan | None = None,
    places: Float[np.ndarray, "_ graph"] | None = None,
) -> Clustering:
    """Return clusters of agents.

    Args:
        graph: who is linked with whom.
        features: of the agents.
        profiles: how often each agent gave each motif, as counts or shares; agents with none or NaN are listed and get
            an even profile.
        seed: of the streams.
        plan: settings.
        places: graph vectors, where they are there already.

    Raises:
        InputError: rows and nodes differ in number, or there are fewer agents than clusters or too many.
    """
    plan = plan or AnchorPlan()
    check_features(features, graph.n)
    if len(profiles) != graph.n:
        raise InputError(f"profiles of {len(profiles)} agents: the graph has {graph.n}")
    if max(plan.k_fine, plan.k_coarse) > graph.n:
        raise InputError(f"k_fine={plan.k_fine}, k_coarse={plan.k_coarse}: there are only {graph.n} agents")
    if graph.n > MOST_AGENTS:
        raise InputError(
            f"{graph.n} agents: at most {MOST_AGENTS} are compared with each other; cluster a sample and spread its "
            "labels with spread_labels"
        )
    shares, unheard = profiles_of(profiles)
    places = graphsage(graph, features, seed=seed) if places is None else places
    seen = np.concatenate([places if "graph" in plan.use else places[:, :0], features], axis=1)
    coarse = spectral(seen, plan.k_coarse, seed)
    blocks: list[tuple[float, np.ndarray]] = []
    if "graph" in plan.use:
        blocks.append((plan.weights[0], places))
    if "contrastive" in plan.use:
        known = [seen, shares] if "motifs" in plan.use else [seen]
        inputs = np.concatenate(known, axis=1)
        nearest = anchors_of(shares if "motifs" in plan.use else seen, coarse)
        encoded = contrastive_vectors(
            inputs,
            coarse,
            nearest,
            seed=seed,
            temperature=plan.temperature,
            epochs=plan.epochs,
            batch=plan.batch,
        )
        blocks.append((plan.weights[1], encoded))
    if "motifs" in plan.use:
        blocks.append((plan.weights[2], shares))
    embedding = hybrid(blocks, plan.fusion)
    labels = _refined(ward(embedding, plan.k_fine), embedding, shares, graph, plan)
    return Clustering(
        labels,
        anchors_of(shares if "motifs" in plan.use else embedding, labels),
        embedding,
        places,
        shares,
        unheard,
        silhouette(embedding, labels),
        modularity(graph, labels),
    )


def _refined(
    labels: np.ndarray, embedding: np.ndarray, shares: np.ndarray, graph: Graph, plan: AnchorPlan
) -> np.ndarray:
    motifs = "motifs" in plan.use
    if "boundary" in plan.use:
        links = graph.to_scipy() if "graph" in plan.use else None
        labels = refine.reassigned(labels, embedding, shares if motifs else None, links)
    if motifs:
        labels = refine.split(refine.merged(labels, shares, plan.merge_below), shares, plan.split_above)
    return refine.contiguous(labels)


def hybrid(
    blocks: Sequence[tuple[float, Float[np.ndarray, "agents _"]]],
    fusion: Literal["blocks", "sum"] = "blocks",
) -> Float[np.ndarray, "agents joined"]:
    """Return weighted blocks side by side, or padded and added as in the released code."""
    parts: list[tuple[float, np.ndarray]] = []
    for weight, block in blocks:
        table = (block - block.mean(axis=0)) / np.maximum(block.std(axis=0), 1e-9)
        parts.append((weight, table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)))
    if fusion == "blocks":
        return np.concatenate([np.sqrt(weight) * table for weight, table in parts], axis=1)
    width = max(WIDTH, *(table.shape[1] for _, table in parts))
    added = sum(weight * np.pad(table, ((0, 0), (0, width - table.shape[1]))) for weight, table in parts)
    return np.asarray(added / np.maximum(np.linalg.norm(added, axis=1, keepdims=True), 1e-12))


def spectral(
    vectors: Float[np.ndarray, "agents width"], clusters: int, seed: int
) -> Int[np.ndarray, " agents"]:
    """Return spectral clusters of vectors; likeness falls with the squared distance over its median."""
    from sklearn.cluster import SpectralClustering
    from sklearn.metrics import pairwise_distances

    table = (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-9)
    squared = pairwise_distances(table, metric="sqeuclidean")
    likeness = np.exp(-squared / max(float(np.median(squared)) / 4.0, 1e-12))
    state = stream_key(seed, "spectral") % 2**32
    return refine.contiguous(
        SpectralClustering(clusters, affinity="precomputed", random_state=state).fit_predict(likeness)
    )


def ward(vectors: Float[np.ndarray, "agents width"], clusters: int) -> Int[np.ndarray, " agents"]:
    """Return Ward clusters of vectors, numbered in the order of their first agents."""
    from sklearn.cluster import AgglomerativeClustering

    labels = AgglomerativeClustering(clusters, linkage="ward").fit_predict(vectors)
    first = np.unique(labels, return_index=True)[1]
    return np.argsort(np.argsort(first))[labels]


def cluster_means(
    vectors: Float[np.ndarray, "agents width"], labels: Int[np.ndarray, " agents"]
) -> Float[np.ndarray, "clusters width"]:
    """Return the mean vector of each cluster's members."""
    members = np.eye(int(labels.max()) + 1)[labels]
    return (members.T @ vectors) / members.sum(axis=0)[:, None]


def silhouette(vectors: Float[np.ndarray, "agents width"], labels: Int[np.ndarray, " agents"]) -> float:
    """Return the mean silhouette in [-1, 1]; NaN for one cluster, or where each agent is its own."""
    from sklearn.metrics import silhouette_score

    count = int(labels.max()) + 1
    return float(silhouette_score(vectors, labels)) if 1 < count < len(labels) else float("nan")


def modularity(graph: Graph, labels: Int[np.ndarray, " agents"]) -> float:
    """Return the share of links inside clusters less what their degrees alone would give; 0 without links.

    Newman and Girvan 2004.
    """
    members = np.eye(int(labels.max()) + 1)[labels]
    between = members.T @ (graph.to_scipy() @ members)
    total = between.sum()
    if total == 0:
        return 0.0
    return float(np.trace(between) / total - ((between.sum(axis=1) / total) ** 2).sum())


def spread_labels(
    vectors: Float[np.ndarray, "agents width"], known: Int[np.ndarray, " agents"], *, neighbours: int = 7
) -> Int[np.ndarray, " agents"]:
    """Return labels of all agents from those of a sample, along the links of nearest neighbours in a space.

    Args:
        vectors: of all agents.
        known: label of each sampled agent, -1 of the others.
        neighbours: how many each is linked with.

    Raises:
        InputError: no label is known.
    """
    from sklearn.semi_supervised import LabelSpreading

    if not np.any(known >= 0):
        raise InputError("known: no agent has a label; ask a sample first")
    spreading = LabelSpreading(kernel="knn", n_neighbors=neighbours, max_iter=200, tol=1e-3)
    with warnings.catch_warnings(action="ignore"):  # an agent no label reaches, and the last digits
        return np.asarray(spreading.fit(vectors, known).transduction_)

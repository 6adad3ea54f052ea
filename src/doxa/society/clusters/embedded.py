"""The embedded experiments, recorded: the epidemic with all its ablations, the frontier, a milder world, attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from doxa.lab.record import Recorder
from doxa.society.clusters.anchor import (
    INGREDIENTS,
    AnchorPlan,
    Clustering,
    Ingredient,
    anchor_clustering,
    cluster_means,
    hybrid,
    spectral,
    ward,
)
from doxa.society.clusters.embedding import graphsage
from doxa.society.clusters.fusion import EpistemicFusion, fuse
from doxa.society.clusters.motifs import Motifs, find_motifs
from doxa.society.clusters.neural import NeuralPlan
from doxa.society.clusters.per_agent import calls, per_agent
from doxa.society.clusters.pipeline import ClusterModel
from doxa.society.clusters.probes import Reasoner, embedded_traces
from doxa.society.clusters.recording import put, record_days, record_windows
from doxa.society.clusters.scoring import next_states
from doxa.society.clusters.world import World, WorldPlan, make_world
from doxa.streams import stream

Progress = Callable[[float, str], None]
TRAINED = (8, 38)
"""Days the networks learn from: the first has a full window before it."""
FIRST_HELD_OUT = 39


class Lab:
    """One world with its agents' profiles and clusters, from which conditions are made.

    Args:
        plan: of the world.
        reasoner: how its types reason.
        seed: of all streams.
        anchor: settings of the clustering.
        neural: how networks are trained.
        noise: of the reasoner.
    """

    def __init__(
        self,
        plan: WorldPlan,
        reasoner: Reasoner,
        seed: int,
        anchor: AnchorPlan,
        neural: NeuralPlan,
        noise: float,
    ) -> None:
        self.seed, self.anchor, self.neural, self.reasoner = seed, anchor, neural, reasoner
        self.world: World = make_world(plan, seed)
        traces = embedded_traces(reasoner, self.world.types, seed, noise=noise)
        self.motifs: Motifs = find_motifs(traces, plan.agents, n_motifs=len(reasoner.wordings), seed=seed)
        self.places = graphsage(self.world.graph, self.world.features, seed=seed)
        self.days = np.arange(FIRST_HELD_OUT, plan.days - 1)

    def clustered(self, plan: AnchorPlan) -> Clustering:
        """Return clusters by some settings."""
        world = self.world
        return anchor_clustering(
            world.graph, world.features, self.motifs.profiles, seed=self.seed, plan=plan, places=self.places
        )

    def model(self, labels: Int[np.ndarray, " agents"], neural: NeuralPlan | None = None) -> ClusterModel:
        """Return the model of the world by some clusters."""
        world = self.world
        return ClusterModel(
            world.plan.compartments,
            world.graph,
            world.states,
            labels,
            cluster_means(self.places, labels),
            TRAINED,
            self.seed,
            plan=neural or self.neural,
        )

    def agreement(self, labels: Int[np.ndarray, " agents"]) -> float:
        """Return the adjusted Rand index of clusters and hidden types."""
        return self.agreement_of(np.arange(len(labels)), labels)

    def agreement_of(self, agents: Int[np.ndarray, " some"], labels: Int[np.ndarray, " some"]) -> float:
        """Return the adjusted Rand index of some agents' clusters and hidden types."""
        from sklearn.metrics import adjusted_rand_score

        return float(adjusted_rand_score(self.world.types[agents], labels))

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return a stream of this world."""
        return stream(self.seed, "cluster world", *names)

    def fused_nll(self, model: ClusterModel) -> float:
        """Return the score of a model's fused path over the days held out."""
        daily = model.predicted(EpistemicFusion(), model.daily.days)
        return model.scored(daily.held(FIRST_HELD_OUT).paths["fused"], self.days).nll


def record_epidemic(
    recorder: Recorder, lab: Lab, paths: int, sizes: tuple[int, ...], progress: Progress
) -> None:
    """Record the main world: clusters and their ablations, days, windows, modes, controls and the frontier."""
    found = lab.clustered(lab.anchor)
    without: dict[Ingredient, Clustering] = {
        name: lab.clustered(without_one(lab.anchor, name)) for name in INGREDIENTS
    }
    record_clusters(recorder, lab, found, without)
    progress(0.2, "clusters")
    model = lab.model(found.labels)
    record_days(recorder, model, lab.world, lab.days)
    progress(0.3, "days")
    record_windows(recorder, model, lab.world, FIRST_HELD_OUT, paths)
    progress(0.45, "windows")
    record_modes(recorder, lab, model)
    record_labels(recorder, lab, found, without)
    progress(0.7, "controls")
    record_frontier(recorder, lab, found, model, sizes)
    progress(1.0, "frontier")


def without_one(plan: AnchorPlan, ingredient: Ingredient) -> AnchorPlan:
    """Return the settings without one ingredient."""
    return replace(plan, use=tuple(other for other in INGREDIENTS if other != ingredient))


def record_clusters(
    recorder: Recorder, lab: Lab, found: Clustering, without: Mapping[Ingredient, Clustering]
) -> None:
    """Record how clusters agree with hidden types, with all ingredients and without each."""
    seen = np.concatenate([lab.places, lab.world.features], axis=1)
    graph_only = spectral(seen, len(lab.reasoner.utilities), lab.seed)
    put(recorder, "rand", lab.agreement(graph_only), clustering="graph only, spectral")
    variants = {
        "ANCHOR": found,
        **{f"no {name}": clusters for name, clusters in without.items()},
        "blocks added": lab.clustered(replace(lab.anchor, fusion="sum")),
    }
    for name, clusters in variants.items():
        put(recorder, "rand", lab.agreement(clusters.labels), clustering=name)
        put(recorder, "clusters", float(len(clusters.anchors)), clustering=name)
        put(recorder, "silhouette", clusters.silhouette, clustering=name, missing="one cluster")
        put(recorder, "modularity", clusters.modularity, clustering=name)
    centred = found.embedding - found.embedding.mean(axis=0)
    flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for (x, y), label, kind in zip(flat, found.labels, lab.world.types, strict=True):
        put(recorder, "map", float(x), y=float(y), cluster=int(label), type=int(kind))
    for number, text in enumerate(lab.motifs.examples):
        put(recorder, "motif", float((lab.motifs.of_trace == number).mean()), motif=number, example=text)


def record_modes(recorder: Recorder, lab: Lab, model: ClusterModel) -> None:
    """Record the released code's fusion and loss, and what fusing a path with itself changes."""
    days = model.daily.days
    by_hand = model.predicted(EpistemicFusion("confidence"), days).held(FIRST_HELD_OUT)
    put(
        recorder, "nll", model.scored(by_hand.paths["fused"], lab.days).nll, unit="nats", path="by confidence"
    )
    other = lab.model(model.labels, replace(lab.neural, loss="authors"))
    held = other.daily.held(FIRST_HELD_OUT)
    for path, name in (("neural", "neural, authors' loss"), ("fused", "fused, authors' loss")):
        put(recorder, "nll", other.scored(held.paths[path], lab.days).nll, unit="nats", path=name)
    one = model.daily.paths["symbolic"]
    same = fuse([one, one]).prediction
    put(recorder, "identical", float(np.abs(same.logit - one.logit).max()), unit="nats")


def record_labels(
    recorder: Recorder, lab: Lab, found: Clustering, without: Mapping[Ingredient, Clustering]
) -> None:
    """Record the fused score with other clusters: those of ablations, true types, shuffled ones."""
    others = {
        "shuffled": lab.rng("shuffle").permutation(found.labels),
        "true types": lab.world.types,
        **{f"no {name}": without[name].labels for name in ("graph", "motifs", "contrastive")},
    }
    for name, labels in others.items():
        put(recorder, "nll of labels", lab.fused_nll(lab.model(labels)), unit="nats", labels=name)


def record_frontier(
    recorder: Recorder, lab: Lab, found: Clustering, model: ClusterModel, sizes: tuple[int, ...]
) -> None:
    """Record score and calls by the number of clusters, and of asking about every agent."""
    blocks = [(lab.anchor.weights[0], lab.places), (lab.anchor.weights[2], found.profiles)]
    embedding = hybrid(blocks)
    agents = lab.world.plan.agents
    probes = float(agents * len(lab.reasoner.scenarios))

    def told(name: str, nll: float, asked: float, upfront: float) -> None:
        put(recorder, "frontier", nll, unit="nats", calls=asked, upfront=upfront, way=name)

    everybody = lab.model(np.zeros(agents, dtype=np.int64))
    told("1 cluster", lab.fused_nll(everybody), calls(everybody, lab.days).clusters, 0.0)
    told("ANCHOR", lab.fused_nll(model), calls(model, lab.days).clusters, probes)
    each = calls(model, lab.days).agents
    told("each agent, by its own record", per_agent(everybody, lab.days).nll, each, 0.0)
    told("each agent, by its own record and cluster", per_agent(model, lab.days).nll, each, probes)
    for size in sizes:
        other = lab.model(ward(embedding, size))
        told(f"{size} clusters", lab.fused_nll(other), calls(other, lab.days).clusters, probes)
    put(
        recorder,
        "run calls",
        float(calls(model, lab.days).clusters * (lab.world.plan.days - 1) + probes),
        way="ANCHOR",
    )
    put(recorder, "run calls", each * (lab.world.plan.days - 1), way="each agent")
    truth = next_states(
        lab.world.plan.compartments, lab.world.states, lab.days, iter(lab.world.moves[lab.days])
    )
    told("true probabilities", truth.nll, 0.0, 0.0)


def record_world(recorder: Recorder, lab: Lab, paths: int) -> None:
    """Record days and windows of another world by the same code."""
    found = lab.clustered(lab.anchor)
    put(recorder, "rand", lab.agreement(found.labels), clustering="ANCHOR")
    model = lab.model(found.labels)
    record_days(recorder, model, lab.world, lab.days)
    if paths:
        record_windows(recorder, model, lab.world, FIRST_HELD_OUT, paths)

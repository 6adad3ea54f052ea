"""Populations modelled by clusters: who reasons alike, mechanistic and learned hazards, and their fusion.

PhysicsAgentABM (arXiv:2602.06030) infers at the level of behaviourally coherent clusters and lets individuals realise
the transitions. The study is ``doxa run physicsagentabm``. Names load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.society.clusters.anchor import AnchorPlan, anchor_clustering, spread_labels
    from doxa.society.clusters.asking import MindPath
    from doxa.society.clusters.fusion import EpistemicFusion, fuse
    from doxa.society.clusters.history import ClusterHistory
    from doxa.society.clusters.motifs import find_motifs
    from doxa.society.clusters.neural import NeuralPath, NeuralPlan
    from doxa.society.clusters.pipeline import ClusterModel
    from doxa.society.clusters.symbolic import SymbolicPath

__all__ = [
    "AnchorPlan",
    "ClusterHistory",
    "ClusterModel",
    "EpistemicFusion",
    "MindPath",
    "NeuralPath",
    "NeuralPlan",
    "SymbolicPath",
    "anchor_clustering",
    "find_motifs",
    "fuse",
    "spread_labels",
]

_HOMES = {
    "AnchorPlan": "anchor",
    "ClusterHistory": "history",
    "ClusterModel": "pipeline",
    "EpistemicFusion": "fusion",
    "MindPath": "asking",
    "NeuralPath": "neural",
    "NeuralPlan": "neural",
    "SymbolicPath": "symbolic",
    "anchor_clustering": "anchor",
    "find_motifs": "motifs",
    "fuse": "fusion",
    "spread_labels": "anchor",
}

__getattr__ = loader(__name__, _HOMES)

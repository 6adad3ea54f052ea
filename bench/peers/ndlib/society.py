"""NDlib's side: its models on a networkx graph, driven by ``iteration`` without per-node reports where it has that."""

from __future__ import annotations

import random
import warnings
from typing import Any

import ndlib.models.epidemics as ep
import ndlib.models.opinions as op
import networkx as nx
import numpy as np
from kit.side import Work, serve
from ndlib.models.ModelConfig import Configuration
from sides.society_load import Case, Run, start, ties, work


def model_of(case: Case, graph: nx.Graph) -> Any:
    config = Configuration()
    match case["model"]:
        case "voter":
            model = op.VoterModel(graph)
            config.add_model_parameter("fraction_infected", 0.5)
        case "deffuant" | "algorithmic-bias":
            model = op.AlgorithmicBiasModel(graph)
            config.add_model_parameter("epsilon", case["confidence"])
            config.add_model_parameter("gamma", case.get("bias", 0))
        case "degroot" | "friedkin-johnsen":
            model = op.FJModel(graph)
            for node in graph.nodes:
                config.add_node_configuration("stubbornness", node, 1.0 - case.get("openness", 1.0))
        case "bounded-confidence":
            model = op.HKModel(graph)
            config.add_model_parameter("epsilon", case["confidence"])
        case "sis":
            model = ep.SISModel(graph)
            config.add_model_parameter("beta", case["infection"])
            config.add_model_parameter("lambda", case["recovery"])
            config.add_model_parameter("fraction_infected", 0.5)
        case _:
            model = ep.SIRModel(graph)
            config.add_model_parameter("beta", case["infection"])
            config.add_model_parameter("gamma", case["recovery"])
            config.add_model_parameter("fraction_infected", 0.5)
    model.set_initial_status(config)
    return model


def begin(case: Case, seed: int) -> Run:
    warnings.simplefilter("ignore")
    graph = nx.Graph()
    graph.add_nodes_from(range(int(case["n"])))
    graph.add_edges_from((i, j) for i, j in zip(*(e.tolist() for e in ties(case)), strict=True) if i != j)
    model = model_of(case, graph)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - NDlib draws from the global generators
    model.status = dict(enumerate(start(case).tolist()))
    model.initial_status = dict(model.status)
    model.iteration()  # the first only reports the start

    def run(sweeps: int) -> np.ndarray:
        for _ in range(sweeps):
            for _ in range(case.get("updates") or 1):
                model.iteration(node_status=False)
        return np.array([model.status[node] for node in range(len(model.status))])

    return run


def changed_by_one_step(case: Case) -> dict[str, int]:
    """Return how many opinions a step of NDlib's Hegselmann-Krause model changed."""
    before = start(case)
    return {"changed": int((begin(case, 0)(1) != before).sum()), "agents": len(before)}


def prepare(case: Case) -> Work:
    return (lambda: changed_by_one_step(case)) if case.get("count_changes") else work(case, begin)


if __name__ == "__main__":
    serve(prepare, packages=("ndlib", "networkx", "numpy"))

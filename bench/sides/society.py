"""doxa's side: the registered dynamics on the same ties from the same start."""

from __future__ import annotations

import numpy as np
from kit.side import Work, serve
from sides.society_load import Case, Run, start, ties, work

from doxa.society import Graph
from doxa.society import dynamics as society
from doxa.society.schedules import Schedule
from doxa.streams import stream


def config_of(case: Case, graph: Graph) -> tuple[str, object]:
    """Return the name and the config of a case's dynamics."""
    begin, model = start(case), case["model"]
    held = begin if begin.dtype == np.uint8 else begin.astype(np.float32)
    match model:
        case "voter":
            return model, society.VoterConfig(graph, start=held)
        case "deffuant":
            return model, society.DeffuantConfig(graph, case["confidence"], start=held)
        case "algorithmic-bias":
            return model, society.AlgorithmicBiasConfig(graph, case["confidence"], case["bias"], start=held)
        case "degroot":
            return model, society.DeGrootConfig(graph, held)
        case "friedkin-johnsen":
            return model, society.FriedkinJohnsenConfig(graph, case["openness"], held)
        case "bounded-confidence":
            return model, society.BoundedConfidenceConfig(graph, case["confidence"], held)
        case "sis":
            return model, society.SisConfig(
                graph=graph, infection=case["infection"], recovery=case["recovery"], start=held
            )
        case _:
            return model, society.SirConfig(
                graph=graph, infection=case["infection"], recovery=case["recovery"], start=held
            )


def begin(case: Case, seed: int) -> Run:
    from doxa.dynamics import dynamics

    graph = Graph.from_edges(int(case["n"]), *ties(case))
    name, config = config_of(case, graph)
    model, schedule = dynamics.get(name)(), Schedule(case.get("order", "usual"))
    rng = stream(seed, "bench")
    state = model.init(rng, config)

    def run(sweeps: int) -> np.ndarray:
        nonlocal state
        updates = case.get("updates")
        for _ in range(sweeps):
            turn = schedule.turn(rng, graph.n)
            if updates:
                turn = turn._replace(agents=rng.integers(0, graph.n, updates, dtype=np.int32))
            state, _ = model.step(rng, state, turn)
        return state.values

    return run


def prepare(case: Case) -> Work:
    return work(case, begin)


if __name__ == "__main__":
    serve(prepare, packages=("numpy", "numba"))

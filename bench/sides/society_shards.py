"""One side: a day of a population, whole in this process or in parts that Ray holds, from the same start."""

from __future__ import annotations

import hashlib
from typing import Any

from kit.side import Work, serve

from doxa.society import dynamics as society
from doxa.society.addresses import open_graph
from doxa.society.graph import Graph
from doxa.society.population import Plan
from doxa.society.shards.engine import ShardedSteps
from doxa.society.shards.partitioning import cut_of, partition
from doxa.society.shards.pieces import pieces_of


def plan_of(case: dict[str, Any]) -> Plan:
    graph = open_graph(case["graph"], 0, n=int(case["n"]))
    config: Any = society.DeGrootConfig(graph)
    if case["model"] == "sir":
        config = society.SirConfig(graph=graph, infection=0.05, recovery=0.1, begin={"infected": 0.1})
    return Plan(case["model"], config, days=1, steps=int(case["steps"]))


def hosts_of(shards: int, cores: int) -> Any:
    """Return parts of Ray, which is told of so many cores; whoever is without it does not reach this."""
    import ray

    from doxa.society.shards.cluster import HostsOnRay

    if not ray.is_initialized():
        ray.init(
            address="local",
            num_cpus=cores,
            object_store_memory=200 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )
    for held in _HELD:
        held.end()
    _HELD[:] = [HostsOnRay(ray, shards)]
    return _HELD[0]


_HELD: list[Any] = []
"""Parts of the case before, which end when the next is prepared."""


def measures_of(graph: Graph, shards: int) -> tuple[float, float]:
    """Return the work of the busiest part, and the values that the busiest is told and tells in a step."""
    owner = partition(graph, shards)
    travel = [len(piece.heard) + sum(map(len, piece.told)) for piece in pieces_of(graph, owner, shards)]
    return cut_of(graph, owner).widest * (graph.n + len(graph.targets)) / shards, max(travel)


def prepare(case: dict[str, Any]) -> Work:
    from doxa.dynamics import dynamics
    from doxa.society.population import steps_of_day

    plan, shards = plan_of(case), int(case["shards"])
    model = dynamics.get(plan.dynamics)()
    start = model.init(plan.rng("init"), plan.config)
    steps = ShardedSteps(plan, hosts_of(shards, int(case.get("cores", 2))), shards) if shards else None

    def work() -> Any:
        if steps is None:
            after, _ = steps_of_day(plan, model, start, 1)
        else:
            after, _ = steps(start, 1)
        return lambda: hashlib.sha256(after.values.tobytes()).hexdigest()

    work()  # compiles, and loads the parts
    return work


if __name__ == "__main__":
    serve(prepare, packages=("numba", "ray"))

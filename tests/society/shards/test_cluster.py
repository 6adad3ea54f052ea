"""Parts on a Ray cluster of this machine: equal numbers, and a part that is killed in the middle."""

from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.society.dynamics import DeGrootConfig, SirConfig
from doxa.society.population import Plan, simulate
from doxa.society.scenarios import in_shards
from doxa.society.shards import sharded
from doxa.society.shards.cluster import HostsOnRay
from tests.society.dynamics import slow
from tests.society.shards.parts import in_parts, same

GRAPH = slow.random_graph(300, 1_500)


@pytest.fixture(scope="module")
def ray():
    import ray as library

    library.init(
        address="local",
        num_cpus=2,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    yield library
    library.shutdown()


@pytest.mark.slow
def test_parts_on_a_cluster_give_the_numbers_of_the_whole_and_survive_a_kill(ray, tmp_path):
    plan = Plan("degroot", DeGrootConfig(GRAPH), 4, steps=3)
    with sharded(2):
        same(simulate(plan), in_parts(plan, 1))
    spread = SirConfig(graph=GRAPH, infection=0.2, recovery=0.1, begin={"infected": 0.1})
    plan = Plan("sir", spread, 4, steps=2)
    hosts = HostsOnRay(ray, 2)
    killed: list[int] = []

    def kill_one(day, state):
        if day == 2 and not killed:
            killed.append(day)
            ray.kill(hosts._actors[0])

    try:
        same(in_parts(plan, 2, hosts, folder=tmp_path, told=kill_one), simulate(plan))
    finally:
        hosts.end()
    assert killed == [2]
    with pytest.raises(InputError, match="shards=3: each needs a core, and the cluster has 2"), sharded(3):
        pass


def test_parts_need_ray_and_a_scenario_that_has_them():
    with in_shards("fps", None, "processes") as executor:
        assert executor == "processes"
    for scenario, executor, why in (
        ("opinion", "inline", "add --executor ray"),
        ("fps", "ray", "fps does not go in parts; opinion and epidemic do"),
    ):
        with pytest.raises(InputError, match=why), in_shards(scenario, 2, executor):
            pass
    with pytest.raises(InputError, match="shards=0"), sharded(0):
        pass

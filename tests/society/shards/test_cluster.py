"""Parts on a Ray cluster of this machine: equal numbers, and a part that is killed in the middle."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from doxa.errors import InputError
from doxa.lab.run import run_study
from doxa.society.chunks import thread_count
from doxa.society.dynamics import DeGrootConfig, SirConfig
from doxa.society.population import Plan, simulate
from doxa.society.scenarios import in_shards
from doxa.society.shards import cluster, sharded
from doxa.society.shards.cluster import HeldShard, HostsOnRay
from doxa.society.shards.links import ShardLostError
from doxa.testing import doxa_command, run_command, run_files
from doxa.testing.processes import Fault
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
def test_parts_on_a_cluster_give_the_numbers_of_the_whole_and_survive_a_kill(
    ray, tmp_path, monkeypatch, capsys
):
    plan = Plan("degroot", DeGrootConfig(GRAPH), 4, steps=3)
    monkeypatch.setattr(cluster, "available_cores", lambda: 1)
    with sharded(2):
        same(simulate(plan), in_parts(plan, 1))
    assert (
        "2 parts take turns on the cores of this machine, of which there are 1\n" in capsys.readouterr().err
    )
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


@pytest.mark.slow
def test_a_part_that_is_killed_within_a_day_costs_the_day(ray):
    plan = Plan("degroot", DeGrootConfig(GRAPH), 2, steps=4_000)
    hosts = HostsOnRay(ray, 2)
    day, lost = hosts.day, []

    def with_a_kill(number, steps):
        if not lost:
            threading.Timer(0.2, ray.kill, [hosts._actors[1]]).start()
        try:
            return day(number, steps)
        except ShardLostError as error:
            lost.append(str(error))
            raise

    hosts.day = with_a_kill
    try:
        same(in_parts(plan, 2, hosts), simulate(plan))
    finally:
        hosts.end()
    assert len(lost) == 1


@pytest.mark.slow
def test_a_command_in_parts_that_is_killed_between_two_days_goes_on_to_equal_tables(ray, tmp_path):
    few = {"agents": "60", "days": "8", "graph": "ring", "seeds": "1"}
    options = [word for name, value in few.items() for word in (f"--{name}", value)]
    command = doxa_command("simulate", "epidemic", *options, "--executor", "ray", "--shards", "2")
    killed = tmp_path / "killed"
    ended = run_command([*command, "--out", str(killed)], fault=Fault("replace", 3, "kill", within="/parts/"))
    assert ended.killed, ended.stderr
    assert list(killed.glob("*/parts/*/population-*.npz")), "the days before are there"
    with sharded(2):
        run_study("epidemic", overrides=few, out=killed)
    run_study("epidemic", overrides=few, out=tmp_path / "whole")
    assert run_files(killed) == run_files(tmp_path / "whole")


def test_parts_that_wait_for_cores_say_so(capsys):
    asked = SimpleNamespace(remote=lambda *_: ())
    actor = SimpleNamespace(address=asked, load=asked)
    few = SimpleNamespace(
        remote=lambda **_: lambda kind: SimpleNamespace(remote=lambda *_: actor),
        wait=lambda asked, timeout=None, **_: ([], asked) if timeout else (asked, []),
        get=lambda asked: asked,
        nodes=lambda: [
            {"Alive": True, "Resources": {"CPU": 1.0}},
            {"Alive": False, "Resources": {"CPU": 8.0}},
        ],
        exceptions=SimpleNamespace(RayError=OSError, RayTaskError=OSError),
    )
    HostsOnRay(few, 2).load([(), ()])
    assert capsys.readouterr().err == "2 parts need a core each, and the cluster has 1; waiting for more\n"


def test_a_part_has_one_thread(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "4")
    held = HeldShard(0, b"key")
    assert thread_count() == 1
    held._links.close()


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

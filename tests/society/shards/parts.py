"""Running a population in parts that are held where a test wants them."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from doxa.society.population import Plan, Population, simulate, stepping
from doxa.society.shards.engine import Hosts, HostsHere, ShardedSteps, check


class InParts:
    def __init__(self, shards: int, hosts: Hosts) -> None:
        self.shards, self.hosts = shards, hosts

    def check(self, plan: Plan) -> None:
        check(plan, self.shards)

    @contextmanager
    def begin(self, plan: Plan):
        yield ShardedSteps(plan, self.hosts, self.shards)


def in_parts(plan: Plan, shards: int, hosts: Hosts | None = None, **more) -> Population:
    """Simulate in parts, by default in this process."""
    with stepping(InParts(shards, hosts or HostsHere())):
        return simulate(plan, **more)


def same(one: Population, other: Population) -> None:
    assert np.array_equal(one.state.values, other.state.values)
    ours, theirs = one.history.arrays(), other.history.arrays()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)

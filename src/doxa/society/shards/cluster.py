"""Parts of a population as actors on a Ray cluster.

A day is one call of each part. Within it parts tell each other what they must know; this process hears of its end.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Generator
from typing import Any

import numpy as np

from doxa.errors import InputError
from doxa.lab.cluster.connection import PATIENCE_S, connect, cores_of
from doxa.lab.executors import available_cores
from doxa.society.dynamics.base import Info
from doxa.society.population import Plan, Steps, stepping
from doxa.society.shards.engine import ShardedSteps, check
from doxa.society.shards.links import Address, Links, ShardLostError
from doxa.society.shards.shard import Shard


class HeldShard:
    """An actor that holds one part; it is loaded after it was made, so that the machines start together.

    Args:
        part: which.
        key: what all parts know and nobody else.
    """

    def __init__(self, part: int, key: bytes) -> None:
        import ray  # pyright: ignore[reportMissingImports]

        os.environ["NUMBA_NUM_THREADS"] = "1"  # of the one core that it has; Ray says so to OpenMP alone
        self._links = Links(part, ray.util.get_node_ip_address(), key)
        self._shard: Shard | None = None

    def address(self) -> Address:
        """Return where other parts reach this one."""
        return self._links.address

    def load(self, addresses: list[Address], *load: Any) -> None:
        """Connect with the other parts, and hold one, given as the arguments of ``Shard``."""
        self._links.connect(addresses)
        self._shard = Shard(*load)

    def put(self, values: np.ndarray) -> None:
        """Take new values."""
        self._held().put(np.asarray(values))

    def day(self, day: int, steps: int) -> tuple[np.ndarray, list[Info]]:
        """Take the steps of a day, each with what the others tell of theirs, and return what the part says at its end.

        Raises:
            ShardLostError: another part is gone.
        """
        shard = self._held()
        for step in range(steps):
            told = shard.step(day, step)
            self._links.exchange(told, shard.heard())
        return shard.end_day()

    def _held(self) -> Shard:
        if self._shard is None:
            raise RuntimeError("a part is asked for before it was loaded")
        return self._shard


class HostsOnRay:
    """Parts on a cluster, each with one core.

    Args:
        ray: the library, connected.
        shards: how many parts.
    """

    def __init__(self, ray: Any, shards: int) -> None:
        self._ray, self._shards = ray, shards
        self._actors: list[Any] = []

    def load(self, loads: list[tuple[Any, ...]]) -> None:
        """Hold new parts in new processes; the old ones end. Where cores are missing, that is said and waited for."""
        self.end()
        kind = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(HeldShard)
        key = secrets.token_bytes(32)
        self._actors = [kind.remote(part, key) for part in range(len(loads))]
        asked = [actor.address.remote() for actor in self._actors]
        _, waiting = self._ray.wait(asked, num_returns=len(asked), timeout=PATIENCE_S)
        if waiting and (cores := sum(cores_of(self._ray))) < self._shards:
            sys.stderr.write(
                f"{self._shards} parts need a core each, and the cluster has {cores:g}; waiting for more\n"
            )
        addresses = self._got(asked)
        self._got(
            [actor.load.remote(addresses, *load) for actor, load in zip(self._actors, loads, strict=True)]
        )

    def put(self, values: list[np.ndarray]) -> None:
        """Give each part new values."""
        self._got([actor.put.remote(own) for actor, own in zip(self._actors, values, strict=True)])

    def day(self, day: int, steps: int) -> list[tuple[np.ndarray, list[Info]]]:
        """Let the parts take the steps of a day and return what they say at its end."""
        return self._got([actor.day.remote(day, steps) for actor in self._actors])

    def end(self) -> None:
        """End the processes of all parts."""
        for actor in self._actors:
            with contextlib.suppress(Exception):
                self._ray.kill(actor)
        self._actors = []

    def _got(self, asked: list[Any]) -> Any:
        """Return what was asked of all parts, or raise what the first says that fails: those it told wait for it."""
        errors, waiting = self._ray.exceptions, asked
        try:
            while waiting:
                ready, waiting = self._ray.wait(waiting)
                self._ray.get(ready)
            return self._ray.get(asked)
        except errors.RayTaskError as error:
            if isinstance(error.cause, ShardLostError):
                raise error.cause from error
            raise
        except errors.RayError as error:
            raise ShardLostError(f"a part of the population was lost: {type(error).__name__}") from error


class OnRay:
    """Takes the steps of populations in parts on a cluster.

    Args:
        ray: the library, connected.
        shards: how many parts.
    """

    def __init__(self, ray: Any, shards: int) -> None:
        self._ray, self._shards = ray, shards

    def check(self, plan: Plan) -> None:
        """Raise InputError if a plan does not go in parts."""
        check(plan, self._shards)

    @contextlib.contextmanager
    def begin(self, plan: Plan) -> Generator[Steps]:
        """Yield what takes the steps, as long as the parts are held."""
        hosts = HostsOnRay(self._ray, self._shards)
        try:
            yield ShardedSteps(plan, hosts, self._shards)
        finally:
            hosts.end()


@contextlib.contextmanager
def sharded(shards: int, address: str = "") -> Generator[None]:
    """Simulate every population within this context in parts on a cluster.

    Args:
        shards: how many parts, each a process with one core.
        address: of the cluster, as ``--ray-address`` takes it; empty for one on this machine.

    Raises:
        InputError: fewer than one part, or the cluster cannot be used or has fewer cores.
        MissingExtraError: Ray is not installed.
    """
    if shards < 1:
        raise InputError(f"shards={shards}: must be at least 1")
    ray = connect(address, cores=1, at_once=shards)
    if (cores := sum(cores_of(ray))) < shards:
        raise InputError(f"shards={shards}: each needs a core, and the cluster has {cores:g}; add machines")
    if not address and shards > (here := available_cores()):
        sys.stderr.write(
            f"{shards} parts take turns on the cores of this machine, of which there are {here}\n"
        )
    with stepping(OnRay(ray, shards)):
        yield

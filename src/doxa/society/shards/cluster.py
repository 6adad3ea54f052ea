"""Parts of a population as actors on a Ray cluster.

What parts tell each other goes from one to the other; this process only says what goes where. Steps are asked for
ahead, so that a part has its next one at hand when it is told.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from typing import Any

import numpy as np

from doxa.errors import InputError
from doxa.lab.cluster.connection import PATIENCE_S, connect, cores_of
from doxa.society.dynamics.base import Info
from doxa.society.population import Plan, Steps, stepping
from doxa.society.shards.engine import ShardedSteps, ShardLostError, check
from doxa.society.shards.shard import Shard


class HeldShard:
    """An actor that holds one part; it is loaded after it was made, so that the machines start together."""

    def __init__(self) -> None:
        os.environ["NUMBA_NUM_THREADS"] = "1"  # of the one core that it has; Ray says so to OpenMP alone
        self._shard: Shard | None = None

    def load(self, *load: Any) -> None:
        """Hold a part, given as the arguments of ``Shard``."""
        self._shard = Shard(*load)

    def put(self, values: np.ndarray) -> None:
        """Take new values."""
        self._held().put(np.asarray(values))

    def step(self, day: int, step: int, *told: np.ndarray) -> Any:
        """Take a step and return what each part is told, an object for each."""
        out = list(self._held().step(day, step, told))
        return out[0] if len(out) == 1 else out  # Ray takes one object as it is, and several from a list

    def end_day(self) -> tuple[np.ndarray, list[Info]]:
        """Return what the part says at the end of a day."""
        return self._held().end_day()

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
        self._told: list[list[Any]] = []

    def load(self, loads: list[tuple[Any, ...]]) -> None:
        """Hold new parts in new processes; the old ones end. Where cores are missing, that is said and waited for."""
        self.end()
        kind = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(HeldShard)
        self._actors = [kind.remote() for _ in loads]
        asked = [actor.load.remote(*load) for actor, load in zip(self._actors, loads, strict=True)]
        _, waiting = self._ray.wait(asked, num_returns=len(asked), timeout=PATIENCE_S)
        if waiting and (cores := sum(cores_of(self._ray))) < self._shards:
            sys.stderr.write(
                f"{self._shards} parts need a core each, and the cluster has {cores:g}; waiting for more\n"
            )
        self._got(asked)
        self._told = []

    def put(self, values: list[np.ndarray]) -> None:
        """Give each part new values."""
        self._got([actor.put.remote(own) for actor, own in zip(self._actors, values, strict=True)])
        self._told = []

    def day(self, day: int, steps: int) -> list[tuple[np.ndarray, list[Info]]]:
        """Ask for all steps of a day at once and return what the parts say at its end."""
        for step in range(steps):
            heard = [[told[part] for told in self._told] for part in range(self._shards)]
            asked = [
                actor.step.options(num_returns=self._shards).remote(day, step, *told)
                for actor, told in zip(self._actors, heard, strict=True)
            ]
            self._told = [out if isinstance(out, list) else [out] for out in asked]
        return self._got([actor.end_day.remote() for actor in self._actors])

    def end(self) -> None:
        """End the processes of all parts."""
        for actor in self._actors:
            with contextlib.suppress(Exception):
                self._ray.kill(actor)
        self._actors = []

    def _got(self, asked: list[Any]) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(asked)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):  # what another part should have told is gone with it
                raise ShardLostError(f"a part of the population was lost: {error.cause}") from error
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

    with stepping(OnRay(ray, shards)):
        yield

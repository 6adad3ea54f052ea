"""The days of a population in parts: what is put into the parts, their steps, and what is taken out at a day's end.

Between steps only the values travel that other parts listen to. At the end of a day the driver takes all values, which
it needs for the history and the checkpoint of the day; where a part is lost, all go on from there.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from doxa.dynamics import dynamics
from doxa.errors import InputError
from doxa.society.dynamics.base import Info, State
from doxa.society.graph import Graph
from doxa.society.population import Plan
from doxa.society.shards.links import ShardLostError
from doxa.society.shards.partitioning import partition
from doxa.society.shards.pieces import Piece, local_config, pieces_of
from doxa.society.shards.shard import Clock, Shard


@runtime_checkable
class Hosts(Protocol):
    """Where parts are held."""

    def load(self, loads: list[tuple[Any, ...]]) -> None:
        """Hold new parts, each given as the arguments of ``Shard``."""
        ...

    def put(self, values: list[np.ndarray]) -> None:
        """Give each part new values of all whom it holds."""
        ...

    def day(self, day: int, steps: int) -> list[tuple[np.ndarray, list[Info]]]:
        """Take the steps of a day and return what each part says at its end.

        Raises:
            ShardLostError: a part is gone.
        """
        ...


class HostsHere:
    """Parts in this process, one step after another: what the parts of a cluster are held to."""

    def __init__(self) -> None:
        self._shards: list[Shard] = []

    def load(self, loads: list[tuple[Any, ...]]) -> None:
        """Hold new parts."""
        self._shards = [Shard(*load) for load in loads]

    def put(self, values: list[np.ndarray]) -> None:
        """Give each part new values."""
        for shard, own in zip(self._shards, values, strict=True):
            shard.put(own)

    def day(self, day: int, steps: int) -> list[tuple[np.ndarray, list[Info]]]:
        """Take the steps of a day."""
        for step in range(steps):
            told = [shard.step(day, step) for shard in self._shards]
            for shard, values in zip(self._shards, zip(*told, strict=True), strict=True):
                for place, value in zip(shard.heard(), values, strict=True):
                    place[:] = value
        return [shard.end_day() for shard in self._shards]


LOSSES = 8
"""How often parts may be lost in one run before it fails."""


class ShardedSteps:
    """Takes the steps of a plan's days in parts.

    Args:
        plan: what happens.
        hosts: where parts are held.
        shards: how many parts.

    Raises:
        InputError: what happens does not go in parts.
    """

    def __init__(self, plan: Plan, hosts: Hosts, shards: int) -> None:
        check(plan, shards)
        self._plan, self._hosts, self._shards = plan, hosts, shards
        self._owner = partition(plan.config.graph, shards)
        self._config: Any = None
        self._values: np.ndarray | None = None
        self._pieces: list[Piece] = []
        self.lost = 0

    def __call__(self, state: State, day: int) -> tuple[State, list[Info]]:
        """Return the population after the steps of a day, and what there is to know about each.

        Raises:
            ShardLostError: parts were lost too often.
        """
        while True:
            try:
                self._give(state)
                return self._taken(state, self._hosts.day(day, self._plan.steps))
            except ShardLostError:
                self.lost += 1
                if self.lost >= LOSSES:
                    raise
                self._config = None

    def _give(self, state: State) -> None:
        """Put into the parts what they do not have."""
        if state.config is not self._config:
            plan, graph = self._plan, state.config.graph
            self._pieces = pieces_of(graph, self._owner, self._shards)
            clock = Clock(plan.dynamics, plan.schedule, plan.seed, graph.n)
            self._hosts.load(
                [
                    (
                        clock,
                        piece,
                        local_config(state.config, piece),
                        state.values[piece.agents],
                        None if state.fixed is None else state.fixed[piece.agents],
                    )
                    for piece in self._pieces
                ]
            )
            self._config = state.config
        elif state.values is not self._values:
            self._hosts.put([state.values[piece.agents] for piece in self._pieces])

    def _taken(self, state: State, said: list[tuple[np.ndarray, list[Info]]]) -> tuple[State, list[Info]]:
        values = np.empty_like(state.values)
        for piece, (own, _) in zip(self._pieces, said, strict=True):
            values[piece.own] = own
        self._values = values
        infos = [_together(parts) for parts in zip(*(infos for _, infos in said), strict=True)]
        return state._replace(values=values), infos


def _together(parts: tuple[Info, ...]) -> Info:
    moves = [info.moves for info in parts if info.moves is not None]
    return Info(sum(info.updates for info in parts), np.sum(moves, axis=0) if moves else None)


def check(plan: Plan, shards: int) -> None:
    """Check that a plan goes in parts.

    Raises:
        InputError: agents see what others did in the same step, or everybody may meet everybody.
    """
    who = f"shards={shards}: {plan.dynamics}"
    if not isinstance(plan.config.graph, Graph) or plan.schedule.contacts is not None:
        raise InputError(f"{who}: everybody may meet everybody, so no part stands alone; give a graph")
    model = dynamics.get(plan.dynamics)()
    order = plan.schedule.order
    if order in ("shuffled", "fixed"):
        raise InputError(
            f"{who}: agents act in turn (order={order}), each seeing those before it; take another order"
        )
    if plan.dynamics == "voter" and order != "together":
        raise InputError(f"{who}: agents act in turn, each seeing those before it; give it order='together'")
    if not getattr(model, "by_rows", False):
        able = ", ".join(name for name in dynamics.names() if getattr(dynamics.get(name), "by_rows", False))
        raise InputError(
            f"{who}: agents meet in turn, each seeing those before it, so a step is one long chain; "
            f"take dynamics in which all act at once, as dynamics=bounded-confidence: {able}"
        )

"""What the dynamics of a population share: the state, what a step is told, and how all agents act at once or in turn.

One step is one update of all agents at once, or one sweep of an asynchronous dynamics: as many meetings as agents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped, UInt8, UInt32, UInt64

from doxa.errors import InputError, did_you_mean
from doxa.society.chunks import in_chunks
from doxa.society.graph import Graph
from doxa.society.graph_kernels import outside


@dataclass(frozen=True)
class WellMixed:
    """Everybody may meet everybody; no rows are kept.

    Attributes:
        n: number of agents, at least 2.
    """

    n: int

    def __post_init__(self) -> None:
        if not 2 <= self.n < 2**31:
            raise InputError(f"n={self.n}: a well-mixed population has 2 to 2^31 - 1 agents")


class Turn(NamedTuple):
    """What a step is told: who acts, whether in turn, and who meets whom.

    Attributes:
        agents: who acts; None for all at once, or for n agents drawn at random where meetings come one by one.
        in_turn: whether each sees what those before it did in this step; None as is usual for the dynamics.
        graph: who listens to whom in this step; None for the graph of the config.
        draws: the number under which each that acts draws; None for its place. A part of a population so draws what
            the whole would.
    """

    agents: Int32[np.ndarray, " acting"] | None = None
    in_turn: bool | None = None
    graph: Graph | None = None
    draws: UInt32[np.ndarray, " acting"] | None = None


class State(NamedTuple):
    """A population between two steps.

    Attributes:
        config: what the dynamics is set to.
        values: of each agent: an opinion (float32) or the number of its compartment (uint8).
        fixed: what each agent keeps from the start (anchor, threshold), or None.
    """

    config: Any
    values: Shaped[np.ndarray, " n"]
    fixed: Float32[np.ndarray, " n"] | None = None


class Info(NamedTuple):
    """What there is to know about a step.

    Attributes:
        updates: how many agents or pairs acted.
        moves: how many went from row to column, compartments only, (k, k).
    """

    updates: int
    moves: Int64[np.ndarray, "k k"] | None = None


class Rows(NamedTuple):
    """A graph as kernels read it; unsigned, because the compiler then need not ask whether an index is negative."""

    offsets: UInt64[np.ndarray, " rows"]
    targets: UInt32[np.ndarray, " entries"]
    weights: Float32[np.ndarray, " entries"] | None


Kernel: TypeAlias = Callable[[Any, Any, Any, int, int], Any]
"""Reads values, writes new ones: ``kernel(new, old, agents, begin, end)`` for the agents from begin to end."""


def rows_of(state: State, turn: Turn, *, who: str) -> Rows:
    """Return who listens to whom in this step.

    Raises:
        InputError: it is well mixed, or its nodes are not the agents.
    """
    graph = state.config.graph if turn.graph is None else turn.graph
    if isinstance(graph, WellMixed):
        raise InputError(f"{who}: needs a graph; give one, or a schedule with random contacts")
    if graph.n != len(state.values):
        raise InputError(f"{who}: the graph has {graph.n} nodes for {len(state.values)} agents")
    return Rows(graph.offsets.view(np.uint64), graph.targets.view(np.uint32), graph.weights)


def mixed(state: State, turn: Turn) -> bool:
    """Return whether everybody may meet everybody in this step."""
    return turn.graph is None and isinstance(state.config.graph, WellMixed)


def checked_agents(turn: Turn, n: int) -> UInt32[np.ndarray, " acting"] | None:
    """Return who acts, as kernels read it.

    Raises:
        InputError: there is no such agent.
    """
    if turn.agents is None:
        return None
    place = outside(turn.agents, n)
    if place >= 0:
        raise InputError(f"agents[{place}]={turn.agents[place]}: agents are 0 to {n - 1}")
    return np.ascontiguousarray(turn.agents, dtype=np.int32).view(np.uint32)


def advance(kernel: Kernel, state: State, turn: Turn) -> tuple[State, int, list[Any]]:
    """Return the state after all that act did so at once (as is usual) or in turn, their number, what kernels said.

    Raises:
        InputError: an agent that is not there.
    """
    old = state.values
    agents = checked_agents(turn, len(old))
    count = len(old) if agents is None else len(agents)
    new = np.empty_like(old) if agents is None and not turn.in_turn else old.copy()
    if turn.in_turn:
        said = [kernel(new, new, agents, 0, count)]
    elif (
        agents is not None
    ):  # in one range: of one who is named twice, the last place must be the last to write
        said = [kernel(new, old, agents, 0, count)]
    else:
        said = in_chunks(lambda begin, end: kernel(new, old, agents, begin, end), count)
    return state._replace(values=new), count, said


def kept(state: State) -> Float32[np.ndarray, " n"]:
    """Return what each agent keeps from the start.

    Raises:
        InputError: the state says nothing of it.
    """
    if state.fixed is None:
        raise InputError(
            f"{type(state.config).__name__}: the state lacks what agents keep; take that of init"
        )
    return state.fixed


def all_moves(parts: list[Any]) -> Int64[np.ndarray, "k k"]:
    """Return how many went where, from what the kernel said of each range of agents."""
    return np.sum(parts, axis=0)


def opinions_from(
    rng: np.random.Generator, n: int, start: Float32[np.ndarray, " n"] | None
) -> Float32[np.ndarray, " n"]:
    """Return the opinions a population begins with: those given, else uniform in [0, 1).

    Raises:
        InputError: they are not one finite float32 for each agent.
    """
    if start is None:
        return rng.random(n, dtype=np.float32)
    if start.dtype != np.float32 or start.shape != (n,) or not np.isfinite(start).all():
        raise InputError(f"start: must be {n} finite float32, not {start.dtype} {start.shape}")
    return start.copy()


def codes_from(
    rng: np.random.Generator, n: int, kinds: int, start: UInt8[np.ndarray, " n"] | None, share: float
) -> UInt8[np.ndarray, " n"]:
    """Return the compartments a population begins with: those given, else a share of agents in compartment 1.

    Raises:
        InputError: they are not one known compartment for each agent.
    """
    if start is None:
        values = np.zeros(n, dtype=np.uint8)
        values[rng.choice(n, round(share * n), replace=False)] = 1
        return values
    return checked_codes(n, kinds, start)


def checked_codes(n: int, kinds: int, start: UInt8[np.ndarray, " n"]) -> UInt8[np.ndarray, " n"]:
    """Return a copy of the compartments a population begins with.

    Raises:
        InputError: they are not one known compartment for each agent.
    """
    if start.dtype != np.uint8 or start.shape != (n,) or (n and int(start.max()) >= kinds):
        raise InputError(f"start: must be {n} uint8 from 0 to {kinds - 1}, not {start.dtype} {start.shape}")
    return start.copy()


def need(**within: tuple[float, float, float]) -> None:
    """Check settings, each given as (value, least, most).

    Raises:
        InputError: one is outside its range.
    """
    for name, (value, least, most) in within.items():
        if not least <= value <= most:
            raise InputError(f"{name}={value}: must be from {least:g} to {most:g}")


def changed(config: Any, **fields: Any) -> Any:
    """Return a config with some settings changed; its checks run again.

    Raises:
        InputError: it has no such setting.
    """
    known = config.__dataclass_fields__
    for name in fields:
        if name not in known:
            raise InputError(f"{type(config).__name__} has no setting '{name}'; {did_you_mean(name, known)}")
    return replace(config, **fields)

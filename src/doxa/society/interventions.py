"""Interventions: on which days, on whom, and what is done; each a value that says so.

An intervention either moves what agents hold (a fact of that day, part of the state) or changes how the dynamics is set
from that day on (ties, parameters). The latter can be done again from the start, so that a resumed run has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Int32

from doxa.errors import InputError
from doxa.society.dynamics.base import State, changed
from doxa.society.graph import Graph

By = Literal["chance", "degree"]


@dataclass(frozen=True, eq=False)
class Target:
    """On whom: a share of those who are named and hold what is asked.

    Attributes:
        agents: who may be chosen, or None for all.
        holding: only those in this compartment, or None.
        share: of these, in [0, 1].
        by: ``chance``, or ``degree`` for those with most ties.
    """

    agents: Int32[np.ndarray, " some"] | None = None
    holding: int | None = None
    share: float = 1.0
    by: By = "chance"

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise InputError(f"share={self.share}: must be from 0 to 1")
        if self.by not in ("chance", "degree"):
            raise InputError(f"by={self.by!r}: must be chance or degree")

    def choose(self, rng: np.random.Generator, state: State) -> Int32[np.ndarray, " chosen"]:
        """Return who is chosen, ascending.

        Raises:
            InputError: an agent that is not there, or ties of a population without a graph.
        """
        n = len(state.values)
        eligible = (
            np.arange(n, dtype=np.int32) if self.agents is None else np.unique(self.agents).astype(np.int32)
        )
        if eligible.size and not (eligible[0] >= 0 and eligible[-1] < n):
            raise InputError(f"agents {eligible[0]} to {eligible[-1]}: agents are 0 to {n - 1}")
        if self.holding is not None:
            eligible = eligible[state.values[eligible] == self.holding]
        count = round(self.share * len(eligible))
        if count == len(eligible):
            return eligible
        if self.by == "chance":
            return np.sort(rng.choice(eligible, count, replace=False))
        graph = _graph_of(state.config, "by='degree'")
        return np.sort(eligible[np.argsort(-graph.degree[eligible], kind="stable")[:count]])


@dataclass(frozen=True, eq=False)
class Put:
    """Puts agents into a compartment or at an opinion, as a vaccination or a conversion does.

    Attributes:
        days: on which, from 1.
        value: the compartment's number, or the opinion.
        target: on whom.
    """

    days: Sequence[int]
    value: float
    target: Target = Target()


@dataclass(frozen=True, eq=False)
class Persuade:
    """Moves opinions part of the way to a message: x ← x + strength·(towards - x).

    Attributes:
        days: on which, from 1.
        towards: opinion of the message.
        strength: share of the way, in [0, 1].
        target: who hears it.
    """

    days: Sequence[int]
    towards: float
    strength: float
    target: Target = Target()

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise InputError(f"strength={self.strength}: must be from 0 to 1")


@dataclass(frozen=True, eq=False)
class Isolate:
    """Cuts all ties of agents from a day on, as a quarantine or a ban does.

    Attributes:
        days: on which, from 1.
        target: whose; their compartments cannot be asked for, because they change and ties stay cut.
    """

    days: Sequence[int]
    target: Target = Target()

    def __post_init__(self) -> None:
        if self.target.holding is not None:
            raise InputError("holding: isolate agents by name, share or degree")


@dataclass(frozen=True, eq=False)
class Change:
    """Changes a setting of the dynamics from a day on.

    Attributes:
        days: on which, from 1.
        setting: name of a field of the config.
        value: what it becomes.
    """

    days: Sequence[int]
    setting: str
    value: Any


Intervention: TypeAlias = Put | Persuade | Isolate | Change


def check(interventions: Iterable[Intervention], days: int, config: Any) -> None:
    """Check that interventions fit a run.

    Raises:
        InputError: a day outside the run, a setting or a compartment the config lacks, or ties where all are well
            mixed.
    """
    rules = getattr(config, "rules", None)
    for number, what in enumerate(interventions):
        for day in what.days:
            if not 1 <= day <= days:
                raise InputError(f"intervention {number}: day {day} is not in 1..{days}")
        if isinstance(what, Change):
            changed(config, **{what.setting: what.value})
        elif isinstance(what, Isolate):
            _graph_of(config, "Isolate")
        elif what.target.by == "degree":
            _graph_of(config, "by='degree'")
        if rules is not None and isinstance(what, Put | Persuade) and what.target.holding is not None:
            _check_compartment("holding", what.target.holding, len(rules.names))
        if rules is not None and isinstance(what, Put):
            _check_compartment("value", what.value, len(rules.names))


def _check_compartment(name: str, number: float, kinds: int) -> None:
    if number != int(number) or not 0 <= number < kinds:
        raise InputError(f"{name}={number}: agents hold the numbers of compartments 0 to {kinds - 1}")


def _graph_of(config: Any, what: str) -> Graph:
    graph = getattr(config, "graph", None)
    if not isinstance(graph, Graph):
        raise InputError(f"{what}: needs a graph; well mixed, nobody has ties")
    return graph


def apply(what: Intervention, rng: np.random.Generator, state: State) -> State:
    """Return the state, with its config, after an intervention.

    Raises:
        InputError: it does not fit what agents hold.
    """
    match what:
        case Change(setting=setting, value=value):
            return state._replace(config=changed(state.config, **{setting: value}))
        case Isolate(target=target):
            graph = _graph_of(state.config, "Isolate")
            alone = np.zeros(graph.n, dtype=np.bool_)
            alone[target.choose(rng, state)] = True
            return state._replace(config=changed(state.config, graph=without_ties(graph, alone)))
        case Put(value=value, target=target):
            values = state.values.copy()
            values[target.choose(rng, state)] = _fitting(value, state)
            return state._replace(values=values)
        case Persuade(towards=towards, strength=strength, target=target):
            if state.values.dtype != np.float32:
                raise InputError("Persuade: moves opinions; put agents into compartments with Put")
            values = state.values.copy()
            chosen = target.choose(rng, state)
            values[chosen] += np.float32(strength) * (np.float32(towards) - values[chosen])
            return state._replace(values=values)


def lasting(what: Intervention) -> bool:
    """Return whether an intervention changes how the dynamics is set, rather than what agents hold."""
    return isinstance(what, Change | Isolate)


def without_ties(graph: Graph, alone: Bool[np.ndarray, " n"]) -> Graph:
    """Return a graph without the ties from or to some nodes."""
    sources = np.repeat(np.arange(graph.n, dtype=np.int32), graph.degree)
    kept = ~(alone[sources] | alone[graph.targets])
    offsets = np.zeros(graph.n + 1, dtype=np.int64)
    np.cumsum(np.bincount(sources[kept], minlength=graph.n), out=offsets[1:])
    weights = None if graph.weights is None else graph.weights[kept]
    return Graph.trusted(offsets, graph.targets[kept], weights, directed=graph.directed)


def _fitting(value: float, state: State) -> Any:
    kind = state.values.dtype
    rules = getattr(state.config, "rules", None)
    if kind == np.uint8:
        _check_compartment("value", value, 256 if rules is None else len(rules.names))
    return kind.type(value)

"""The embedded world: hidden types of behaviour on a graph that does not show them, and a shift of regime.

Agents of a type multiply their exposure by the type's factor. The contact rate has a weekly rhythm that no mechanistic
prior knows of, and changes on one day. The true probability of every move is kept, so that its score is the floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.clusters.compartments import Compartments
from doxa.society.clusters.realisation import contacts_of, draw
from doxa.society.generators import stochastic_block
from doxa.society.graph import Graph
from doxa.streams import stream


@dataclass(frozen=True)
class WorldPlan:
    """What a world is made of.

    Attributes:
        compartments: states and transitions.
        rates: true value of each transition: β per day where it is driven, else the probability per day.
        factors: exposure of each type, relative to β.
        agents_per_type: agents of a type.
        blocks: blocks of the graph; every block holds all types alike.
        links: mean number of links of an agent.
        inside: share of links that stay within a block.
        days: days, transitions happen between them.
        rhythm: amplitude of the weekly rhythm of contact, in [0, 1).
        shift_day: day on which contact rates are multiplied by ``shift``.
        shift: that factor.
        start: agents in states other than the first at the beginning, by name.
        imported: hazard of driven transitions without contact.
    """

    compartments: Compartments
    rates: tuple[float, ...]
    factors: tuple[float, ...] = (0.5, 0.9, 1.3, 1.8)
    agents_per_type: int = 150
    blocks: int = 6
    links: float = 12.0
    inside: float = 0.8
    days: int = 84
    rhythm: float = 0.7
    shift_day: int = 60
    shift: float = 0.2 / 0.45
    start: Mapping[str, int] | None = None
    imported: float = 0.002

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.compartments.transitions) or min(self.rates) < 0:
            raise InputError(f"rates={self.rates}: give one >= 0 for {', '.join(self.compartments.names)}")
        if not 0 <= self.rhythm < 1 or self.days < 1 or self.agents_per_type < 1:
            raise InputError(
                f"rhythm={self.rhythm}, days={self.days}, agents_per_type={self.agents_per_type}: "
                "must be in [0, 1), >= 1 and >= 1"
            )

    @property
    def agents(self) -> int:
        """Number of agents."""
        return self.agents_per_type * len(self.factors)


@dataclass(frozen=True, eq=False)
class World:
    """What happened.

    Attributes:
        plan: what it was made of.
        graph: who meets whom.
        types: hidden type of each agent.
        features: what can be seen of the agents; it says little of their type.
        states: state of each agent on each day.
        moves: true probability of each transition of each agent on each day but the last.
    """

    plan: WorldPlan
    graph: Graph
    types: Int[np.ndarray, " agents"]
    features: Float[np.ndarray, "agents features"]
    states: Int[np.ndarray, "days agents"]
    moves: Float[np.ndarray, "steps agents transitions"]


def epidemic_plan(**changes: Any) -> WorldPlan:
    """Return the plan of the embedded epidemic, with some fields changed."""
    plan = WorldPlan(Compartments.seird(), (0.45, 0.25, 0.15, 0.004, 0.05), start={"E": 12, "I": 12})
    return replace(plan, **changes)


def attention_plan(**changes: Any) -> WorldPlan:
    """Return the plan of the embedded life cycle of attention, with some fields changed."""
    plan = WorldPlan(
        Compartments.attention(),
        (0.35, 0.5, 0.12, 0.08),
        factors=(0.5, 1.0, 1.6),
        start={"aware": 60, "engaged": 30},
    )
    return replace(plan, **changes)


def make_world(plan: WorldPlan, seed: int) -> World:
    """Return a world; graph, people and days hang on streams of their own."""
    rng = stream(seed, "cluster world", "people")
    types = rng.permutation(np.repeat(np.arange(len(plan.factors)), plan.agents_per_type))
    graph = block_graph(plan, stream(seed, "cluster world", "graph"))
    # one of six features leans on the type, by a third of its spread from one type to the next
    features = rng.normal(size=(plan.agents, 6))
    features[:, 0] += types / 3.0
    factors = np.array(plan.factors)[types]
    states, moves = simulate(plan, graph, factors, stream(seed, "cluster world", "days"))
    return World(plan, graph, types, features, states, moves)


def block_graph(plan: WorldPlan, rng: np.random.Generator) -> Graph:
    """Return a stochastic block graph; types are dealt to its nodes at random, so that blocks do not show them."""
    sizes = [len(part) for part in np.array_split(np.arange(plan.agents), plan.blocks)]
    within = plan.links * plan.inside / sizes[0]
    between = plan.links * (1 - plan.inside) / max(1, plan.agents - sizes[0])
    densities = np.where(np.eye(plan.blocks, dtype=bool), within, between)
    return stochastic_block(sizes, np.minimum(1.0, densities), rng)


def contact_rate(plan: WorldPlan, day: int) -> float:
    """Return the factor of contact rates on a day: the weekly rhythm, and the shift from its day on."""
    return (1 + plan.rhythm * float(np.sin(2 * np.pi * day / 7))) * (
        plan.shift if day >= plan.shift_day else 1.0
    )


def simulate(
    plan: WorldPlan, graph: Graph | None, factors: Float[np.ndarray, " agents"], rng: np.random.Generator
) -> tuple[Int[np.ndarray, "days agents"], Float[np.ndarray, "steps agents transitions"]]:
    """Return the states of each day, and the true probabilities of the moves between them.

    Without a graph every agent meets all others alike.
    """
    made, n = plan.compartments, len(factors)
    contacts = None if graph is None else contacts_of(graph)
    states = np.zeros((plan.days, n), dtype=np.int64)
    start = plan.start or {}
    order, begun = rng.permutation(n), 0
    for name, count in start.items():
        states[0, order[begun : begun + count]] = made.index(name)
        begun += count
    moves = np.zeros((plan.days - 1, n, len(made.transitions)))
    for day in range(plan.days - 1):
        alone = np.empty_like(moves[0])
        for place, (rate, driver) in enumerate(zip(plan.rates, made.drivers, strict=True)):
            if driver < 0:
                alone[:, place] = rate
            else:
                there = (states[day] == driver).astype(np.float64)
                met = there.mean() if contacts is None else contacts @ there
                hazard = rate * contact_rate(plan, day) * factors * met + plan.imported
                alone[:, place] = -np.expm1(-hazard)
        moves[day] = made.compete(alone)
        states[day + 1] = draw(rng, made, states[day], moves[day])
    return states, moves

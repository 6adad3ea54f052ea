"""The embedded world: hidden types of behaviour on a graph that does not show them, and a shift of regime.

Agents of a type multiply their exposure by the type's factor. The contact rate has a weekly rhythm that no mechanistic
prior knows of, and changes on one day. The true probability of every move is kept, so that its score is the floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.clusters.realisation import contacts_of, draw
from doxa.society.dynamics.base import Turn
from doxa.society.dynamics.compartments import Alone, Compartments, Contact
from doxa.society.dynamics.markov_compartments import MarkovCompartments, MarkovCompartmentsConfig
from doxa.society.generators import stochastic_block
from doxa.society.graph import Graph
from doxa.streams import stream

if TYPE_CHECKING:
    from scipy.sparse import csr_array


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
            raise InputError(f"rates={self.rates}: give one >= 0 for {', '.join(self.compartments.ways)}")
        if not 0 <= self.rhythm < 1 or self.days < 1 or self.agents_per_type < 1:
            raise InputError(
                f"rhythm={self.rhythm}, days={self.days}, agents_per_type={self.agents_per_type}: "
                "must be in [0, 1), >= 1 and >= 1"
            )

    @property
    def rules(self) -> Compartments:
        """What truly happens: the transitions at their true rates, then those without contact of driven ones."""
        ways: list[Alone | Contact] = []
        for way, rate in zip(self.compartments.transitions, self.rates, strict=True):
            probability = -math.expm1(-rate) if isinstance(way, Contact) else rate
            ways.append(way._replace(probability=probability))
        imported = -math.expm1(-self.imported)
        ways += [Alone(way.source, way.target, imported) for way in ways if isinstance(way, Contact)]
        return Compartments(self.compartments.names, tuple(ways))

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
    plan = WorldPlan(
        Compartments.seird(), (0.45, 0.25, 0.15, 0.004, 0.05), start={"exposed": 12, "infected": 12}
    )
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
    states = simulate(plan, graph, factors, stream(seed, "cluster world", "days"))
    steps = np.arange(plan.days - 1)
    moves = true_moves(plan, contacts_of(graph), factors, states[:-1], steps)
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
    plan: WorldPlan, graph: Graph, factors: Float[np.ndarray, " agents"], rng: np.random.Generator
) -> Int[np.ndarray, "days agents"]:
    """Return the states of each day: Markov compartments on links that sum to each day's contact rate."""
    shares = dict[str, float]((name, count / len(factors)) for name, count in (plan.start or {}).items())
    share = (1.0 / np.maximum(1, graph.degree)).repeat(graph.degree)
    config = MarkovCompartmentsConfig(
        graph=graph, rules=plan.rules, begin=shares, susceptibility=factors.astype(np.float32)
    )
    model = MarkovCompartments()
    state = model.init(rng, config)
    states = [state.values]
    for day in range(plan.days - 1):
        weights = (share * contact_rate(plan, day)).astype(np.float32)
        met = Graph.trusted(graph.offsets, graph.targets, weights, directed=True)
        state, _ = model.step(rng, state, Turn(graph=met))
        states.append(state.values)
    return np.stack(states).astype(np.int64)


def true_moves(
    plan: WorldPlan,
    contacts: csr_array,
    factors: Float[np.ndarray, " agents"],
    states: Int[np.ndarray, "*lead agents"],
    days: Int[np.ndarray, "*lead"],
) -> Float[np.ndarray, "*lead agents transitions"]:
    """Return how likely each transition of each agent truly is, were it in the source.

    Args:
        plan: of the world.
        contacts: links between agents, each row divided by its sum.
        factors: of each agent's exposure.
        states: present states.
        days: day of each row of states.
    """
    rates = np.array([contact_rate(plan, int(day)) for day in np.ravel(days)]).reshape(np.shape(days))
    met = np.zeros((*states.shape, len(plan.compartments.names)))
    for driver in np.unique(plan.compartments.drivers[plan.compartments.drivers >= 0]):
        there = (states == driver).astype(np.float64)
        met[..., driver] = (contacts @ there.reshape(-1, states.shape[-1]).T).T.reshape(states.shape)
    found = plan.rules.chances(met * factors[:, None] * rates[..., None, None])
    many = len(plan.compartments.transitions)
    moves = found[..., :many].copy()
    moves[..., plan.compartments.drivers >= 0] += found[..., many:]
    return moves


def true_staying(
    world: World, origin: int, horizon: int, rng: np.random.Generator, paths: int
) -> Float[np.ndarray, "agents points"]:
    """Return the true probability that each agent is still in its first state after 0, 1, ... days from an origin."""
    plan, contacts = world.plan, contacts_of(world.graph)
    factors = np.array(plan.factors)[world.types]
    first = world.states[origin]
    start = plan.compartments.sources[None, :] == first[:, None]
    now, staying = np.repeat(first[None, :], paths, axis=0), np.ones((paths, len(first), horizon + 1))
    for step in range(horizon):
        moves = true_moves(plan, contacts, factors, now, np.full(paths, origin + step))
        staying[..., step + 1] = staying[..., step] * (1.0 - np.where(start, moves, 0.0).sum(axis=-1))
        now = draw(rng, plan.compartments, now, moves)
    return staying.mean(axis=0)

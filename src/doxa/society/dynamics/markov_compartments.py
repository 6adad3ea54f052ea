"""Markov compartments: any list of compartments, with ways taken alone and ways taken by contact.

See ``doxa.society.dynamics.compartments`` for how probabilities combine. All agents change at once unless a turn says
otherwise; SIS, SIR and SEIRD are settings of this dynamics.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from doxa.dynamics import Example, dynamics
from doxa.errors import InputError
from doxa.society.dynamics.base import (
    Info,
    State,
    Turn,
    WellMixed,
    advance,
    all_moves,
    checked_codes,
    need,
    rows_of,
)
from doxa.society.dynamics.compartment_kernels import change_compartments
from doxa.society.dynamics.compartments import Alone, Compartments, Contact, check_shares, shares_to_codes
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.graph import Graph
from doxa.society.randomness import key_from


@dataclass(frozen=True, eq=False, kw_only=True)
class Spread:
    """What every dynamics of compartments is set to.

    Attributes:
        graph: row i lists from whom i may catch something; a weight counts as so many contacts, >= 0.
        begin: shares of agents in each compartment at first, drawn at random; the rest is in the first.
        start: compartments at first, (n,) uint8, instead.
        susceptibility: factor on each agent's hazards of contacts, (n,) float32 >= 0, or None for 1.
    """

    graph: Graph | WellMixed
    begin: dict[str, float] = field(default_factory=dict[str, float])
    start: UInt8[np.ndarray, " n"] | None = None
    susceptibility: Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        weights = self.graph.weights if isinstance(self.graph, Graph) else None
        if weights is not None and len(weights):
            need(weights=(float(weights.min()), 0.0, np.inf))
        if self.susceptibility is not None:
            given = self.susceptibility
            if given.dtype != np.float32 or given.shape != (self.graph.n,) or not (given >= 0.0).all():
                raise InputError(f"susceptibility: must be {self.graph.n} float32 >= 0")
        check_shares(rules_of(self), self.begin)


@dataclass(frozen=True, eq=False, kw_only=True)
class MarkovCompartmentsConfig(Spread):
    """As ``Spread``, with any rules.

    Attributes:
        rules: compartments and transitions.
    """

    rules: Compartments


@dynamics.register("markov-compartments")
class MarkovCompartments:
    """Agents change compartments alone and by contact."""

    by_rows = True

    def init(self, rng: np.random.Generator, config: Spread) -> State:
        """Return who is in which compartment before any step.

        Raises:
            InputError: ``start`` is not one known compartment for each agent.
        """
        rules, n = rules_of(config), config.graph.n
        if config.start is None:
            return State(config, shares_to_codes(rng, n, rules, config.begin))
        return State(config, checked_codes(n, len(rules.names), config.start))

    def step(self, rng: np.random.Generator, state: State, event: Turn) -> tuple[State, Info]:
        """Return who is in which compartment after one step, and how many went where.

        Raises:
            InputError: an agent or a graph that does not fit the population.
        """
        rows, key = rows_of(state, event, who="compartments"), key_from(rng)
        hazards, susceptibility = rules_of(state.config).hazards, state.config.susceptibility
        after, count, moves = advance(
            lambda new, old, agents, begin, end: change_compartments(
                new, old, agents, event.draws, *rows, *hazards, susceptibility, key, begin, end
            ),
            state,
            event,
        )
        return after, Info(count, all_moves(moves))

    def labels(self, config: Spread) -> tuple[str, ...]:
        """Return the names of the compartments."""
        return rules_of(config).names

    def example(self) -> Example:
        """Return three agents in a ring who hear a rumour, pass it on and tire of it."""
        rules = Compartments(
            ("unaware", "telling", "tired"),
            (
                Contact("unaware", "telling", "telling", 0.5),
                Contact("telling", "tired", "tired", 0.3),
                Alone("telling", "tired", 0.2),
                Alone("tired", "unaware", 0.1),
            ),
        )
        config = MarkovCompartmentsConfig(graph=ring_of_three(), rules=rules, begin={"telling": 0.34})
        return Example(config, turns_for_three())


def rules_of(config: Spread) -> Compartments:
    """Return the compartments of a config."""
    rules = getattr(config, "rules", None)
    if not isinstance(rules, Compartments):
        raise InputError(
            f"{type(config).__name__}: says no rules; use MarkovCompartmentsConfig, or one with rules"
        )
    return rules


def turns_for_three() -> list[Turn]:
    """Return a turn of every kind for three agents."""
    return [
        Turn(),
        Turn(np.array([2, 0], np.int32), in_turn=True),
        Turn(np.array([1], np.int32)),
        Turn(graph=Graph.from_edges(3, np.array([0, 1, 2]), np.array([1, 2, 0]), directed=True)),
    ]

"""Schedules: who acts in a step, in which order, and whom each meets.

Three choices that do not hang on each other: the order, random contacts in place of the graph, and a clock that lets
only some act. What a schedule chose is in the turn, where it can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int32

from doxa.errors import InputError
from doxa.society.chunks import in_chunks
from doxa.society.dynamics.base import Turn
from doxa.society.graph import Graph
from doxa.society.randomness import key_from
from doxa.society.schedule_kernels import active, draw_contacts, shuffled

Order = Literal["usual", "together", "shuffled", "fixed"]
ORDERS = ("usual", "together", "shuffled", "fixed")


@dataclass(frozen=True, eq=False)
class Schedule:
    """How a step goes.

    Attributes:
        order: ``usual`` for the dynamics; ``together``, all at once on what was before; ``shuffled``, in turn and in
            random order, each seeing what came before it; ``fixed``, in turn in the order given.
        fixed: agents in the order in which they act, for ``fixed``; one may stand in it more than once.
        contacts: so many distinct others, drawn anew for each agent in each step, instead of the graph.
        activity: probability that an agent acts in a step, one for all or one for each (n,) float32.
    """

    order: Order = "usual"
    fixed: Int32[np.ndarray, " acting"] | None = None
    contacts: int | None = None
    activity: float | Float32[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InputError(f"order={self.order!r}: must be one of {', '.join(ORDERS)}")
        if (self.order == "fixed") != (self.fixed is not None):
            raise InputError("fixed: give the agents in their order with order='fixed', and only then")
        if self.contacts is not None and self.contacts < 1:
            raise InputError(f"contacts={self.contacts}: must be at least 1")
        if self.activity is not None:
            rates = np.asarray(self.activity)
            if rates.size == 0 or float(rates.min()) < 0.0 or float(rates.max()) > 1.0:
                raise InputError("activity: must be probabilities from 0 to 1")

    def check(self, n: int) -> None:
        """Raise InputError if there are not as many others as each is to meet, of n agents."""
        if self.contacts is not None and self.contacts >= n:
            raise InputError(
                f"contacts={self.contacts}: must be from 1 to {n - 1}, as many as there are others"
            )

    def turn(self, rng: np.random.Generator, n: int) -> Turn:
        """Return what the next step is told.

        Args:
            rng: the step's stream of the schedule.
            n: number of agents.

        Raises:
            InputError: there are not so many agents.
        """
        graph = None if self.contacts is None else random_contacts(rng, n, self.contacts)
        agents = self.fixed
        in_turn = {"usual": None, "together": False, "shuffled": True, "fixed": True}[self.order]
        if self.order == "shuffled":
            agents = shuffled(n, key_from(rng))
        if self.activity is not None:
            agents = _those_active(rng, n, np.atleast_1d(np.asarray(self.activity, np.float32)), agents)
        return Turn(agents, in_turn, graph)


def random_contacts(rng: np.random.Generator, n: int, contacts: int) -> Graph:
    """Return a graph whose rows are so many distinct others each, every set equally likely; not symmetric.

    Raises:
        InputError: there are not so many others.
    """
    Schedule(contacts=contacts).check(n)
    key = key_from(rng)
    rows = np.empty(n * contacts, dtype=np.int32)
    in_chunks(lambda begin, end: draw_contacts(rows, n, contacts, key, begin, end), n)
    return Graph.trusted(np.arange(n + 1, dtype=np.int64) * contacts, rows, directed=True)


def _those_active(
    rng: np.random.Generator,
    n: int,
    rates: Float32[np.ndarray, " r"],
    agents: Int32[np.ndarray, " acting"] | None,
) -> Int32[np.ndarray, " left"]:
    if len(rates) not in (1, n):
        raise InputError(f"activity: {len(rates)} rates for {n} agents; give one for each, or one for all")
    acting = active(rates, n, key_from(rng))
    if agents is None:
        return acting
    awake = np.zeros(n, dtype=np.bool_)
    awake[acting] = True
    return agents[awake[agents]]

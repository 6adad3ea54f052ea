"""SIS: the infected infect those who listen to them, and recover to be susceptible again.

Well mixed with c contacts a step and small probabilities, the share y of infected follows
dy/dt = c·β·y·(1 - y) - γ·y: it dies out where c·β <= γ, else it settles at 1 - γ/(c·β).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.compartments import Alone, Compartments, Contact
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.dynamics.markov_compartments import MarkovCompartments, Spread, turns_for_three

NAMES = ("susceptible", "infected")


@dataclass(frozen=True, eq=False, kw_only=True)
class SisConfig(Spread):
    """As ``Spread``, with the two probabilities.

    Attributes:
        infection: β, probability that a contact with an infected infects, in [0, 1].
        recovery: γ, probability to recover in a step, in [0, 1].
    """

    infection: float
    recovery: float

    @cached_property
    def rules(self) -> Compartments:
        """Compartments and transitions."""
        ways = (
            Contact("susceptible", "infected", "infected", self.infection),
            Alone("infected", "susceptible", self.recovery),
        )
        return Compartments(NAMES, ways)


@dynamics.register("sis")
class Sis(MarkovCompartments):
    """Susceptible, infected, susceptible again."""

    def example(self) -> Example:
        """Return three agents in a ring, one of them infected."""
        config = SisConfig(graph=ring_of_three(), infection=0.4, recovery=0.2, begin={"infected": 0.34})
        return Example(config, turns_for_three())

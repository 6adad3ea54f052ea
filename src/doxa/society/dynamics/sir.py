"""SIR (Kermack and McKendrick 1927): the infected infect those who listen to them, and are then immune.

Well mixed with c contacts a step and small probabilities, R0 = c·β/γ, and the share z that was ever infected, from few
at first, solves z = 1 - exp(-R0·z).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.compartments import Alone, Compartments, Contact
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.dynamics.markov_compartments import MarkovCompartments, Spread, turns_for_three

NAMES = ("susceptible", "infected", "recovered")


@dataclass(frozen=True, eq=False, kw_only=True)
class SirConfig(Spread):
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
            Alone("infected", "recovered", self.recovery),
        )
        return Compartments(NAMES, ways)


@dynamics.register("sir")
class Sir(MarkovCompartments):
    """Susceptible, infected, recovered."""

    def example(self) -> Example:
        """Return three agents in a ring, one of them infected."""
        config = SirConfig(graph=ring_of_three(), infection=0.4, recovery=0.2, begin={"infected": 0.34})
        return Example(config, turns_for_three())

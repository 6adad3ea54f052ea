"""SEIRD: a time between being infected and infecting, and an end by recovery or death.

The exposed become infected alone; the infected recover or die, whose hazards add up. With ``waning`` above 0 the
recovered become susceptible again (SEIRSD).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from doxa.dynamics import Example, dynamics
from doxa.society.dynamics.compartments import Compartments
from doxa.society.dynamics.degroot import ring_of_three
from doxa.society.dynamics.markov_compartments import MarkovCompartments, Spread, turns_for_three


@dataclass(frozen=True, eq=False, kw_only=True)
class SeirdConfig(Spread):
    """As ``Spread``, with the probabilities, each in [0, 1].

    Attributes:
        infection: that a contact with an infected infects.
        incubation: that an exposed becomes infected in a step.
        recovery: that an infected recovers in a step, death aside.
        death: that an infected dies in a step, recovery aside.
        waning: that a recovered becomes susceptible in a step.
    """

    infection: float
    incubation: float
    recovery: float
    death: float
    waning: float = 0.0

    @cached_property
    def rules(self) -> Compartments:
        """Compartments and transitions."""
        return Compartments.seird(self.infection, self.incubation, self.recovery, self.death, self.waning)


@dynamics.register("seird")
class Seird(MarkovCompartments):
    """Susceptible, exposed, infected, recovered or dead."""

    def example(self) -> Example:
        """Return three agents in a ring, one of them infected."""
        config = SeirdConfig(
            graph=ring_of_three(),
            infection=0.4,
            incubation=0.5,
            recovery=0.2,
            death=0.1,
            begin={"infected": 0.34},
        )
        return Example(config, turns_for_three())

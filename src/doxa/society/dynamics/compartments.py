"""Compartments and the transitions between them, as probabilities per step, and the hazards kernels work with.

A transition of probability p has the hazard h = -ln(1 - p). Hazards of one agent add up: it leaves with probability
1 - exp(-Σh), and where it may go to several places it goes to each in proportion to its hazard. With one transition
by contact this is 1 - (1 - p)^k for k contacts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from doxa.errors import InputError, did_you_mean

CERTAIN = 50.0
"""The hazard of what is certain: 1 - exp(-50) is 1 to the last of 64 bits."""


class Alone(NamedTuple):
    """An agent in ``source`` goes to ``target`` with a probability in each step."""

    source: str
    target: str
    probability: float


class Contact(NamedTuple):
    """An agent in ``source`` goes to ``target`` with a probability at each contact with one in ``via``."""

    source: str
    target: str
    via: str
    probability: float


class Hazards(NamedTuple):
    """What ``change_compartments`` takes; see there."""

    alone: Float64[np.ndarray, "k k"]
    meeting: Float64[np.ndarray, "k k k"]
    leave: Float64[np.ndarray, " k"]
    exposure: Float64[np.ndarray, "k k"]
    catches: Bool[np.ndarray, " k"]


@dataclass(frozen=True)
class Compartments:
    """A list of compartments and the ways between them.

    Attributes:
        names: of the compartments, 2 to 256, each once; agents hold the place in this list.
        transitions: at most one of a kind between the same compartments.

    Raises:
        InputError: a name is unknown or given twice, a probability is outside [0, 1], or a way leads nowhere new.
    """

    names: tuple[str, ...]
    transitions: tuple[Alone | Contact, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.names) <= 256 or len(set(self.names)) != len(self.names):
            raise InputError(f"names={self.names}: give 2 to 256 compartments, each once")
        ways: set[tuple[str, ...]] = set()
        for way in self.transitions:
            for name in way[:-1]:
                if name not in self.names:
                    raise InputError(f"{way}: no compartment '{name}'; {did_you_mean(str(name), self.names)}")
            if way.source == way.target:
                raise InputError(f"{way}: leads from {way.source} to itself; leave it out")
            if not 0.0 <= way.probability <= 1.0:
                raise InputError(f"{way}: probability={way.probability} must be from 0 to 1")
            if way[:-1] in ways:
                raise InputError(f"{way}: stands there twice; give one with both probabilities together")
            ways.add(way[:-1])

    def code(self, name: str) -> int:
        """Return the number agents in a compartment hold.

        Raises:
            InputError: there is no such compartment.
        """
        if name not in self.names:
            raise InputError(f"no compartment '{name}'; {did_you_mean(name, self.names)}")
        return self.names.index(name)

    @property
    def hazards(self) -> Hazards:
        """The hazards of all transitions."""
        return _hazards(self)


@cache
def _hazards(compartments: Compartments) -> Hazards:
    kinds = len(compartments.names)
    alone, meeting = np.zeros((kinds, kinds)), np.zeros((kinds, kinds, kinds))
    for way in compartments.transitions:
        source, target = compartments.code(way.source), compartments.code(way.target)
        if isinstance(way, Contact):
            meeting[source, compartments.code(way.via), target] = hazard(way.probability)
        else:
            alone[source, target] = hazard(way.probability)
    exposure = meeting.sum(2)
    return Hazards(alone, meeting, alone.sum(1), exposure, exposure.any(1))


def hazard(probability: float) -> float:
    """Return -ln(1 - probability), at most ``CERTAIN``."""
    return CERTAIN if probability >= 1.0 else min(CERTAIN, -math.log1p(-probability))


def check_shares(compartments: Compartments, shares: dict[str, float]) -> None:
    """Raise InputError if a share has an unknown name, or shares are negative or over 1 in all."""
    if any(share < 0.0 for share in shares.values()) or sum(shares.values()) > 1.0 + 1e-9:
        raise InputError(f"begin={shares}: shares must be >= 0 and at most 1 in all")
    for name in shares:
        compartments.code(name)


def shares_to_codes(
    rng: np.random.Generator, n: int, compartments: Compartments, shares: dict[str, float]
) -> UInt8[np.ndarray, " n"]:
    """Return compartments of agents, as many in each as its share says, drawn at random; the rest in the first."""
    codes = np.zeros(n, dtype=np.uint8)
    order, place = rng.permutation(n), 0
    for name, share in shares.items():
        count = min(round(share * n), n - place)
        codes[order[place : place + count]] = compartments.code(name)
        place += count
    return codes

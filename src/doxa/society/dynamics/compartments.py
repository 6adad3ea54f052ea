"""Compartments and the transitions between them, as probabilities per step, and the hazards kernels work with.

A transition of probability p has the hazard h = -ln(1 - p). Hazards of one agent add up: it leaves with probability
1 - exp(-Σh), and where it may go to several places it goes to each in proportion to its hazard. With one transition
by contact this is 1 - (1 - p)^k for k contacts. Of ties whose weights sum to 1 an agent has as many contacts in a
compartment as its share among them, so that the hazard is h·share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, UInt8

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

    @classmethod
    def seird(
        cls,
        infection: float = 0.26,
        incubation: float = 0.3,
        recovery: float = 0.12,
        death: float = 0.01,
        waning: float = 0.03,
    ) -> Compartments:
        """Return susceptible, exposed, infected, recovered (who may become susceptible again) and dead."""
        return cls(
            ("susceptible", "exposed", "infected", "recovered", "dead"),
            (
                Contact("susceptible", "exposed", "infected", infection),
                Alone("exposed", "infected", incubation),
                Alone("infected", "recovered", recovery),
                Alone("infected", "dead", death),
                Alone("recovered", "susceptible", waning),
            ),
        )

    @classmethod
    def market(cls, herding: float = 0.18) -> Compartments:
        """Return market sentiment: traders follow the linked traders who already think so."""
        steps = (
            ("bearish", "neutral"),
            ("neutral", "bearish"),
            ("neutral", "bullish"),
            ("bullish", "neutral"),
        )
        return cls(
            ("bearish", "neutral", "bullish"),
            tuple(Contact(source, target, target, herding) for source, target in steps),
        )

    @classmethod
    def attention(cls) -> Compartments:
        """Return the life cycle of attention: engaged contacts make aware, aware ones engage, tire, and are aware."""
        return cls(
            ("unaware", "aware", "engaged", "fatigued"),
            (
                Contact("unaware", "aware", "engaged", 0.26),
                Contact("aware", "engaged", "engaged", 0.33),
                Alone("engaged", "fatigued", 0.1),
                Alone("fatigued", "aware", 0.1),
            ),
        )

    @property
    def hazards(self) -> Hazards:
        """The hazards of all transitions."""
        return _hazards(self)

    @cached_property
    def ways(self) -> tuple[str, ...]:
        """Source and target of each transition, such as ``exposed→infected``."""
        return tuple(f"{way.source}→{way.target}" for way in self.transitions)

    @cached_property
    def sources(self) -> Int[np.ndarray, " transitions"]:
        """Place of the compartment each transition leaves."""
        return np.array([self.code(way.source) for way in self.transitions])

    @cached_property
    def targets(self) -> Int[np.ndarray, " transitions"]:
        """Place of the compartment each transition enters."""
        return np.array([self.code(way.target) for way in self.transitions])

    @cached_property
    def drivers(self) -> Int[np.ndarray, " transitions"]:
        """Place of the compartment by contact with which each transition happens, -1 where it happens alone."""
        return np.array([self.code(way.via) if isinstance(way, Contact) else -1 for way in self.transitions])

    @cached_property
    def rates(self) -> Float[np.ndarray, " transitions"]:
        """Hazard of each transition, by one contact where it needs one."""
        return np.array([hazard(way.probability) for way in self.transitions])

    @cached_property
    def absorbing(self) -> Bool[np.ndarray, " k"]:
        """Which compartments no transition leaves."""
        return ~np.isin(np.arange(len(self.names)), self.sources)

    def chances(self, met: Float[np.ndarray, "*shape k"]) -> Float[np.ndarray, "*shape transitions"]:
        """Return how likely each transition is in a step for whoever is in its source: what kernels draw from.

        Args:
            met: contacts with somebody in each compartment, weights and susceptibility counted.
        """
        by_contact = self.rates * met[..., np.maximum(self.drivers, 0)]
        return self._shared(np.where(self.drivers >= 0, by_contact, self.rates))

    def compete(
        self, alone: Float[np.ndarray, "*shape transitions"]
    ) -> Float[np.ndarray, "*shape transitions"]:
        """Return how often each transition happens, given how often it would if it were the only one.

        Args:
            alone: probability per step of each transition by itself, in [0, 1).

        Returns:
            Probabilities whose sum over the transitions out of a compartment is 1 - exp(-Σh).
        """
        return self._shared(-np.log1p(-np.minimum(alone, 1.0 - 1e-12)))

    def _shared(self, hazards: np.ndarray) -> np.ndarray:
        total = hazards @ (self.sources[:, None] == self.sources[None, :]).astype(np.float64)
        return np.where(total > 0, -np.expm1(-total) * hazards / np.where(total > 0, total, 1.0), 0.0)

    def table(
        self, codes: Int[np.ndarray, " agents"], moves: Float[np.ndarray, "agents transitions"]
    ) -> Float[np.ndarray, "agents k"]:
        """Return the distribution of each agent's next compartment.

        Args:
            codes: present compartments.
            moves: probability of each transition for an agent in its source; others are left out.
        """
        out = np.zeros((len(codes), len(self.names)))
        at_risk = codes[:, None] == self.sources[None, :]
        for place, target in enumerate(self.targets):
            out[:, target] += np.where(at_risk[:, place], moves[:, place], 0.0)
        total = out.sum(axis=1)
        out /= np.maximum(1.0, total)[:, None]
        out[np.arange(len(codes)), codes] += np.maximum(0.0, 1.0 - total)
        return out

    def moved(
        self, before: Int[np.ndarray, "*shape"], after: Int[np.ndarray, "*shape"]
    ) -> Int[np.ndarray, "*shape"]:
        """Return which transition each agent made, -1 where it stayed.

        Raises:
            InputError: a code is outside the list, an agent made a step that is no transition, or two transitions
                have the same ends, so that a step does not say which it was.
        """
        if len(set(self.ways)) < len(self.ways):
            raise InputError(
                f"transitions={self.ways}: two have the same ends; what is seen cannot tell them apart"
            )
        for codes in (before, after):
            outside = (codes < 0) | (codes >= len(self.names))
            if np.any(outside):
                raise InputError(
                    f"state {int(codes[outside].ravel()[0])}: must be the place of one of {', '.join(self.names)}"
                )
        which = np.full((len(self.names),) * 2, -2, dtype=np.int64)
        np.fill_diagonal(which, -1)
        which[self.sources, self.targets] = np.arange(len(self.transitions))
        moved = which[before, after]
        if np.any(moved == -2):
            first = tuple(np.argwhere(moved == -2)[0])
            source, target = self.names[before[first]], self.names[after[first]]
            reason = "is absorbing" if self.absorbing[before[first]] else f"has no transition to {target}"
            raise InputError(f"{source}→{target} at {tuple(int(i) for i in first)}: {source} {reason}")
        return moved


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


def per_step(probability: float, steps: int) -> float:
    """Return 1 - (1 - P)^(1/d), the probability per step of what happens with probability P within d steps.

    Raises:
        InputError: the probability is outside [0, 1), or steps < 1.

    >>> round(per_step(0.2, 7), 6)
    0.031375
    """
    if not 0.0 <= probability < 1.0 or steps < 1:
        raise InputError(f"probability={probability}, steps={steps}: must be in [0, 1) and >= 1")
    return -math.expm1(math.log1p(-probability) / steps)


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

"""Compartments: the states an agent can be in, and the transitions it may make in a step.

A transition happens of itself with a probability per step, or is driven by contact: its hazard is β·x, where x is the
share of the driving state among an agent's contacts. Several transitions out of one state compete: with the hazards
h = -ln(1 - p) of each alone, any of them happens with 1 - exp(-Σh), and it is the one with h / Σh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Transition:
    """One way out of a state.

    Attributes:
        source: the state it leaves.
        target: the state it enters.
        prior: what a mechanistic model expects before any data: the rate β per step at a share of 1 where it is driven,
            else the probability per step in (0, 1).
        driver: the state among contacts that drives it; empty where it happens of itself.
    """

    source: str
    target: str
    prior: float
    driver: str = ""

    @property
    def name(self) -> str:
        """Source and target, such as ``S→E``."""
        return f"{self.source}→{self.target}"


@dataclass(frozen=True)
class Compartments:
    """States and transitions.

    Attributes:
        states: names, each once.
        transitions: at most one for each pair of states.

    Raises:
        InputError: a name is unknown or comes twice, or a prior is out of range.
    """

    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict[str, int])

    def __post_init__(self) -> None:
        self._index.update({name: place for place, name in enumerate(self.states)})
        if len(self._index) != len(self.states) or not self.states:
            raise InputError(f"states={self.states}: name at least one, each once")
        names = [one.name for one in self.transitions]
        if len(set(names)) != len(names) or not names:
            raise InputError(f"transitions={names}: give at least one, each pair of states once")
        for one in self.transitions:
            for state in (one.source, one.target, *([one.driver] if one.driver else [])):
                if state not in self._index:
                    raise InputError(f"transition {one.name}: {did_you_mean(state, self.states)}")
            if one.source == one.target:
                raise InputError(f"transition {one.name}: an agent that stays makes no transition")
            if not (one.prior > 0 and (one.driver or one.prior < 1)):
                raise InputError(
                    f"transition {one.name}: prior={one.prior} must be > 0, and < 1 where it has no driver"
                )

    @classmethod
    def seird(cls) -> Compartments:
        """Return susceptible, exposed, infectious, recovered (who become susceptible again) and dead."""
        return cls(
            ("S", "E", "I", "R", "D"),
            (
                Transition("S", "E", 0.3, "I"),
                Transition("E", "I", 0.3),
                Transition("I", "R", 0.12),
                Transition("I", "D", 0.01),
                Transition("R", "S", 0.03),
            ),
        )

    @classmethod
    def market(cls) -> Compartments:
        """Return market sentiment: traders follow the linked traders who already think so."""
        return cls(
            ("bearish", "neutral", "bullish"),
            (
                Transition("bearish", "neutral", 0.2, "neutral"),
                Transition("neutral", "bearish", 0.2, "bearish"),
                Transition("neutral", "bullish", 0.2, "bullish"),
                Transition("bullish", "neutral", 0.2, "neutral"),
            ),
        )

    @classmethod
    def attention(cls) -> Compartments:
        """Return the life cycle of attention: engaged contacts make aware, aware ones engage, tire, and are aware."""
        return cls(
            ("unaware", "aware", "engaged", "fatigued"),
            (
                Transition("unaware", "aware", 0.3, "engaged"),
                Transition("aware", "engaged", 0.4, "engaged"),
                Transition("engaged", "fatigued", 0.1),
                Transition("fatigued", "aware", 0.1),
            ),
        )

    def index(self, state: str) -> int:
        """Return the place of a state.

        Raises:
            InputError: there is no such state.
        """
        if state not in self._index:
            raise InputError(f"state {state!r}: {did_you_mean(state, self.states)}")
        return self._index[state]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the transitions."""
        return tuple(one.name for one in self.transitions)

    @cached_property
    def sources(self) -> Int[np.ndarray, " transitions"]:
        """Place of the state each transition leaves."""
        return np.array([self.index(one.source) for one in self.transitions])

    @cached_property
    def targets(self) -> Int[np.ndarray, " transitions"]:
        """Place of the state each transition enters."""
        return np.array([self.index(one.target) for one in self.transitions])

    @cached_property
    def drivers(self) -> Int[np.ndarray, " transitions"]:
        """Place of the state that drives each transition, -1 where none does."""
        return np.array([self.index(one.driver) if one.driver else -1 for one in self.transitions])

    @cached_property
    def absorbing(self) -> Bool[np.ndarray, " states"]:
        """Which states no transition leaves."""
        return ~np.isin(np.arange(len(self.states)), self.sources)

    @cached_property
    def _rivals(self) -> Float[np.ndarray, "transitions transitions"]:
        return (self.sources[:, None] == self.sources[None, :]).astype(np.float64)

    def compete(
        self, alone: Float[np.ndarray, "*shape transitions"]
    ) -> Float[np.ndarray, "*shape transitions"]:
        """Return how often each transition happens, given how often it would if it were the only one.

        Args:
            alone: probability per step of each transition by itself, in [0, 1).

        Returns:
            Probabilities whose sum over the transitions out of a state is 1 - exp(-Σh).
        """
        hazard = -np.log1p(-np.minimum(alone, 1.0 - 1e-12))
        total = hazard @ self._rivals
        return np.where(total > 0, -np.expm1(-total) * hazard / np.where(total > 0, total, 1.0), 0.0)

    def table(
        self,
        states: Int[np.ndarray, " agents"],
        moves: Float[np.ndarray, "agents transitions"],
    ) -> Float[np.ndarray, "agents states"]:
        """Return the distribution of each agent's next state.

        Args:
            states: present states.
            moves: probability of each transition for an agent in its source state; others are left out.
        """
        out = np.zeros((len(states), len(self.states)))
        at_risk = states[:, None] == self.sources[None, :]
        for place, target in enumerate(self.targets):
            out[:, target] += np.where(at_risk[:, place], moves[:, place], 0.0)
        total = out.sum(axis=1)
        out /= np.maximum(1.0, total)[:, None]
        out[np.arange(len(states)), states] += np.maximum(0.0, 1.0 - total)
        return out

    def moved(self, before: Int[np.ndarray, "*shape"], after: Int[np.ndarray, "*shape"]) -> np.ndarray:
        """Return which transition each agent made, -1 where it stayed.

        Raises:
            InputError: a state is outside the list, or an agent made a step that is no transition.
        """
        for states in (before, after):
            outside = (states < 0) | (states >= len(self.states))
            if np.any(outside):
                raise InputError(
                    f"state {int(states[outside].ravel()[0])}: must be the place of one of {', '.join(self.states)}"
                )
        which = np.full((len(self.states),) * 2, -2, dtype=np.int64)
        np.fill_diagonal(which, -1)
        which[self.sources, self.targets] = np.arange(len(self.transitions))
        moved = which[before, after]
        if np.any(moved == -2):
            first = np.argwhere(moved == -2)[0]
            source, target = self.states[before[tuple(first)]], self.states[after[tuple(first)]]
            reason = (
                "is absorbing" if self.absorbing[self.index(source)] else f"has no transition to {target}"
            )
            raise InputError(f"{source}→{target} at {tuple(int(i) for i in first)}: {source} {reason}")
        return moved


def per_step(probability: float, steps: int) -> float:
    """Return 1 - (1 - P)^(1/d), the probability per step of what happens with probability P within d steps.

    Raises:
        InputError: the probability is outside [0, 1), or steps < 1.

    >>> round(per_step(0.2, 7), 6)
    0.031375
    """
    if not 0.0 <= probability < 1.0 or steps < 1:
        raise InputError(f"probability={probability}, steps={steps}: must be in [0, 1) and >= 1")
    return float(-np.expm1(np.log1p(-probability) / steps))


def check_probabilities(values: np.ndarray, names: Sequence[str], who: str) -> None:
    """Raise InputError unless all are in [0, 1]; the last axis is that of ``names``."""
    bad = ~((values >= 0.0) & (values <= 1.0))
    if np.any(bad):
        place = np.argwhere(bad)[0]
        raise InputError(
            f"{who}: probability {values[tuple(place)]} of {names[int(place[-1])]} must be in [0, 1]"
        )

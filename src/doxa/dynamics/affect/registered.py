"""The rules as registered dynamics: ``init`` takes a rule, ``step`` one turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.dynamics.affect.base import AffectDynamics, Mood
from doxa.dynamics.affect.rules import FirstOrder, SecondOrder, Stateless
from doxa.dynamics.base import Example, dynamics


class Heard(NamedTuple):
    """One turn: what is heard, (d,), and how long it lasts, in turns."""

    signal: Float[np.ndarray, " d"]
    dt: float = 1.0


class AffectState(NamedTuple):
    """A rule and the mood it moves."""

    config: AffectDynamics
    mood: Mood


class Affect:
    """A mood and one turn at a time; nothing is random."""

    def init(self, rng: np.random.Generator, config: AffectDynamics) -> AffectState:
        """Return the mood at the baseline."""
        del rng
        return AffectState(config, config.start())

    def step(self, rng: np.random.Generator, state: AffectState, event: Heard) -> tuple[AffectState, Mood]:
        """Return the mood after a turn, also as info.

        Raises:
            InputError: the signal is no point of the rule's space, or the turn's length is not > 0.
        """
        del rng
        mood = state.config.after(state.mood, event.signal, event.dt)
        return AffectState(state.config, mood), mood

    def example(self) -> Example:
        """Return a stateless mood and turns of it."""
        return Example(Stateless(), _turns())


@dynamics.register("affect-stateless")
class AffectStateless(Affect):
    """The signal itself."""


@dynamics.register("affect-first-order")
class AffectFirstOrder(Affect):
    """Exponential smoothing."""

    def example(self) -> Example:
        """Return a mood that rises faster than it falls, and turns of it, one of half the length."""
        return Example(FirstOrder(tau_up=2.0, tau_down=6.0, baseline=(0.1, 0.2, 0.0)), [*_turns(), _half()])


@dynamics.register("affect-second-order")
class AffectSecondOrder(Affect):
    """Momentum."""

    def example(self) -> Example:
        """Return a mood with momentum, and turns of it, one of half the length."""
        return Example(SecondOrder(0.8), [*_turns(), _half()])


def _turns() -> list[Heard]:
    return [Heard(np.array([-1.0, 1.0, -0.5])), Heard(np.array([0.5, 0.0, 0.25]))]


def _half() -> Heard:
    return Heard(np.array([0.5, 0.5, 0.5]), 0.5)

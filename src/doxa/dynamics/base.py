"""What every dynamics is: a pair ``init`` / ``step`` over a state, with randomness as an argument."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

Config_contra = TypeVar("Config_contra", contravariant=True)
State = TypeVar("State")
Input_contra = TypeVar("Input_contra", contravariant=True)
Info_co = TypeVar("Info_co", covariant=True)


@runtime_checkable
class Dynamics(Protocol[Config_contra, State, Input_contra, Info_co]):
    """Moves a state. States are values: ``step`` returns a new one and leaves the old as it was.

    All randomness comes from ``rng``, so the same generator, state and input give the same result.
    """

    def init(self, rng: np.random.Generator, config: Config_contra) -> State:
        """Return the state before any input."""
        ...

    def step(self, rng: np.random.Generator, state: State, event: Input_contra) -> tuple[State, Info_co]:
        """Return the state after one input, and what there is to know about the step."""
        ...

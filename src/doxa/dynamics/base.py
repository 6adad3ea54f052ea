"""What every dynamics is: a pair ``init`` / ``step`` over a state, with randomness as an argument.

A dynamics is a class without arguments, registered by name in ``dynamics``; what it is set to stands in the config
that ``init`` takes. A package adds its own through the entry-point group ``doxa.dynamics``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from doxa.lab.registry import Registry

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


class Example(NamedTuple):
    """What a dynamics can be tried on: a config for ``init`` and inputs for ``step``, at least one."""

    config: Any
    inputs: Sequence[Any]


@runtime_checkable
class RegisteredDynamics(Dynamics[Any, Any, Any, Any], Protocol):
    """A dynamics that also says what it can be tried on, so that its contract is checked by name alone."""

    def example(self) -> Example:
        """Return a config and inputs of every kind that ``step`` takes."""
        ...


dynamics: Registry[type[RegisteredDynamics]] = Registry("dynamics", "doxa.dynamics")

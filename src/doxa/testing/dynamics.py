"""The contract every dynamics keeps: states are values, and all randomness is the generator's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import getstate
from typing import Any, cast

import numpy as np

from doxa.dynamics import Dynamics, RegisteredDynamics
from doxa.streams import stream
from doxa.testing.expectation import expect, is_a


def check_dynamics(
    dynamics: Dynamics[Any, Any, Any, Any],
    config: Any = None,
    inputs: Sequence[Any] | None = None,
    *,
    seed: int = 0,
) -> None:
    """Check that a dynamics keeps the contract of ``doxa.dynamics.Dynamics``.

    Args:
        dynamics: the pair ``init`` / ``step``.
        config: what ``init`` takes; without ``inputs``, both are those of the dynamics' own ``example``.
        inputs: at least one input for ``step``.
        seed: of the generators it is given.

    Raises:
        AssertionError: it does not; the message says what it did and what the contract asks.
    """
    who = type(dynamics).__name__
    expect(is_a(dynamics, Dynamics), f"{who}: lacks init or step")
    if inputs is None:
        expect(
            is_a(dynamics, RegisteredDynamics),
            f"{who}: say what to try it on: give it config and inputs, or an example",
        )
        config, inputs = cast(RegisteredDynamics, dynamics).example()
    expect(inputs, f"{who}: give at least one input")
    before = (np.random.get_state(), getstate())  # noqa: NPY002 - read to see that nobody drew from it
    first = _run(dynamics, config, inputs, seed)
    after = (np.random.get_state(), getstate())  # noqa: NPY002
    expect(same(before, after), f"{who}: draws from a global generator; draw from the rng it is given")
    expect(
        same(first, _run(dynamics, config, inputs, seed)),
        f"{who}: the same rng and inputs give another result",
    )


def _run(dynamics: Dynamics[Any, Any, Any, Any], config: Any, inputs: Sequence[Any], seed: int) -> list[Any]:
    who = type(dynamics).__name__
    given = copy.deepcopy(config)
    state = dynamics.init(stream(seed, "check", "init"), config)
    expect(same(given, config), f"{who}.init changes the config it is given")
    path = [copy.deepcopy(state)]
    for count, item in enumerate(inputs):
        kept, told = copy.deepcopy(state), copy.deepcopy(item)
        result = dynamics.step(stream(seed, "check", "step", count), state, item)
        expect(is_a(result, tuple) and len(result) == 2, f"{who}.step must return (state, info)")
        expect(same(kept, state), f"{who}.step changes the state it is given; return a new one")
        expect(same(told, item), f"{who}.step changes its input")
        expect(type(result[0]) is type(state), f"{who}.step returns a {type(result[0]).__name__} as state")
        state = result[0]
        path.append(copy.deepcopy(result))
    return path


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal all the way down, arrays byte for byte and NaN equal to itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return a == b or (a != a and b != b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return bool(a == b)

"""What a law is: a name, what is drawn, and whether it holds; and how many examples Hypothesis tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from doxa.streams import stream


class Law(NamedTuple):
    """An identity that must hold for all that is drawn.

    Attributes:
        name: the law in words.
        drawn: strategies of the arguments.
        holds: whether it holds for them; anything but true, or an exception, breaks it.
    """

    name: str
    drawn: dict[str, SearchStrategy[Any]]
    holds: Callable[..., bool]


class Laws:
    """Laws in the order in which they are written down."""

    def __init__(self) -> None:
        self.known: list[Law] = []

    def __call__(self, name: str, **drawn: SearchStrategy[Any]) -> Callable[[Callable[..., Any]], Law]:
        """Return a decorator that makes a function a law."""

        def add(holds: Callable[..., Any]) -> Law:
            self.known.append(Law(name, drawn, holds))
            return self.known[-1]

        return add


def broken(law: Law, examples: int) -> tuple[int, str]:
    """Try a law; return how many examples were tried, and the least that breaks it, or an empty string."""
    tried, last = 0, ""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.fixed_dictionaries(law.drawn))
    def attempt(arguments: dict[str, Any]) -> None:
        nonlocal tried, last
        tried += 1
        last = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) if tried > examples else ""
        if not law.holds(**arguments):
            last = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
            raise AssertionError(law.name)

    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - a law that raises is broken too
        said = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}; "
        return tried, f"{said}{last or 'see above'}"
    return tried, ""


def near(a: Any, b: Any, *, relative: float = 1e-9, absolute: float = 1e-9) -> bool:
    """Whether two numbers or arrays agree."""
    return bool(np.allclose(a, b, rtol=relative, atol=absolute, equal_nan=False))


def real(low: float, high: float) -> SearchStrategy[float]:
    """A finite number."""
    return st.floats(low, high, allow_nan=False, allow_infinity=False, allow_subnormal=False)


def row(low: float, high: float, least: int = 1, most: int = 6) -> SearchStrategy[np.ndarray]:
    """A row of finite numbers on a grid of 65,536, drawn at once: number by number takes ten times as long."""

    def placed(drawn: bytes) -> np.ndarray:
        return low + (high - low) * (np.frombuffer(drawn[: len(drawn) // 2 * 2], dtype=">u2") / 65_535)

    return st.binary(min_size=2 * least, max_size=2 * most).map(placed)


def rows(low: float, high: float, count: int, length: int) -> SearchStrategy[np.ndarray]:
    """So many rows of one length."""
    size = count * length
    return row(low, high, size, size).map(lambda one: one.reshape(count, length))


SEEDS = st.integers(0, 2**32 - 1)
"""Of what is too large to be drawn number by number."""


def rng_of(seed: int) -> np.random.Generator:
    """Return the generator of a drawn seed."""
    return stream(seed, "laws")

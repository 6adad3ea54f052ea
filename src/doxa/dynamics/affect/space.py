"""What a mood is a point of: named dimensions with ends, valence, arousal and dominance by default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.errors import InputError


@dataclass(frozen=True)
class MoodSpace:
    """A box of named dimensions.

    Attributes:
        names: of the dimensions, in their order.
        low, high: ends of each.

    Raises:
        InputError: the three differ in length, or an interval is empty or does not hold 0, which is neutral.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.low) == len(self.high) or not self.names:
            raise InputError(f"space {self.names}: give each dimension a name, a low and a high end")
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not -np.inf < low < high < np.inf or not low <= 0.0 <= high:
                raise InputError(
                    f"space: {name} from {low} to {high} must be finite and hold 0, which is neutral"
                )

    @property
    def size(self) -> int:
        """How many dimensions."""
        return len(self.names)

    def clipped(self, state: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch d"]:
        """Return states with what lies beyond an end moved to it."""
        return np.clip(state, self.low, self.high)

    def checked(self, what: str, values: object, *, steps: bool = False) -> Float[np.ndarray, "*batch d"]:
        """Return values as floats.

        Args:
            what: what they are, for messages.
            values: one number to a dimension along the last axis.
            steps: whether the last axis but one counts turns, so that there must be one.

        Raises:
            InputError: a number is missing, no number, or beyond an end.
        """
        found = np.asarray(values, dtype=np.float64)
        if found.ndim < 1 + steps or found.shape[-1] != self.size:
            asked = f"[{'..., turns, ' if steps else '..., '}{self.size}]"
            raise InputError(f"{what} has shape {found.shape}: must be {asked} for {', '.join(self.names)}")
        for place, (name, low, high) in enumerate(zip(self.names, self.low, self.high, strict=True)):
            one = found[..., place]
            wrong = ~((one >= low) & (one <= high))
            if wrong.any():
                raise InputError(
                    f"{what}: {name}={one[wrong].flat[0]} must be a number from {low:g} to {high:g}; "
                    "bring it to that scale first"
                )
        return found

    def as_json(self) -> dict[str, Json]:
        """Return the space as plain JSON."""
        return {"names": list(self.names), "low": list(self.low), "high": list(self.high)}


VAD = MoodSpace(("valence", "arousal", "dominance"), (-1.0, 0.0, -1.0), (1.0, 1.0, 1.0))
"""Valence and dominance from -1 to 1, arousal from 0 (calm) to 1."""

VALENCE = MoodSpace(("valence",), (-1.0,), (1.0,))
"""Valence alone; also the space of any attitude from against (-1) to for (1)."""

"""A number with its interval."""

from __future__ import annotations

from typing import NamedTuple

from doxa.belief.inference import Interval


class Span(NamedTuple):
    """A number with its interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Interval) -> Span | None:
        """Return an estimate with its interval, None where there is no interval."""
        return None if found.ends is None else cls(found.estimate, found.low, found.high)

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        return (self.low, self.high)

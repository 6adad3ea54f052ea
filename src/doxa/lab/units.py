"""One number for each independent unit (a seed, a topic, an item), and their mean as a finding or a figure's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from doxa.belief.inference import Interval, mean_t_interval
from doxa.lab.record import Finding

SHARE = (0.0, 1.0)
"""What a share can be."""


@dataclass(frozen=True)
class Units:
    """One value for each independent unit.

    Attributes:
        values: by the unit's seed or name; a unit without a value is left out.
    """

    values: Mapping[Any, float]

    def minus(self, other: Units) -> Units:
        """Return the paired differences of the units both have."""
        return self._paired(other, lambda a, b: a - b)

    def over(self, other: Units) -> Units:
        """Return the ratios of the units both have, where the other is not 0."""
        return self._paired(
            Units({name: value for name, value in other.values.items() if value}), lambda a, b: a / b
        )

    def less(self, constant: float) -> Units:
        """Return the values less a constant."""
        return Units({name: value - constant for name, value in self.values.items()})

    def times(self, factor: float) -> Units:
        """Return the values times a number."""
        return Units({name: factor * value for name, value in self.values.items()})

    @property
    def mean(self) -> float:
        """The mean over units, NaN if there are none."""
        return self.interval().estimate

    def interval(self) -> Interval:
        """Return the mean with Student's interval."""
        return mean_t_interval(list(self.values.values()))

    def row(self, *, possible: tuple[float, float] | None = None, **more: Any) -> dict[str, Any]:
        """Return a figure's row: the mean, and its interval where there is one, cut at what a value can be."""
        mean = self.interval()
        low, high = mean.ends or (mean.estimate, mean.estimate)
        if possible:
            low, high = max(low, possible[0]), min(high, possible[1])
        return {"value": mean.estimate, "low": low, "high": high, **more}

    def finding(
        self,
        name: str,
        claim: str,
        *,
        unit: str,
        above: float | None = None,
        below: float | None = None,
        possible: tuple[float, float] | None = None,
        control: bool = False,
        paper: float | None = None,
        note: str = "",
    ) -> Finding:
        """Return the finding that the mean over units lies within bounds.

        Args:
            name: the finding's id.
            claim: the sentence that was fixed before the run.
            unit: of the values.
            above: lower bound, None for none.
            below: upper bound, None for none.
            possible: what a value can be; the interval is cut there.
            control: whether it says that an effect is absent.
            paper: the paper's own number.
            note: small print; the spread of single units follows it.
        """
        mean, ends = self.interval(), self.interval().ends
        if ends and possible:
            ends = (max(possible[0], ends[0]), min(possible[1], ends[1]))
        told = [note]
        if not self.values:
            told = ["not measured in this run", note]
        elif ends is None:
            told = ["one unit has no interval", note]
        else:
            told.append(f"single units {min(self.values.values()):.3g} to {max(self.values.values()):.3g}")
        return Finding.judged(
            name,
            claim,
            mean.estimate,
            ends,
            above=above,
            below=below,
            unit=unit,
            control=control,
            paper=paper,
            n=mean.n,
            note="; ".join(part for part in told if part),
        )

    def within(
        self, name: str, claim: str, tolerance: float, *, unit: str, control: bool = True, note: str = ""
    ) -> Finding:
        """Return the finding that the mean stays within a tolerance of 0."""
        return self.finding(
            name, claim, unit=unit, above=-tolerance, below=tolerance, control=control, note=note
        )

    def _paired(self, other: Units, how: Callable[[float, float], float]) -> Units:
        return Units(
            {
                name: how(value, other.values[name])
                for name, value in self.values.items()
                if name in other.values
            }
        )


def least(parts: list[Units]) -> Units:
    """Return the smallest of some numbers for each unit that has all of them."""
    if not parts:
        return Units({})
    shared = [name for name in parts[0].values if all(name in part.values for part in parts)]
    return Units({name: min(part.values[name] for part in parts) for name in shared})

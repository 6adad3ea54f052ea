"""What a run of a population keeps of each day, as arrays, and how they become rows of the record.

Of compartments: how many are in each and how many went where. Of opinions: of up to ``AGENTS_KEPT`` agents every one,
of more their mean, spread, quantiles and a histogram; a table never holds a row for each of many agents and days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from doxa.lab.record import Recorder
from doxa.society.dynamics.base import Info, State
from doxa.society.history_kernels import count_bars

AGENTS_KEPT = 1_000
"""Up to so many agents, each one's opinion of each day is kept."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 20
"""Bars of a histogram over the range of opinions at first, [0, 1] or wider."""

Arrays: TypeAlias = Mapping[str, np.ndarray]


class History:
    """The days of one run.

    Args:
        labels: names of compartments, or None for opinions.
        days: by name, what was kept, a list over days from 0; empty at first.
        watched: agents whose values are kept in any case.
    """

    def __init__(
        self,
        labels: Sequence[str] | None,
        days: Mapping[str, list[np.ndarray]] | None = None,
        *,
        watched: np.ndarray | None = None,
    ) -> None:
        self._watched = watched
        self.labels = None if labels is None else tuple(labels)
        self._days: dict[str, list[np.ndarray]] = {name: list(kept) for name, kept in (days or {}).items()}

    @classmethod
    def of_arrays(
        cls, labels: Sequence[str] | None, arrays: Arrays, *, watched: np.ndarray | None = None
    ) -> History:
        """Return the history that ``arrays`` once gave."""
        return cls(labels, {name: list(array) for name, array in arrays.items()}, watched=watched)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that is kept: by name, an array whose first axis is the day."""
        return {name: np.stack(kept) for name, kept in self._days.items()}

    def __len__(self) -> int:
        return max((len(kept) for kept in self._days.values()), default=0)

    def add(self, state: State, infos: Sequence[Info] = ()) -> None:
        """Keep one more day.

        Args:
            state: at its end.
            infos: of the steps of the day; none on day 0.
        """
        kept = self._of_day(state, infos)
        if self._watched is not None:
            kept["watched"] = state.values[self._watched]
        for name, array in kept.items():
            self._days.setdefault(name, []).append(array)

    def _of_day(self, state: State, infos: Sequence[Info]) -> dict[str, np.ndarray]:
        if self.labels is not None:
            kinds = len(self.labels)
            moves = np.zeros((kinds, kinds), dtype=np.int64)
            for info in infos:
                if info.moves is not None:
                    moves += info.moves
            return {"counts": np.bincount(state.values, minlength=kinds), "moves": moves}
        values = state.values
        if len(values) <= AGENTS_KEPT:
            return {"opinions": values.copy()}
        edges = self._days["edges"][0] if self._days else _edges(values)
        return {
            "moments": np.array([values.mean(dtype=np.float64), values.std(dtype=np.float64)]),
            "quantiles": np.quantile(values, QUANTILES),
            "bars": count_bars(values, edges),
            "edges": edges,
        }

    @property
    def shares(self) -> np.ndarray:
        """Share of agents in each compartment, (days + 1, k)."""
        counts = np.stack(self._days["counts"])
        return counts / counts.sum(1, keepdims=True)

    @property
    def watched(self) -> np.ndarray:
        """Values of the watched agents, (days + 1, watched)."""
        return np.stack(self._days["watched"])

    def record(
        self, recorder: Recorder, *, subject: str = "population", proposition: str = "opinion"
    ) -> None:
        """Write the days as rows of the record, in their order.

        Args:
            recorder: of the cell.
            subject: whose rows they are; agent i of a small population is ``SUBJECT/i``.
            proposition: what opinions are about.
        """
        for day in range(len(self)):
            if self.labels is not None:
                self._record_compartments(recorder, subject, day)
            elif "opinions" in self._days:
                self._record_opinions(recorder, subject, proposition, day)
            else:
                self._record_summary(recorder, subject, day)

    def _record_compartments(self, recorder: Recorder, subject: str, day: int) -> None:
        labels = self.labels or ()
        for label, share in zip(labels, self.shares[day], strict=True):
            recorder.measure(
                "share", float(share), subject=subject, unit="share", axis="day", time=day, state=label
            )
        if day:
            moves = self._days["moves"][day]
            for source, target in np.argwhere(moves):
                if source != target:
                    recorder.measure(
                        "moves",
                        float(moves[source, target]),
                        subject=subject,
                        unit="agents",
                        axis="day",
                        time=day,
                        source=labels[source],
                        target=labels[target],
                    )

    def _record_opinions(self, recorder: Recorder, subject: str, proposition: str, day: int) -> None:
        for agent, opinion in enumerate(self._days["opinions"][day]):
            if 0.0 <= opinion <= 1.0:
                recorder.belief(
                    subject=f"{subject}/{agent}",
                    proposition=proposition,
                    readout="internal",
                    axis="day",
                    time=day,
                    credence=float(opinion),
                )
            else:  # an opinion on another scale is no credence
                recorder.measure(
                    "opinion", float(opinion), subject=f"{subject}/{agent}", axis="day", time=day
                )

    def _record_summary(self, recorder: Recorder, subject: str, day: int) -> None:
        kept = {name: array[day] for name, array in self._days.items() if name != "watched"}
        for name, value in zip(("opinion mean", "opinion spread"), kept["moments"], strict=True):
            recorder.measure(name, float(value), subject=subject, axis="day", time=day)
        for quantile, value in zip(QUANTILES, kept["quantiles"], strict=True):
            recorder.measure(
                "opinion quantile", float(value), subject=subject, axis="day", time=day, quantile=quantile
            )
        total = int(kept["bars"].sum())
        for bar, count in enumerate(kept["bars"]):
            recorder.measure(
                "opinion histogram",
                int(count) / total,
                subject=subject,
                unit="share",
                axis="day",
                time=day,
                low=float(kept["edges"][bar]),
                high=float(kept["edges"][bar + 1]),
            )


def _edges(values: np.ndarray) -> np.ndarray:
    return np.linspace(min(0.0, float(values.min())), max(1.0, float(values.max())), BINS + 1)

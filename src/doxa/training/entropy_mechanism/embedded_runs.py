"""The recorded trainings as arrays, by method and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.lab.record import Tables
from doxa.lab.units import Units
from doxa.training.frontier import kept_at_equal_score


@dataclass(frozen=True)
class Run:
    """The evaluations of one method from one seed.

    Attributes:
        step: of each.
        score: R, the share of right answers.
        entropy: H in nats.
        distinct: different right answers among the samples of a prompt.
    """

    step: Float[np.ndarray, " evaluations"]
    score: Float[np.ndarray, " evaluations"]
    entropy: Float[np.ndarray, " evaluations"]
    distinct: Float[np.ndarray, " evaluations"]

    def kept(self, what: str) -> Float[np.ndarray, " evaluations"]:
        """Return ``entropy`` or ``distinct``."""
        return self.entropy if what == "entropy" else self.distinct


class Runs:
    """All trainings of a study."""

    def __init__(self, tables: Tables) -> None:
        rows = tables.measures.filter(pl.col("condition") == "training")
        parts = rows.partition_by("measure", "subject", "seed", as_dict=True)
        self._series = {key: _series(part) for key, part in parts.items()}
        self.seeds: list[int] = sorted(set(rows["seed"].to_list()))

    def of(self, method: str, seed: int) -> Run | None:
        """Return a training's evaluations, None where it was not run."""
        found = [self._series.get((name, method, seed)) for name in ("score", "H", "distinct")]
        if any(one is None for one in found):
            return None
        (step, score), (_, entropy), (_, distinct) = [one for one in found if one is not None]
        return Run(step, score, entropy, distinct)

    def logged(self, measure: str, method: str, seed: int) -> dict[float, float]:
        """Return what was logged at each step."""
        step, values = self._series.get((f"step {measure}", method, seed), (np.zeros(0), np.zeros(0)))
        return dict(zip(step.tolist(), values.tolist(), strict=True))

    def units(self, method: str, what: Callable[[Run], float]) -> Units:
        """Return a number of each seed's training; NaN leaves the seed out."""
        return self.each(lambda seed: None if (run := self.of(method, seed)) is None else what(run))

    def each(self, what: Callable[[int], float | None]) -> Units:
        """Return a number of each seed; None and NaN leave the seed out."""
        values = {seed: what(seed) for seed in self.seeds}
        return Units(
            {seed: value for seed, value in values.items() if value is not None and np.isfinite(value)}
        )

    def mean_logged(self, measure: str, method: str) -> Units:
        """Return each seed's mean over steps of what was logged."""
        return self.each(lambda seed: _mean(self.logged(measure, method, seed).values()))

    def beside(self, method: str, references: Sequence[str], what: str) -> Units:
        """Return how much more a method keeps than others do at the same score, from the same seed.

        Args:
            method: its name.
            references: names of those it is held against, their evaluations together.
            what: ``entropy`` or ``distinct``.
        """

        def of_seed(seed: int) -> float | None:
            own = self.of(method, seed)
            others = [run for name in references if (run := self.of(name, seed)) is not None]
            if own is None or not others:
                return None
            return kept_at_equal_score(
                own.score,
                own.kept(what),
                np.concatenate([run.score for run in others]),
                np.concatenate([run.kept(what) for run in others]),
            )

        return self.each(of_seed)


def _series(part: pl.DataFrame) -> tuple[Any, Any]:
    ordered = part.sort("time")
    return ordered["time"].to_numpy(), ordered["value"].to_numpy()


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None

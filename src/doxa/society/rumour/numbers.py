"""What of a run goes into the record: counts by day, speed, the fitted curve, and the belief of every agent."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from doxa.canonical import Json
from doxa.lab.record import Recorder
from doxa.society.network_map import map_of
from doxa.society.rumour.course import INFECTED, RECOVERED, SUSCEPTIBLE
from doxa.society.rumour.outcome import Propagation, speed
from doxa.society.scenario import record_map
from doxa.society.sis_fit import fit_sis
from doxa.streams import stream


@dataclass(frozen=True)
class Numbers:
    """Writes numbers about one thing.

    Attributes:
        recorder: where they go.
        subject: whose they are.
        about: what stands beside each.
    """

    recorder: Recorder
    subject: str
    about: Mapping[str, Json]

    def add(
        self,
        name: str,
        value: float,
        unit: str = "",
        day: float = 0.0,
        more: Mapping[str, Json] | None = None,
    ) -> None:
        """Record a number; NaN is missing.

        Args:
            name: of the measure.
            value: the number.
            unit: its unit.
            day: of the simulation.
            more: what stands beside this one alone.
        """
        beside: dict[str, Any] = {"missing": "undefined here", **self.about, **(more or {})}
        self.recorder.measure(
            name,
            value if np.isfinite(value) else None,
            subject=self.subject,
            unit=unit,
            axis="day",
            time=day,
            **beside,
        )


def record_counts(numbers: Numbers, run: Propagation) -> None:
    """Record mean counts by day with the band of four fifths of the populations."""
    for name, health in (("S", SUSCEPTIBLE), ("I", INFECTED), ("R", RECOVERED)):
        counts = (run.health == health).sum(axis=1)
        low, high = np.quantile(counts, [0.1, 0.9], axis=0)
        for day, mean in enumerate(counts.mean(axis=0).tolist()):
            numbers.add(name, mean, "agents", day, {"low": float(low[day]), "high": float(high[day])})


def record_curve(numbers: Numbers, run: Propagation) -> None:
    """Record counts by day, speed, and the SIS fit of the mean."""
    record_counts(numbers, run)
    fast = speed(run)
    for name in ("half_peak_day", "peak", "area", "final", "flips", "never", "once", "chronic"):
        values = getattr(fast, name)
        known = values[~np.isnan(values)]
        numbers.add(name.replace("_", "-"), float(known.mean()) if known.size else np.nan)
    infected = run.infected.mean(axis=0)
    if not infected[0]:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = fit_sis(infected, run.size)
    for name in ("beta", "gamma", "r", "K", "R0", "r2"):
        numbers.add(f"sis-{name}", float(getattr(fit, name)), more={"identified": fit.identified})
    for day, value in enumerate(fit.curve.tolist()):
        numbers.add("sis-curve", value, "agents", day)


def record_beliefs(recorder: Recorder, run: Propagation, subject: str) -> None:
    """Record every agent's credence by day, missing with its reason where it could not be read, and the map of a graph.

    Args:
        recorder: where they go.
        run: one population.
        subject: whose credences they are.
    """
    topics = dict(enumerate(one.topic for one in run.course.populations))
    for row in run.beliefs.iter_rows(named=True):
        recorder.belief(
            subject=subject,
            proposition=topics[row["population"]],
            readout="stated",
            axis="day",
            time=row["day"],
            credence=None if row["missing"] else row["credence"],
            agent=row["name"],
            population=row["seed"],
            belief=row["belief"],
            health="SIR"[row["health"]],
            **({"missing": row["missing"]} if row["missing"] else {}),
        )
    graph = run.course.town.graph
    if graph is not None:
        shown = map_of(graph, stream(run.course.populations[0].seed, "society", "rumour", "map"))
        record_map(recorder, shown, run.health[0, shown.nodes].T)

"""What became of a rumour: counts and beliefs by day, and the measures of how fast and how far it went."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doxa.society.diversity import distinct_n, distinct_n_of_words
from doxa.society.rumour.course import INFECTED, RECOVERED, SUSCEPTIBLE, Course, Day

CHRONIC = 0.8
"""Share of the days since the first belief from which a believer is called chronic."""


@dataclass(frozen=True, eq=False)
class Propagation:
    """A run: the course and its days, the first of them before anybody was asked.

    After a population stopped its numbers stay as they were.
    """

    course: Course
    days: list[Day] = field(repr=False)

    @cached_property
    def health(self) -> Int[np.ndarray, "populations agents days"]:
        """Health of every agent at the end of every day, day 0 first."""
        return np.stack([day.health for day in self.days], axis=-1)

    @cached_property
    def infected(self) -> Int[np.ndarray, "populations days"]:
        """Believers by day, day 0 first."""
        return (self.health == INFECTED).sum(axis=1)

    def of(self, rows: slice) -> Propagation:
        """Return the run of some populations."""
        course = replace(self.course, populations=self.course.populations[rows])
        return Propagation(course, [day.each(lambda column: column[rows]) for day in self.days])

    @property
    def size(self) -> int:
        """Agents of a population."""
        return self.course.town.agents

    @cached_property
    def counts(self) -> pl.DataFrame:
        """One row to a population and day it was simulated: S, I, R, newly infected, and contacts."""
        parts: list[pl.DataFrame] = []
        for number, day in enumerate(self.days):
            fresh = (
                ((day.health == INFECTED) & (self.days[number - 1].health != INFECTED)).sum(axis=1)
                if number
                else (day.health == INFECTED).sum(axis=1)
            )
            parts.append(
                pl.DataFrame(
                    {
                        "population": np.arange(len(day.health)),
                        "seed": [one.seed for one in self.course.populations],
                        "topic": [one.topic for one in self.course.populations],
                        "day": number,
                        "S": (day.health == SUSCEPTIBLE).sum(axis=1),
                        "I": (day.health == INFECTED).sum(axis=1),
                        "R": (day.health == RECOVERED).sum(axis=1),
                        "new_I": fresh,
                        "contacts": day.asked.sum(axis=1) * self.course.town.contacts,
                        "simulated": day.asked.any(axis=1) if number else True,
                    }
                )
            )
        table = pl.concat(parts)
        return table.filter("simulated").drop("simulated").sort("population", "day")

    @cached_property
    def beliefs(self) -> pl.DataFrame:
        """One row to an agent and day: belief, credence, health, and why an answer is missing."""
        return self._rows(
            {"belief": "belief", "credence": "credence", "health": "health", "missing": "missing"}
        )

    @cached_property
    def tweets(self) -> pl.DataFrame:
        """One row to an agent and day it was asked: what it said, and why."""
        table = self._rows({"reasoning": "reasoning"})
        texts = [
            text
            for day in self.days[1:]
            for text in self.course.mind.told(day.text.reshape(-1, *day.text.shape[2:]))
        ]
        asked = np.concatenate([day.asked.ravel() for day in self.days[1:]])
        return (
            table.filter(pl.col("day") > 0).with_columns(text=pl.Series(texts, dtype=pl.String)).filter(asked)
        )

    def _rows(self, columns: dict[str, str]) -> pl.DataFrame:
        shape = self.days[0].belief.shape
        population, agent = (grid.ravel() for grid in np.indices(shape))
        names = np.array([person.name for row in self.course.persons for person in row], dtype=object)
        return pl.concat(
            pl.DataFrame(
                {
                    "population": population,
                    "seed": [self.course.populations[row].seed for row in population.tolist()],
                    "agent": agent,
                    "name": names,
                    "day": number,
                    **{name: getattr(day, column).ravel() for name, column in columns.items()},
                }
            )
            for number, day in enumerate(self.days)
        )

    def distinct(self, n: int) -> Float[np.ndarray, " populations"]:
        """Return Distinct-n over the tweets of each population, the opening ones left out.

        It falls with the number of tweets, so that only populations of the same length can be compared.
        """
        found: list[float] = []
        for row in range(len(self.course.populations)):
            said = np.concatenate([day.text[row][day.asked[row]] for day in self.days[1:]])
            if said.dtype == object:
                found.append(distinct_n(self.course.mind.told(said), n))
            else:
                found.append(distinct_n_of_words(said, n))
        return np.array(found)


@dataclass(frozen=True, eq=False)
class Speed:
    """How fast and how far, one number to a population.

    Attributes:
        half_peak_day: first day, in fractions, with half of the peak; NaN where nobody came to believe.
        peak: largest share of believers.
        area: area under the believers by day, in agents times days, by trapezoids from day 0.
        final: share of believers at the end.
        flips: mean changes of health between believing and not, per agent.
        never, once, chronic: shares of agents who never believed, in exactly one spell, and in ``CHRONIC`` of the days
            since they first did.
    """

    half_peak_day: Float[np.ndarray, " populations"]
    peak: Float[np.ndarray, " populations"]
    area: Float[np.ndarray, " populations"]
    final: Float[np.ndarray, " populations"]
    flips: Float[np.ndarray, " populations"]
    never: Float[np.ndarray, " populations"]
    once: Float[np.ndarray, " populations"]
    chronic: Float[np.ndarray, " populations"]


def speed(run: Propagation) -> Speed:
    """Return how fast and how far a rumour went in each population."""
    infected = run.infected.astype(np.float64)
    ill = run.health == INFECTED
    starts = ill[..., 1:] & ~ill[..., :-1]
    spells = starts.sum(axis=-1) + ill[..., 0]
    ever = ill.any(axis=-1)
    first = np.argmax(ill, axis=-1)
    since = ill.shape[-1] - first
    steady = ever & (ill.sum(axis=-1) >= CHRONIC * since)
    return Speed(
        half_peak_day=np.array([half_peak(row) for row in infected]),
        peak=infected.max(axis=1) / run.size,
        area=np.asarray(np.trapezoid(infected, axis=1)),
        final=infected[:, -1] / run.size,
        flips=(ill[..., 1:] != ill[..., :-1]).sum(axis=-1).mean(axis=1),
        never=(~ever).mean(axis=1),
        once=(spells == 1).mean(axis=1),
        chronic=steady.mean(axis=1),
    )


def half_peak(infected: Float[np.ndarray, " days"]) -> float:
    """Return the first day with half of the peak, between days by a straight line; NaN where there is no peak."""
    half = infected.max() / 2.0
    if half == 0.0:
        return float("nan")
    day = int(np.argmax(infected >= half))
    if day == 0:
        return 0.0
    return day - 1 + float((half - infected[day - 1]) / (infected[day] - infected[day - 1]))


def propagation_features(run: Propagation) -> pl.DataFrame:
    """Return what a classifier of items may use, one row to a population: speed, growth and depth.

    ``r`` is the rate of the fitted SIS curve per day; ``depth`` and ``mean_depth`` are steps from those who believed at
    the start to who was infected last, through believers who were heard.
    """
    from doxa.society.sis_fit import fit_sis

    fast = speed(run)
    depth = np.stack([day.depth for day in run.days]).max(axis=0)
    rates: list[float | None] = []
    for row in run.infected:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rates.append(fit_sis(row.astype(np.float64), run.size).r if row[0] else None)
    reached: Bool[np.ndarray, "populations agents"] = depth >= 0
    return pl.DataFrame(
        {
            "seed": [one.seed for one in run.course.populations],
            "topic": [one.topic for one in run.course.populations],
            "half_peak_day": fast.half_peak_day,
            "peak": fast.peak,
            "area": fast.area,
            "final": fast.final,
            "reached": reached.mean(axis=1),
            "r": pl.Series(rates, dtype=pl.Float64),
            "depth": depth.max(axis=1),
            "mean_depth": np.where(reached, depth, 0).sum(axis=1) / np.maximum(1, reached.sum(axis=1)),
        }
    )

"""Reported counts of an epidemic as aggregate hazards: the world and eight countries.

A country reports new cases only: those of the last fourteen days count as infectious. Of the world recoveries and
deaths are reported too, recoveries until August 2021. A day's count below zero is a correction of earlier days; it is
taken as 0 and counted.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from doxa.errors import InputError
from doxa.lab.data import locate, read_bytes
from doxa.society.clusters.history import ClusterHistory
from doxa.society.dynamics.compartments import Alone, Compartments, Contact

SLUG = "physicsagentabm"
COUNTRIES = "key-countries-pivoted.csv"
WORLD = "worldwide-aggregate.csv"
INFECTIOUS = 14
"""Days for which a reported case counts as infectious where no recoveries are reported."""

PEOPLE = {
    "China": 1_439_000_000,
    "US": 331_000_000,
    "United_Kingdom": 67_900_000,
    "Italy": 60_500_000,
    "France": 65_300_000,
    "Germany": 83_800_000,
    "Spain": 46_800_000,
    "Iran": 84_000_000,
    "World": 7_795_000_000,
}
"""Inhabitants in 2020, rounded (United Nations, World Population Prospects 2019)."""


@dataclass(frozen=True, eq=False)
class Series:
    """Reported counts.

    Attributes:
        names: of the units, each of which is a cluster that meets only itself.
        dates: of the days.
        history: counts and events.
        leaving: how many will leave the infectious state on each day though no transition says so, by unit.
        corrections: days below zero that were taken as 0.
    """

    names: tuple[str, ...]
    dates: tuple[str, ...]
    history: ClusterHistory
    leaving: Int[np.ndarray, "steps units"]
    corrections: int


def load_countries() -> Series:
    """Return cases of eight countries as infections.

    Raises:
        InputError: the data set is not there; the message says how to get it.
    """
    dates, table = _read(COUNTRIES)
    names = tuple(table)
    new, corrections = _new(np.stack(list(table.values()), axis=1))
    people = np.array([PEOPLE[name] for name in names])
    made = Compartments(
        ("susceptible", "infected", "recovered"), (Contact("susceptible", "infected", "infected", 0.1),)
    )
    total = np.cumsum(np.concatenate([np.zeros((1, len(names)), dtype=np.int64), new]), axis=0)
    padded = np.concatenate([np.zeros((INFECTIOUS, len(names)), dtype=np.int64), total])
    infectious = total - padded[: len(total)]
    counts = np.stack([people - total, infectious, total - infectious], axis=-1)
    gone = np.concatenate([np.zeros((INFECTIOUS, len(names)), dtype=np.int64), new])[: len(new)]
    history = ClusterHistory(made, counts, new[:, :, None], np.eye(len(names)))
    return Series(names, dates, history, gone, corrections)


def load_world() -> Series:
    """Return the world's cases, recoveries and deaths, up to the last day with reported recoveries.

    Raises:
        InputError: the data set is not there; the message says how to get it.
    """
    dates, table = _read(WORLD)
    stops = np.flatnonzero((table["Recovered"] == 0) & (np.arange(len(dates)) > INFECTIOUS))
    end = int(stops[0]) if stops.size else len(dates)
    columns = np.stack([table[name][:end] for name in ("Confirmed", "Recovered", "Deaths")], axis=1)
    new, corrections = _new(columns)
    made = Compartments(
        ("susceptible", "infected", "recovered", "dead"),
        (
            Contact("susceptible", "infected", "infected", 0.1),
            Alone("infected", "recovered", 0.05),
            Alone("infected", "dead", 0.005),
        ),
    )
    first = columns[0]
    cases, recovered, dead = (first[k] + np.concatenate([[0], np.cumsum(new[:, k])]) for k in range(3))
    counts = np.stack([PEOPLE["World"] - cases, cases - recovered - dead, recovered, dead], axis=-1)[
        :, None, :
    ]
    history = ClusterHistory(made, counts, new[:, None, :], np.eye(1))
    return Series(("World",), dates[:end], history, np.zeros((end - 1, 1), dtype=np.int64), corrections)


def _new(cumulative: Int[np.ndarray, "days columns"]) -> tuple[Int[np.ndarray, "steps columns"], int]:
    new = np.diff(cumulative, axis=0)
    return np.maximum(new, 0), int((new < 0).sum())


def _read(name: str) -> tuple[tuple[str, ...], dict[str, Int[np.ndarray, " days"]]]:
    path = locate(SLUG) / name
    rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode())))
    if not rows:
        raise InputError(f"{path}: holds no rows; fetch it again with doxa data get {SLUG}")
    columns = [column for column in rows[0] if column not in ("Date", "Increase rate")]
    dates = tuple(row["Date"] for row in rows)
    return dates, {column: np.array([int(row[column]) for row in rows]) for column in columns}

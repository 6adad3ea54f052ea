"""Populations in the tables of a cell: who they are, what each is on each day, and how many are what.

A source is one thing that moves: a map of a network, agents with credences or states, shares of compartments, or a
histogram of opinions. Agents are told apart by their subject and, where rows have it, by ``agent`` in ``extra``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from doxa.errors import InputError
from doxa.lab.record import completed

Kind = Literal["map", "beliefs", "health", "opinions", "shares", "histogram"]

AXES = ("day", "round")
"""On which a population moves."""

FEWEST = 3
"""Agents of a population."""

MOST_AGENTS = 100_000
"""Of more agents only the spread is shown."""

MOST_DAYS = 5_000
"""Of more days every second, third … is shown."""

MISSING = 255
"""Stands in a frame where nothing is on record."""

BINS = 20
QUANTILES = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}

_SHOWN = {
    "map": "network",
    "beliefs": "agents",
    "health": "states of agents",
    "opinions": "agents",
    "shares": "shares",
    "histogram": "spread of opinions",
}
_AGENT = pl.concat_str(
    pl.col("subject"), pl.lit(" / ") + pl.col("extra").str.json_path_match("$.agent"), ignore_nulls=True
)
_HEALTH = pl.col("extra").str.json_path_match("$.health")


@dataclass(frozen=True, order=True)
class Source:
    """One thing that moves.

    Attributes:
        condition: of its rows.
        kind: which rows.
        proposition: of beliefs, else "".
        readout: of beliefs, else "".
        axis: ``day`` or ``round``.
    """

    condition: str
    kind: Kind
    proposition: str = ""
    readout: str = ""
    axis: str = "day"

    @property
    def title(self) -> str:
        """What a reader picks it by."""
        about = f"{self.proposition}, {self.readout}" if self.proposition else ""
        axis = "" if self.axis == "day" else f"by {self.axis}"
        return " · ".join(part for part in (_SHOWN[self.kind], about, self.condition, axis) if part)


class Network(NamedTuple):
    """Places of the nodes in [-1, 1] and pairs of nodes that are linked."""

    places: list[list[float]]
    links: list[list[int]]


@dataclass(frozen=True)
class Population:
    """What is known of a source before any single day is looked at.

    Attributes:
        agents: names in the order of the frames; none where only shares are on record.
        days: ascending, thinned to ``MOST_DAYS``.
        kinds: names of states in order; none where states are numbers.
        domain: ends of the scale of numbers.
        network: where the agents are, or None.
        bins: edges of the bars by day, or none where bars are one to each kind or are counted from frames.
        bars: share of the population in each bar, by day; empty where they are counted from frames.
        series: by name, a number for each day, None where there is none.
        every: how many days of the record one of ``days`` stands for.
        whole: whether ``series`` is of more agents than there are frames of.
    """

    agents: list[str]
    days: list[float]
    kinds: list[str]
    domain: tuple[float, float]
    network: Network | None
    bins: list[float]
    bars: list[list[float]]
    series: dict[str, list[float | None]]
    every: int = 1
    whole: bool = False


def sources(beliefs: Path | None, measures: Path | None) -> list[Source]:
    """Return what moves in a cell, by its files; a map first, then agents, then what is counted."""
    found: list[Source] = []
    if measures is not None:
        rows = pl.scan_parquet(measures).filter(pl.col("axis").is_in(AXES))
        names = rows.select("condition", "measure", "axis").unique().collect()
        for condition, axis in names.select("condition", "axis").unique().iter_rows():
            held = set(names.filter(condition=condition, axis=axis)["measure"])
            if {"map x", "map y", "map state"} <= held:
                found.append(Source(condition, "map", axis=axis))
            if "opinion" in held and _count(rows.filter(condition=condition, measure="opinion")) >= FEWEST:
                found.append(Source(condition, "opinions", axis=axis))
            if "opinion histogram" in held:
                found.append(Source(condition, "histogram", axis=axis))
            if "share" in held and _states(rows.filter(condition=condition, axis=axis)):
                found.append(Source(condition, "shares", axis=axis))
    if beliefs is not None:
        keys = ("condition", "proposition", "readout", "axis")
        rows = pl.scan_parquet(beliefs).filter(pl.col("axis").is_in(AXES))
        first = rows.filter(pl.col("time") == pl.col("time").min().over(keys))
        many = (
            first.group_by(keys).agg(_AGENT.n_unique().alias("n"), _HEALTH.first().alias("health")).collect()
        )
        for condition, proposition, readout, axis, n, health in many.iter_rows():
            if n >= FEWEST:
                kinds: list[Kind] = ["beliefs", *(["health"] if health is not None else [])]
                found += [Source(condition, kind, proposition, readout, axis) for kind in kinds]
    order = tuple(_SHOWN)
    return sorted(found, key=lambda source: (order.index(source.kind), source))


def population(source: Source, beliefs: Path | None, measures: Path | None) -> Population:
    """Return what is known of a source of these files; of the last few it is kept, for their frames."""
    stamps = tuple(None if path is None else path.stat().st_mtime_ns for path in (beliefs, measures))
    return _known(source, beliefs, measures, stamps)


@lru_cache(maxsize=4)
def _known(source: Source, beliefs: Path | None, measures: Path | None, _stamps: object) -> Population:
    match source.kind:
        case "map":
            return _of_map(_rows(source, measures))
        case "shares":
            return _of_shares(_rows(source, measures))
        case "histogram":
            return _of_histogram(_rows(source, measures))
        case _:
            path = beliefs if source.kind in ("beliefs", "health") else measures
            return _of_agents(source, _rows(source, path))


def frames(
    source: Source, known: Population, beliefs: Path | None, measures: Path | None, first: int, many: int
) -> np.ndarray:
    """Return what each agent is on some days, (days, agents), as bytes.

    A byte is the place of a state, or of a number in the domain from 0 to 254; ``MISSING`` where nothing is on record.

    Args:
        source: of agents, or a map.
        known: of the source.
        beliefs: file of the cell.
        measures: file of the cell.
        first: place of the first day among those of ``known``.
        many: days, at least 1.
    """
    days = known.days[first : first + many]
    path = beliefs if source.kind in ("beliefs", "health") else measures
    rows = _states_of(source, _rows(source, path).filter(pl.col("time").is_in(days)))
    agents = pl.DataFrame({"agent": known.agents}).with_row_index("column")
    times = pl.DataFrame({"time": days}, schema={"time": pl.Float64}).with_row_index("row")
    placed = rows.join(agents.lazy(), on="agent").join(times.lazy(), on="time").collect()
    state = placed["state"]
    if known.kinds:
        numbers = state if state.dtype.is_numeric() else state.replace_strict(
            {name: place for place, name in enumerate(known.kinds)}, default=None, return_dtype=pl.Float64
        )  # fmt: skip
        values = numbers.cast(pl.Float64).fill_null(MISSING).fill_nan(MISSING).to_numpy()
    else:
        low, high = known.domain
        scaled = (state.fill_null(np.nan).to_numpy() - low) / ((high - low) or 1.0)
        values = np.where(np.isfinite(scaled), np.rint(np.clip(scaled, 0.0, 1.0) * (MISSING - 1)), MISSING)
    found = np.full((len(days), len(known.agents)), MISSING, dtype=np.uint8)
    found[placed["row"].to_numpy(), placed["column"].to_numpy()] = np.clip(values, 0, MISSING).astype(
        np.uint8
    )
    return found


def _rows(source: Source, path: Path | None) -> pl.LazyFrame:
    if path is None:
        raise InputError(f"{source.title}: its file is not there any more; look again")
    rows = pl.scan_parquet(path).filter(condition=source.condition, axis=source.axis)
    return rows.filter(proposition=source.proposition, readout=source.readout) if source.proposition else rows


def _states_of(source: Source, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``agent``, ``time`` and ``state``."""
    match source.kind:
        case "map":
            return rows.filter(measure="map state").select(agent="subject", time="time", state="value")
        case "opinions":
            return rows.filter(measure="opinion").select(agent=_AGENT, time="time", state="value")
        case "health":
            return rows.select(agent=_AGENT, time="time", state=_HEALTH)
        case _:
            whole = rows.map_batches(completed, schema=rows.collect_schema())
            return whole.select(agent=_AGENT, time="time", state="credence")


def _of_map(rows: pl.LazyFrame) -> Population:
    held = rows.filter(pl.col("measure").str.starts_with("map ")).collect()
    x, y, links = (held.filter(measure=f"map {name}") for name in ("x", "y", "link"))
    names = x["subject"].to_list()
    place = {name: number for number, name in enumerate(names)}
    height = dict(zip(y["subject"], y["value"], strict=True))
    other = links["extra"].str.json_path_match("$.other")
    pairs = [(place.get(a), place.get(b)) for a, b in zip(links["subject"], other, strict=True)]
    network = Network(
        [
            [round(at, 4), round(height.get(name) or 0.0, 4)]
            for name, at in zip(names, x["value"], strict=True)
        ],
        [[a, b] for a, b in pairs if a is not None and b is not None],
    )
    states = held.filter(measure="map state")
    days, every = _thinned(states["time"])
    kinds = _states(rows) or _numbered(states["value"])
    counted = _counted(rows, days)
    whole = bool(counted)
    if not whole and not kinds:
        counted = _summary(states.lazy().select("time", state="value"), days)
    return Population(names, days, kinds, _domain(states["value"]), network, [], [], counted, every, whole)


def _of_agents(source: Source, rows: pl.LazyFrame) -> Population:
    states = _states_of(source, rows)
    times = states.select("time").unique().collect()["time"]
    days, every = _thinned(times)
    names = (
        states.filter(pl.col("time") == times.min())
        .select(pl.col("agent").unique(maintain_order=True))
        .collect()["agent"]
    )
    if source.kind == "health":
        kinds = states.select(pl.col("state").unique()).collect()["state"].drop_nulls().sort().to_list()
        shares = _shares(states, kinds, days)
        return Population(names.to_list(), days, kinds, (0.0, 1.0), None, [], [], shares, every)
    ends = states.select(low=pl.col("state").min(), high=pl.col("state").max()).collect().row(0)
    domain = (min(0.0, ends[0] or 0.0), max(1.0, ends[1] or 1.0))
    few = names.len() <= MOST_AGENTS
    edges = np.linspace(*domain, BINS + 1)
    bars = [] if few else _bars(states, days, edges)
    return Population(
        names.to_list() if few else [],
        days,
        [],
        domain,
        None,
        edges.tolist(),
        bars,
        _summary(states, days),
        every,
    )


def _of_shares(rows: pl.LazyFrame) -> Population:
    kinds = _states(rows)
    times = rows.filter(measure="share").select("time").unique().collect()["time"]
    days, every = _thinned(times)
    series = _counted(rows, days)
    bars = [[series[kind][day] or 0.0 for kind in kinds] for day in range(len(days))]
    return Population([], days, kinds, (0.0, 1.0), None, [], bars, series, every)


def _of_histogram(rows: pl.LazyFrame) -> Population:
    ends = [
        pl.col("extra").str.json_path_match(f"$.{end}").cast(pl.Float64).alias(end) for end in ("low", "high")
    ]
    held = rows.filter(measure="opinion histogram").select("time", "value", *ends).collect()
    days, every = _thinned(held["time"])
    edges: list[float] = [*held["low"].unique().sort(), *held["high"].sort().tail(1)]
    wide = (
        held.filter(pl.col("time").is_in(days))
        .sort("time", "low")
        .group_by("time", maintain_order=True)
        .agg("value")
    )
    return Population(
        [], days, [], (edges[0], edges[-1]), None, edges, wide["value"].to_list(), _counted(rows, days), every
    )


def _count(rows: pl.LazyFrame) -> int:
    return rows.select(_AGENT.n_unique()).collect().item()


def _states(rows: pl.LazyFrame) -> list[str]:
    """Return the names of compartments, in the order in which they were recorded."""
    named = pl.col("extra").str.json_path_match("$.state").alias("state")
    found = rows.filter(measure="share").select(named).unique(maintain_order=True).collect()["state"]
    return found.drop_nulls().to_list()


def _counted(rows: pl.LazyFrame, days: Sequence[float]) -> dict[str, list[float | None]]:
    """Return what the record itself says of all: shares of compartments, or mean and quantiles of opinions."""
    kinds = _states(rows)
    names = {"opinion mean": "mean", "opinion spread": "standard deviation", "opinion quantile": ""}
    if kinds:
        named = pl.col("extra").str.json_path_match("$.state")
        held = rows.filter(measure="share").select("time", "value", name=named).collect()
    else:
        quantile = pl.col("extra").str.json_path_match("$.quantile").cast(pl.Float64)
        words = {value: name for name, value in QUANTILES.items()}
        named = pl.coalesce(
            quantile.replace_strict(words, default=None, return_dtype=pl.String()),
            pl.col("measure").replace_strict(names, default=None),
        )
        held = rows.filter(pl.col("measure").is_in(list(names))).select("time", "value", name=named).collect()
    return {
        name: _by_day(held.filter(pl.col("name") == name), days)
        for name in (kinds or held["name"].unique(maintain_order=True).drop_nulls().to_list())
    }


def _by_day(held: pl.DataFrame, days: Sequence[float]) -> list[float | None]:
    values = dict(zip(held["time"], held["value"], strict=True))
    return [values.get(day) for day in days]


def _summary(states: pl.LazyFrame, days: Sequence[float]) -> dict[str, list[float | None]]:
    value = pl.col("state").filter(pl.col("state").is_finite())
    wanted = [
        value.mean().alias("mean"),
        value.std(ddof=0).alias("standard deviation"),
        *(value.quantile(share, "linear").alias(name) for name, share in QUANTILES.items()),
    ]
    held = states.filter(pl.col("time").is_in(list(days))).group_by("time").agg(wanted).collect()
    return {name: _by_day(held.select("time", value=name), days) for name in held.columns if name != "time"}


def _shares(
    states: pl.LazyFrame, kinds: Sequence[str], days: Sequence[float]
) -> dict[str, list[float | None]]:
    shares = [(pl.col("state") == kind).mean().alias(kind) for kind in kinds]
    held = states.filter(pl.col("time").is_in(list(days))).group_by("time").agg(shares).collect()
    return {kind: _by_day(held.select("time", value=kind), days) for kind in kinds}


def _bars(states: pl.LazyFrame, days: Sequence[float], edges: np.ndarray) -> list[list[float]]:
    """Return the share of agents in each bin by day; those without a number are left out."""
    bins, width = len(edges) - 1, float(edges[1] - edges[0])
    place = ((pl.col("state") - float(edges[0])) / width).floor().clip(0, bins - 1).cast(pl.Int64)
    held = (
        states.filter(pl.col("time").is_in(list(days)), pl.col("state").is_finite())
        .group_by("time", place.alias("bin"))
        .len()
        .collect()
    )
    counts = np.zeros((len(days), bins))
    row = {day: number for number, day in enumerate(days)}
    for day, bar, many in held.iter_rows():
        counts[row[day], bar] = many
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1.0)).round(6).tolist()


def _thinned(times: pl.Series) -> tuple[list[float], int]:
    days = times.unique().sort()
    every = -(-days.len() // MOST_DAYS) or 1
    return days.gather_every(every).to_list(), every


def _numbered(states: pl.Series) -> list[str]:
    """Return names for states that are counted 0, 1, 2 and have none on record; nothing for other numbers."""
    highest = states.max()
    whole = bool((states.drop_nulls() == states.drop_nulls().floor()).all())
    if not isinstance(highest, float) or not whole or not 1.0 < highest < MISSING:
        return []
    return [f"state {number}" for number in range(int(highest) + 1)]


def _domain(states: pl.Series) -> tuple[float, float]:
    finite = states.filter(states.is_finite()).drop_nulls()
    if finite.is_empty():
        return 0.0, 1.0
    return min(0.0, float(finite.min())), max(1.0, float(finite.max()))  # pyright: ignore[reportArgumentType]

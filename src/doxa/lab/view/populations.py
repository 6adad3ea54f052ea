"""A population day by day: who is in it, what each is on each day, and how many are what; see ``population_sources``.

One thing, though long: each kind of source has its own way to the same ``Population``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.lab.view.population_sources import Source, compartments, rows_of, states_of, written

MOST_AGENTS = 100_000
"""Of more agents only the spread is shown."""

MOST_DAYS = 5_000
"""Of more days every second, third … is shown."""

MISSING = 255
"""Stands in a frame where nothing is on record."""

ROWS = 400_000
"""Of agents and days that are in memory at once, about."""

BINS = 20
QUANTILES = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}


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
        spans: first and last row of each of ``days`` in the file, so that a day is read without the others.
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
    spans: Sequence[tuple[int, int]] = ()


def population(source: Source, path: Path | None) -> Population:
    """Return what is known of a source, by the file of its table; of the last few it is kept, for their frames."""
    return _known(source, path, written(path))


@lru_cache(maxsize=4)
def _known(source: Source, path: Path | None, _written: int | None) -> Population:
    match source.kind:
        case "map":
            return _of_map(rows_of(source, path))
        case "shares":
            return _of_shares(rows_of(source, path))
        case "histogram":
            return _of_histogram(rows_of(source, path))
        case _:
            return _of_agents(source, path)


def frames(source: Source, known: Population, path: Path | None, first: int, many: int) -> np.ndarray:
    """Return what each agent is on some days, (days, agents), as bytes.

    A byte is the place of a state, or of a number in the domain from 0 to 254; ``MISSING`` where nothing is on record.

    Args:
        source: of agents, or a map.
        known: of the source.
        path: file of its table.
        first: place of the first day among those of ``known``.
        many: days, at least 1.
    """
    days = known.days[first : first + many]
    placed = _placed(
        states_of(source, rows_of(source, path, known.spans[first : first + many])), known.agents, days
    )
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


def _placed(states: pl.LazyFrame, agents: Sequence[str], days: Sequence[float]) -> pl.DataFrame:
    """Return the states of these days with the ``row`` of the day and the ``column`` of the agent."""
    held = states.filter(pl.col("time").is_in(days)).collect()
    names, times = pl.Series(agents), pl.Series(days, dtype=pl.Float64)
    if held.height == len(agents) * len(days):
        alike = all(
            held["agent"][start : start + len(agents)].equals(names)
            for start in range(0, held.height, len(agents))
        )
        if alike and held["time"].equals(times.repeat_by(len(agents)).explode()):
            place = pl.int_range(held.height, eager=True)
            return held.select("state", row=place // len(agents), column=place % len(agents))
    known = pl.DataFrame({"agent": names}).with_row_index("column")
    return held.join(known, on="agent").join(pl.DataFrame({"time": times}).with_row_index("row"), on="time")


def _of_map(rows: pl.LazyFrame) -> Population:
    held = rows.filter(pl.col("measure").str.starts_with("map ")).collect(engine="streaming")
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
    kinds = compartments(rows) or _numbered(states["value"])
    counted = _counted(rows, days)
    whole = bool(counted)
    if not whole and not kinds:
        counted = _summary(states.select("time", state="value"), days)
    return Population(names, days, kinds, _domain(states["value"]), network, [], [], counted, every, whole)


def _of_agents(source: Source, path: Path | None) -> Population:
    rows = rows_of(source, path, numbered=True)
    if source.kind == "opinions":
        rows = rows.filter(measure="opinion")
    held = (
        rows.group_by("time")
        .agg(first=pl.col("row").min(), last=pl.col("row").max())
        .collect(engine="streaming")
        .sort("time")
    )
    days, every = _thinned(held["time"])
    held = held.filter(pl.col("time").is_in(days))
    spans: list[tuple[int, int]] = list(zip(held["first"], held["last"], strict=True))
    everybody = states_of(source, rows_of(source, path)).select("agent").unique(maintain_order=True)
    names = everybody.collect(engine="streaming")["agent"]
    agents = names.to_list() if names.len() <= MOST_AGENTS else []

    def parts() -> Iterator[tuple[list[float], pl.DataFrame]]:
        """Read some days after the others, so that a whole long run is never in memory."""
        many = max(1, ROWS // max(1, names.len()))
        for start in range(0, len(days), many):
            own = days[start : start + many]
            states = states_of(source, rows_of(source, path, spans[start : start + many]))
            yield own, states.filter(pl.col("time").is_in(own)).collect()

    if source.kind == "health":
        kinds = sorted({name for _, part in parts() for name in part["state"].unique() if name is not None})
        series = _joined(_shares(part, kinds, own) for own, part in parts())
        return Population(agents, days, kinds, (0.0, 1.0), None, [], [], series, every, spans=spans)
    low, high, summaries = 0.0, 1.0, list[dict[str, list[float | None]]]()
    for own, part in parts():
        ends = _domain(part["state"])
        low, high = min(low, ends[0]), max(high, ends[1])
        summaries.append(_summary(part, own))
    edges = np.linspace(low, high, BINS + 1)
    bars = [] if agents else [row for own, part in parts() for row in _bars(part, own, edges)]
    return Population(
        agents, days, [], (low, high), None, edges.tolist(), bars, _joined(summaries), every, spans=spans
    )


def _joined(parts: Iterable[dict[str, list[float | None]]]) -> dict[str, list[float | None]]:
    """Return series of days after each other as one."""
    whole: dict[str, list[float | None]] = {}
    for part in parts:
        for name, values in part.items():
            whole.setdefault(name, []).extend(values)
    return whole


def _of_shares(rows: pl.LazyFrame) -> Population:
    kinds = compartments(rows)
    times = rows.filter(measure="share").select("time").unique().collect(engine="streaming")["time"]
    days, every = _thinned(times)
    series = _counted(rows, days)
    bars = [[series[kind][day] or 0.0 for kind in kinds] for day in range(len(days))]
    return Population([], days, kinds, (0.0, 1.0), None, [], bars, series, every)


def _of_histogram(rows: pl.LazyFrame) -> Population:
    ends = [
        pl.col("extra").str.json_path_match(f"$.{end}").cast(pl.Float64).alias(end) for end in ("low", "high")
    ]
    held = rows.filter(measure="opinion histogram").select("time", "value", *ends).collect(engine="streaming")
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


def _counted(rows: pl.LazyFrame, days: Sequence[float]) -> dict[str, list[float | None]]:
    """Return what the record itself says of all: shares of compartments, or mean and quantiles of opinions."""
    kinds = compartments(rows)
    names = {"opinion mean": "mean", "opinion spread": "standard deviation", "opinion quantile": ""}
    if kinds:
        named = pl.col("extra").str.json_path_match("$.state")
        held = rows.filter(measure="share").select("time", "value", name=named).collect(engine="streaming")
    else:
        quantile = pl.col("extra").str.json_path_match("$.quantile").cast(pl.Float64)
        words = {value: name for name, value in QUANTILES.items()}
        named = pl.coalesce(
            quantile.replace_strict(words, default=None, return_dtype=pl.String()),
            pl.col("measure").replace_strict(names, default=None),
        )
        held = (
            rows.filter(pl.col("measure").is_in(list(names)))
            .select("time", "value", name=named)
            .collect(engine="streaming")
        )
    return {
        name: _by_day(held.filter(pl.col("name") == name), days)
        for name in (kinds or held["name"].unique(maintain_order=True).drop_nulls().to_list())
    }


def _by_day(held: pl.DataFrame, days: Sequence[float]) -> list[float | None]:
    values = dict(zip(held["time"], held["value"], strict=True))
    return [values.get(day) for day in days]


def _summary(states: pl.DataFrame, days: Sequence[float]) -> dict[str, list[float | None]]:
    value = pl.col("state").filter(pl.col("state").is_finite())
    wanted = [
        value.mean().alias("mean"),
        value.std(ddof=0).alias("standard deviation"),
        *(value.quantile(share, "linear").alias(name) for name, share in QUANTILES.items()),
    ]
    held = states.group_by("time").agg(wanted)
    return {name: _by_day(held.select("time", value=name), days) for name in held.columns if name != "time"}


def _shares(
    states: pl.DataFrame, kinds: Sequence[str], days: Sequence[float]
) -> dict[str, list[float | None]]:
    held = states.group_by("time").agg((pl.col("state") == kind).mean().alias(kind) for kind in kinds)
    return {kind: _by_day(held.select("time", value=kind), days) for kind in kinds}


def _bars(states: pl.DataFrame, days: Sequence[float], edges: np.ndarray) -> list[list[float]]:
    """Return the share of agents in each bin by day; those without a number are left out."""
    found: list[list[float]] = []
    for day in days:
        own = states.filter(pl.col("time") == day)["state"]
        counts = np.histogram(own.filter(own.is_finite()).drop_nulls().to_numpy(), edges)[0]
        found.append((counts / max(1, counts.sum())).round(6).tolist())
    return found


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

"""Populations in the tables of a cell: who they are, what each is on each day, and how many are what.

A source is one thing that moves: a map of a network, agents with credences or states, shares of compartments, or a
histogram of opinions. Agents are told apart by their subject and, where rows have it, by ``agent`` in ``extra``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from doxa.errors import InputError

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

ROWS = 400_000
"""Of agents and days that are in memory at once, about."""

SAMPLE = 10_000
"""Rows of a proposition in which its agents are looked for."""

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
_CREDENCE = pl.coalesce(pl.col("credence"), 1.0 / (1.0 + (-pl.col("log_odds")).exp()))
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


def sources(beliefs: Path | None, measures: Path | None) -> list[Source]:
    """Return what moves in a cell, by its files; a map first, then agents, then what is counted."""
    return list(_sources(beliefs, measures, _stamps(beliefs, measures)))


def _stamps(*paths: Path | None) -> tuple[int | None, ...]:
    return tuple(None if path is None else path.stat().st_mtime_ns for path in paths)


@lru_cache(maxsize=256)
def _sources(beliefs: Path | None, measures: Path | None, _stamp: object) -> tuple[Source, ...]:
    found: list[Source] = []
    if measures is not None:
        rows = pl.scan_parquet(measures, glob=False).filter(pl.col("axis").is_in(AXES))
        names = rows.select("condition", "measure", "axis").unique().collect(engine="streaming")
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
        rows = pl.scan_parquet(beliefs, glob=False).filter(pl.col("axis").is_in(AXES))
        for condition, proposition, readout, axis in (
            rows.select(keys).unique().collect(engine="streaming").iter_rows()
        ):
            source = Source(condition, "beliefs", proposition, readout, axis)
            some = _rows(source, beliefs).select("time", agent=_AGENT, health=_HEALTH).head(SAMPLE).collect()
            first = some.filter(pl.col("time") == pl.col("time").first())
            if first["agent"].n_unique() >= FEWEST:
                found.append(source)
                if first["health"][0] is not None:
                    found.append(replace(source, kind="health"))
    order = tuple(_SHOWN)
    return tuple(sorted(found, key=lambda source: (order.index(source.kind), source)))


def population(source: Source, beliefs: Path | None, measures: Path | None) -> Population:
    """Return what is known of a source of these files; of the last few it is kept, for their frames."""
    return _known(source, beliefs, measures, _stamps(beliefs, measures))


@lru_cache(maxsize=4)
def _known(source: Source, beliefs: Path | None, measures: Path | None, _stamp: object) -> Population:
    match source.kind:
        case "map":
            return _of_map(_rows(source, measures))
        case "shares":
            return _of_shares(_rows(source, measures))
        case "histogram":
            return _of_histogram(_rows(source, measures))
        case _:
            path = beliefs if source.kind in ("beliefs", "health") else measures
            return _of_agents(source, path)


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
    placed = _placed(
        _states_of(source, _rows(source, path, known.spans[first : first + many])), known.agents, days
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


def _rows(
    source: Source, path: Path | None, spans: Sequence[tuple[int, int]] = (), *, numbered: bool = False
) -> pl.LazyFrame:
    """Return the rows of a source, of all its file or from the first to the last row of some spans.

    Args:
        source: whose rows.
        path: the file.
        spans: none reads all.
        numbered: with the place in the file as ``row``.
    """
    if path is None:
        raise InputError(f"{source.title}: its file is not there any more; look again")
    rows = pl.scan_parquet(path, glob=False, row_index_name="row" if numbered else None)
    if spans:
        start = min(first for first, _ in spans)
        rows = rows.slice(start, max(last for _, last in spans) - start + 1)
    rows = rows.filter(condition=source.condition, axis=source.axis)
    return rows.filter(proposition=source.proposition, readout=source.readout) if source.proposition else rows


def _states_of(source: Source, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``agent``, ``time`` and ``state``."""
    match source.kind:
        case "map":
            return rows.filter(measure="map state").select(agent="subject", time="time", state="value")
        case "opinions":
            return rows.filter(measure="opinion").select(agent="subject", time="time", state="value")
        case "health":
            return rows.select(agent=_agent(rows), time="time", state=_HEALTH)
        case _:
            return rows.select(agent=_agent(rows), time="time", state=_CREDENCE)


def _agent(rows: pl.LazyFrame) -> pl.Expr:
    """Return what tells agents apart: the subject alone, unless rows name agents beside it."""
    named = (
        rows.select(pl.col("extra").str.json_path_match("$.agent"))
        .head(1)
        .collect(engine="streaming")["extra"]
    )
    return pl.col("subject") if named.is_null().all() else _AGENT


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
    kinds = _states(rows) or _numbered(states["value"])
    counted = _counted(rows, days)
    whole = bool(counted)
    if not whole and not kinds:
        counted = _summary(states.select("time", state="value"), days)
    return Population(names, days, kinds, _domain(states["value"]), network, [], [], counted, every, whole)


def _of_agents(source: Source, path: Path | None) -> Population:
    rows = _rows(source, path, numbered=True)
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
    everybody = _states_of(source, _rows(source, path)).select("agent").unique(maintain_order=True)
    names = everybody.collect(engine="streaming")["agent"]
    agents = names.to_list() if names.len() <= MOST_AGENTS else []

    def parts() -> Iterator[tuple[list[float], pl.DataFrame]]:
        """Read some days after the others, so that a whole long run is never in memory."""
        many = max(1, ROWS // max(1, names.len()))
        for start in range(0, len(days), many):
            own = days[start : start + many]
            states = _states_of(source, _rows(source, path, spans[start : start + many]))
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
    kinds = _states(rows)
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


def _count(rows: pl.LazyFrame) -> int:
    return rows.select(pl.col("subject").n_unique()).collect(engine="streaming").item()


def _states(rows: pl.LazyFrame) -> list[str]:
    """Return the names of compartments, in the order in which they were recorded."""
    named = pl.col("extra").str.json_path_match("$.state").alias("state")
    found = (
        rows.filter(measure="share")
        .select(named)
        .unique(maintain_order=True)
        .collect(engine="streaming")["state"]
    )
    return found.drop_nulls().to_list()


def _counted(rows: pl.LazyFrame, days: Sequence[float]) -> dict[str, list[float | None]]:
    """Return what the record itself says of all: shares of compartments, or mean and quantiles of opinions."""
    kinds = _states(rows)
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

"""What moves in the tables of a cell: networks, agents, shares and histograms, and the rows of each.

A source is one thing that moves: a map of a network, agents with credences or states, shares of compartments, or a
histogram of opinions. Agents are told apart by their subject and, where rows have it, by ``agent`` in ``extra``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import polars as pl

from doxa.errors import InputError

Kind = Literal["map", "beliefs", "health", "opinions", "shares", "histogram"]

AXES = ("day", "round")
"""On which a population moves."""

FEWEST = 3
"""Agents of a population."""

SAMPLE = 10_000
"""Rows of a proposition in which its agents are looked for."""


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
    def table(self) -> Literal["beliefs", "measures"]:
        """Where its rows are."""
        return "beliefs" if self.kind in ("beliefs", "health") else "measures"

    @property
    def title(self) -> str:
        """What a reader picks it by."""
        about = ", ".join(part for part in (self.proposition, self.readout) if part)
        axis = "" if self.axis == "day" else f"by {self.axis}"
        return " · ".join(part for part in (_SHOWN[self.kind], about, self.condition, axis) if part)


def sources(beliefs: Path | None, measures: Path | None) -> list[Source]:
    """Return what moves in a cell, by its files; a map first, then agents, then what is counted."""
    return list(_sources(beliefs, measures, written(beliefs), written(measures)))


def written(path: Path | None) -> int | None:
    """Return when a file was written, by which it is known whether what was made of it still holds."""
    return None if path is None else path.stat().st_mtime_ns


@lru_cache(maxsize=256)
def _sources(beliefs: Path | None, measures: Path | None, *_written: int | None) -> tuple[Source, ...]:
    found: list[Source] = []
    if measures is not None:
        rows = pl.scan_parquet(measures, glob=False).filter(pl.col("axis").is_in(AXES))
        names = rows.select("condition", "measure", "axis").unique().collect(engine="streaming")
        for condition, axis in names.select("condition", "axis").unique().iter_rows():
            held = set(names.filter(condition=condition, axis=axis)["measure"])
            if {"map x", "map y", "map state"} <= held:
                found.append(Source(condition, "map", axis=axis))
            own = rows.filter(condition=condition, axis=axis)
            if "opinion" in held and _count(own.filter(measure="opinion")) >= FEWEST:
                found.append(Source(condition, "opinions", axis=axis))
            if "opinion histogram" in held:
                found.append(Source(condition, "histogram", axis=axis))
            if "share" in held and compartments(own):
                found.append(Source(condition, "shares", axis=axis))
    if beliefs is not None:
        keys = ("condition", "proposition", "readout", "axis")
        rows = pl.scan_parquet(beliefs, glob=False).filter(pl.col("axis").is_in(AXES))
        for condition, proposition, readout, axis in (
            rows.select(keys).unique().collect(engine="streaming").iter_rows()
        ):
            source = Source(condition, "beliefs", proposition, readout, axis)
            some = (
                rows_of(source, beliefs).select("time", agent=_AGENT, health=_HEALTH).head(SAMPLE).collect()
            )
            first = some.filter(pl.col("time") == pl.col("time").first())
            if first["agent"].n_unique() >= FEWEST:
                found.append(source)
                if first["health"][0] is not None:
                    found.append(replace(source, kind="health"))
    order = tuple(_SHOWN)
    return tuple(sorted(found, key=lambda source: (order.index(source.kind), source)))


def rows_of(
    source: Source, path: Path | None, spans: Sequence[tuple[int, int]] = (), *, numbered: bool = False
) -> pl.LazyFrame:
    """Return the rows of a source, of all its file or from the first to the last row of some spans.

    Args:
        source: whose rows.
        path: the file.
        spans: none reads all.
        numbered: with the place in the file as ``row``.

    Raises:
        InputError: there is no file.
    """
    if path is None:
        raise InputError(f"{source.title}: its file is not there any more; look again")
    rows = pl.scan_parquet(path, glob=False, row_index_name="row" if numbered else None)
    if spans:
        start = min(first for first, _ in spans)
        rows = rows.slice(start, max(last for _, last in spans) - start + 1)
    rows = rows.filter(condition=source.condition, axis=source.axis)
    if source.table == "measures":
        return rows
    return rows.filter(proposition=source.proposition, readout=source.readout)


def states_of(source: Source, rows: pl.LazyFrame) -> pl.LazyFrame:
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


def _count(rows: pl.LazyFrame) -> int:
    return rows.select(pl.col("subject").n_unique()).collect(engine="streaming").item()


def compartments(rows: pl.LazyFrame) -> list[str]:
    """Return the names of compartments, in the order in which they were recorded."""
    named = pl.col("extra").str.json_path_match("$.state").alias("state")
    found = (
        rows.filter(measure="share")
        .select(named)
        .unique(maintain_order=True)
        .collect(engine="streaming")["state"]
    )
    return found.drop_nulls().to_list()

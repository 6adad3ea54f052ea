"""What a run holds by layer, however a study recorded it.

Layers stand in the record in three ways: as the axis (``time`` is the layer), as an extra field ``layer`` beside
another axis, and as a number at the end of a measure's name (``lens/0``, ``lens/1``, …).
"""
# ruff: noqa: S608 - what stands in these queries are names of this code; values of a browser are parameters

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import polars as pl

from doxa.lab.view.run_data import Cell, RunData
from doxa.lab.view.series import CHOICES, Table, Where, extra_field, remembered

LAYER = extra_field("layer", number=True)
"""SQL of the layer where it is an extra field."""

FAMILY = r"^(.*[^0-9])([0-9]{1,4})$"
"""Measures whose names end in a layer: the rest of the name, the layer."""

FEWEST = 3
"""How many numbers a family of measures must have, from 0 or 1 on without a gap, to count as layers."""

Way = Literal["axis", "field", "name"]


class Source(NamedTuple):
    """Something a run holds by layer.

    Attributes:
        table: where it is.
        way: how its layer is recorded.
        name: of the measure, or the readout of the beliefs; of a family what its names begin with.
    """

    table: Table
    way: Way
    name: str

    @property
    def id(self) -> str:
        """Its name in an address."""
        return f"{self.table}/{self.way}/{self.name}"

    @property
    def title(self) -> str:
        """Its name in words."""
        return (
            f"beliefs, {self.name}"
            if self.table == "beliefs"
            else f"{self.name}{'…' if self.way == 'name' else ''}"
        )

    @property
    def layer(self) -> str:
        """SQL of the layer."""
        number = f"TRY_CAST(regexp_extract(measure, '{FAMILY}', 2) AS DOUBLE)"
        return {"axis": "time", "field": LAYER, "name": number}[self.way]

    @property
    def where(self) -> Where:
        """Its rows."""
        column = "readout" if self.table == "beliefs" else "measure"
        if self.way == "name":
            return Where(f"regexp_extract(measure, '{FAMILY}', 1) = ? AND axis <> 'layer'", (self.name,))
        axis = "axis = 'layer'" if self.way == "axis" else f"axis <> 'layer' AND {LAYER} IS NOT NULL"
        return Where(f"{column} = ? AND {axis}", (self.name,))


def sources(run: RunData) -> list[Source]:
    """Return what the run holds by layer: first what also has a time, those with most rows before others."""
    return remembered(run, ("layer sources",), lambda: _sources(run))


def _sources(run: RunData) -> list[Source]:
    found: list[Source] = []
    tables: tuple[tuple[Table, str], ...] = (("measures", "measure"), ("beliefs", "readout"))
    for table, column in tables:
        if not run.count(table):
            continue
        rows = run.sql(
            f"""
            SELECT {column} AS name, CASE WHEN axis = 'layer' THEN 'axis' ELSE 'field' END AS way, count(*) AS rows
            FROM {table} WHERE axis = 'layer' OR (contains(extra, '"layer"') AND {LAYER} IS NOT NULL)
            GROUP BY ALL ORDER BY rows DESC, name, way LIMIT {CHOICES}
            """
        )
        found += [Source(table, row["way"], row["name"]) for row in rows]
        if table == "measures":
            found += _families(run)
    return sorted(found, key=lambda source: source.way == "axis")


def _families(run: RunData) -> list[Source]:
    rows = run.sql(
        f"""
        SELECT name, list(DISTINCT number) AS numbers FROM (
            SELECT DISTINCT regexp_extract(measure, '{FAMILY}', 1) AS name,
                TRY_CAST(regexp_extract(measure, '{FAMILY}', 2) AS INTEGER) AS number
            FROM measures WHERE axis <> 'layer' AND regexp_matches(measure, '{FAMILY}'))
        GROUP BY name ORDER BY name LIMIT {CHOICES}
        """
    )
    return [Source("measures", "name", row["name"]) for row in rows if _in_a_row(row["numbers"])]


def _in_a_row(numbers: Iterable[int]) -> bool:
    held = sorted(numbers)
    return len(held) >= FEWEST and held[0] in (0, 1) and held[-1] - held[0] + 1 == len(held)


_GLANCE = 6


def by_layer(run: RunData) -> bool:
    """Return whether a run seems to hold something by layer: one cell each of a few conditions is read."""
    return remembered(run, ("by layer",), lambda: _by_layer(run))


def _by_layer(run: RunData) -> bool:
    first: dict[str, Cell] = {}
    for cell in run.cells():
        first.setdefault(cell.condition, cell)
    return any(_holds(run, cell) for cell in list(first.values())[:_GLANCE])


def _holds(run: RunData, cell: Cell) -> bool:
    for table in ("measures", "beliefs"):
        path = run.folder.cells / cell.key / f"{table}.parquet"
        if not cell.rows[table] or not path.is_file():
            continue
        try:
            rows = pl.scan_parquet(path, glob=False)
            layered = (pl.col("axis") == "layer") | pl.col("extra").str.contains('"layer":', literal=True)
            if rows.filter(layered).head(1).collect().height:
                return True
            names = (
                rows.select(pl.col("measure").unique()).collect()["measure"] if table == "measures" else []
            )
        except (OSError, pl.exceptions.PolarsError):
            continue
        if _has_family(names):
            return True
    return False


def _has_family(names: Iterable[Any]) -> bool:
    held: dict[str, set[int]] = {}
    for name in names:
        match = re.fullmatch(FAMILY, str(name))
        if match:
            held.setdefault(match[1], set()).add(int(match[2]))
    return any(_in_a_row(numbers) for numbers in held.values())

"""Numbers of a table over their axis, for drawing: means over seeds with intervals, and a few single seeds.

Every row counts alike within its seed; each seed's mean then counts alike, and the interval is Student's over seeds.
All is computed by DuckDB; what comes back is bounded however long the run is.
"""

# ruff: noqa: S608 - what stands in these queries are names of this code; values of a browser are parameters
from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar, cast

from doxa.belief.inference import student_interval
from doxa.errors import InputError, did_you_mean
from doxa.lab.record import SCHEMAS
from doxa.lab.view.run_data import RunData, whole

LEVEL = 0.95
"""Coverage of every interval."""

POINTS = 5000
"""How many points one picture has at most, means and single seeds together."""

SEEDS = 6
"""How many single seeds are drawn for each line at most."""

FEWEST_MOMENTS = 12
"""Into how many stretches of time a line is divided at least, whatever the number of lines."""

CHOICES = 500
"""How many values of a column are offered at most."""

Table = Literal["beliefs", "measures", "transcripts"]

T = TypeVar("T")


class Where(NamedTuple):
    """A condition on rows, as SQL, with its values."""

    sql: str
    values: tuple[Any, ...]

    def also(self, sql: str, *values: object) -> Where:
        """Return this and a further condition."""
        return Where(f"{self.sql} AND {sql}", (*self.values, *values))


@dataclass(frozen=True)
class Question:
    """What is asked of a table. The SQL in it is never a text that a browser sent.

    Attributes:
        table: the table.
        value: column or SQL expression of the number.
        groups: name in the answer to column or SQL expression; each combination of their values is one line.
        where: which rows.
        time: column or SQL expression of the place on the axis.
        single: whether single seeds are wanted beside the means.
        recorded: whether a number that stands alone keeps the interval that was recorded with it, ``low`` and ``high``
            in its extra fields.
        most: into how many stretches time is divided at most, for whatever number of lines.
    """

    table: Table
    value: str
    groups: Mapping[str, str]
    where: Where
    time: str = "time"
    single: bool = True
    recorded: bool = False
    most: int = POINTS


@dataclass(frozen=True)
class Series:
    """Points of lines, in the order of their groups and times.

    Attributes:
        means: groups, ``time``, ``mean``, ``low``, ``high``, ``seeds`` (with a number), ``rows``, ``missing`` (rows
            without a number), ``endless`` (rows whose number is infinite; they are not in the mean), ``middle`` (of the
            stretch of time, the same for all lines).
        singles: groups, ``seed``, ``time``, ``mean`` of the first seeds.
        seeds: how many seeds there are in all.
        moments: into how many stretches time was divided; None where every time stands by itself.
    """

    means: list[dict[str, Any]]
    singles: list[dict[str, Any]]
    seeds: int
    moments: int | None


def equal_to(table: Table, picks: Mapping[str, str]) -> Where:
    """Return the rows whose columns have the values picked; an empty value picks all.

    Raises:
        InputError: a column does not exist, or a seed is no whole number.
    """
    where = Where("true", ())
    for column, value in picks.items():
        if column not in SCHEMAS[table]:
            raise InputError(f"{column}={value!r}: {did_you_mean(column, SCHEMAS[table])}")
        if value != "":
            where = where.also(f"{column} = ?", whole(value, column) if column == "seed" else value)
    return where


FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
"""Names of extra fields that can stand in a query."""


def extra_field(name: str, *, number: bool = False) -> str:
    """Return the SQL of an extra field as text, or as a number; nothing where a row does not have it.

    Raises:
        InputError: the name could end its place in the query.
    """
    if not FIELD.fullmatch(name):
        raise InputError(f"field={name!r}: must be a word of letters, digits and '_'")
    text = f"CASE WHEN json_valid(extra) THEN json_extract_string(extra, '$.{name}') END"
    return f"TRY_CAST({text} AS DOUBLE)" if number else text


def averaged(run: RunData, question: Question) -> Series:
    """Return the means over seeds, and the first seeds by themselves.

    Raises:
        StoreError: the query needs too much memory, or the files went away meanwhile.
    """
    return remembered(run, ("averaged", repr(question)), lambda: _averaged(run, question))


def _averaged(run: RunData, question: Question) -> Series:
    groups = ", ".join(question.groups)
    columns = "".join(f"{column} AS {name}, " for name, column in question.groups.items())
    ends = ", ".join(
        f"{extra_field(end, number=True) if question.recorded else 'NULL::DOUBLE'} AS {end}"
        for end in ("low", "high")
    )
    rows = (
        f"(SELECT {columns} seed, {question.time}::DOUBLE AS t, {question.value}::DOUBLE AS v, {ends} "
        f"FROM {question.table} WHERE {question.where.sql} AND isfinite({question.time}::DOUBLE))"
    )
    values = question.where.values
    lines = run.sql(
        f"SELECT {groups}, list(seed) AS seeds FROM (SELECT DISTINCT {groups}, seed FROM {rows}) GROUP BY ALL",
        values,
    )
    if not lines:
        return Series([], [], 0, None)
    (extent,) = run.sql(
        f"SELECT min(t) AS first, max(t) AS last, approx_count_distinct(t) AS times FROM {rows}", values
    )
    seeds: list[int] = sorted({seed for line in lines for seed in line["seeds"]})
    shown = seeds[:SEEDS] if question.single and len(seeds) > 1 else []
    most = min(question.most, max(FEWEST_MOMENTS, POINTS // (len(lines) * (1 + len(shown)))))
    moments = None if extent["times"] <= most else most
    start, width = extent["first"], (extent["last"] - extent["first"]) / most
    stretch = "t" if moments is None else f"least(floor((t - ?) / ?), {most - 1})"
    found = run.sql(
        f"""
        WITH each AS MATERIALIZED (
            SELECT {groups}, seed, {stretch} AS moment, sum(t) AS times, count(*) AS rows,
                avg(v) FILTER (isfinite(v)) AS mean,
                count(*) FILTER (v IS NULL OR isnan(v)) AS missing, count(*) FILTER (isinf(v)) AS endless,
                min(low) AS low, max(high) AS high
            FROM {rows} GROUP BY {groups}, seed, moment
        )
        SELECT {groups}, NULL AS seed, moment, sum(times) / sum(rows) AS time, avg(mean) AS mean,
            stddev_samp(mean) AS spread, count(mean) AS seeds, sum(rows)::BIGINT AS rows,
            sum(missing)::BIGINT AS missing, sum(endless)::BIGINT AS endless, min(low) AS low, max(high) AS high
        FROM each GROUP BY {groups}, moment
        UNION ALL
        SELECT {groups}, seed, moment, times / rows, mean, NULL, NULL, rows, missing, endless, low, high
        FROM each WHERE list_contains(?::BIGINT[], seed)
        ORDER BY {groups}, seed NULLS FIRST, moment
        """,
        (*(() if moments is None else (start, width)), *values, shown),
    )
    for row in found:
        row["middle"] = row["moment"] if moments is None else start + (row["moment"] + 0.5) * width
    kept = (*question.groups, "seed", "time", "mean")
    return Series(
        [_mean(row, question.groups) for row in found if row["seed"] is None],
        [{name: row[name] for name in kept} for row in found if row["seed"] is not None],
        len(seeds),
        moments,
    )


def _mean(row: Mapping[str, Any], groups: Mapping[str, str]) -> dict[str, Any]:
    low = high = None
    if row["seeds"] > 1:
        _, low, high, _ = student_interval(row["mean"], row["spread"], row["seeds"], LEVEL)
    if row["rows"] == 1 and row["mean"] is not None:
        low, high = row["low"], row["high"]
    kept = (*groups, "time", "mean", "seeds", "rows", "missing", "endless", "middle")
    return {**{name: row[name] for name in kept}, "low": low, "high": high}


def counted(
    run: RunData, table: Table, columns: Sequence[str], where: Where | None = None
) -> list[dict[str, Any]]:
    """Return each combination of columns with its number of ``rows``, most rows first, at most ``CHOICES`` + 1."""
    wanted = where or Where("true", ())
    names = ", ".join(columns)
    query = (
        f"SELECT {names}, count(*) AS rows FROM {table} WHERE {wanted.sql} "
        f"GROUP BY ALL ORDER BY rows DESC, {names} LIMIT {CHOICES + 1}"
    )
    return remembered(run, (query, repr(wanted.values)), lambda: run.sql(query, wanted.values))


_KEPT_ROWS = 30_000
"""Of all that is remembered, about 25 MB."""

_remembered: OrderedDict[tuple[object, ...], object] = OrderedDict()
_lock = threading.Lock()


def remembered(run: RunData, name: tuple[object, ...], make: Callable[[], T]) -> T:
    """Return what was made of the same cells of a run before, or make it; the last ones made are kept.

    What comes back is shared: it must not be changed.
    """
    cells = hash(tuple((cell.key, cell.stamp) for cell in run.cells()))
    key = (str(run.path.resolve()), cells, *name)
    with _lock:
        if key in _remembered:
            _remembered.move_to_end(key)
            return cast(T, _remembered[key])
    made = make()
    with _lock:
        _remembered[key] = made
        held = sum(map(_rows, _remembered.values()))
        while held > _KEPT_ROWS and len(_remembered) > 1:
            held -= _rows(_remembered.popitem(last=False)[1])
    return made


def _rows(made: object) -> int:
    """Return about how many rows something that is remembered has; small things count as ten."""
    if isinstance(made, Series):
        return 10 + len(made.means) + len(made.singles)
    return 10 + (len(cast(list[object], made)) if isinstance(made, list) else 0)

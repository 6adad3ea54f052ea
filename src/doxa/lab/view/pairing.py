# ruff: noqa: S608 - the names in the queries are constants of this module; what comes from outside is bound
"""The tables of two runs, paired as ``doxa.compare`` pairs them, and what their differences are: by DuckDB, in pieces.

Rows are paired on their keys and, where several rows of a run have equal keys, on their order. Cells that share no
condition and seed with others are paired alone. Where two such cells hold the same keys row by row, as runs of one
study do, the rows are paired by their place, which needs no sorting and no memory; else by a join.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from doxa.belief.inference import Interval, student_interval
from doxa.errors import InputError, StoreError
from doxa.lab.view.run_views import QUERYING, closed_database, filled, patterns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Table = Literal["beliefs", "measures"]
Value = Literal["credence", "log_odds", "value"]

KEYS: Mapping[str, tuple[str, ...]] = {
    "beliefs": ("condition", "seed", "subject", "proposition", "axis", "time", "readout"),
    "measures": ("condition", "seed", "subject", "axis", "time", "measure", "unit"),
}
"""The columns on which rows are paired, as in ``doxa.compare``."""

LINE: Mapping[str, tuple[str, ...]] = {
    "beliefs": ("condition", "subject", "proposition", "axis", "readout"),
    "measures": ("condition", "subject", "measure", "axis", "unit"),
}
"""The columns that tell one difference from another where all times are taken together."""

VALUES: Mapping[str, tuple[Value, ...]] = {"beliefs": ("credence", "log_odds"), "measures": ("value",)}

MOST_LINES = 20_000
"""More differences than this are not told apart; a filter makes them fewer."""


class Difference(NamedTuple):
    """One difference between two runs: first minus second, the mean over seeds with Student's interval.

    Attributes:
        key: what it is of, by column; with ``time`` and ``turn`` (which of several equal rows) where these are told
            apart, else all of them are averaged within a seed.
        a: mean over seeds in the first run, of the rows that have a number in both.
        b: the same in the second.
        mean: of the differences of the seeds, with its interval; none from one seed.
        pairs: how many pairs of rows had a number on both sides.
        missing: how many pairs lacked one, or had one that is not finite.
    """

    key: Mapping[str, Any]
    a: float
    b: float
    mean: Interval
    pairs: int
    missing: int


class Single(NamedTuple):
    """Rows that only one run has: which run, of what, in how many seeds, how many."""

    run: Literal["a", "b"]
    key: Mapping[str, Any]
    seeds: int
    rows: int


@dataclass
class Pairing:
    """What came of pairing one table of two runs.

    Attributes:
        differences: one for each key, the largest first.
        single: what only one run has.
        paired: pairs of rows.
        only: rows that only one run has, by run.
    """

    differences: list[Difference] = field(default_factory=list[Difference])
    single: list[Single] = field(default_factory=list[Single])
    paired: int = 0
    only: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})


def pair(
    a: Sequence[Path],
    b: Sequence[Path],
    table: Table,
    *,
    value: Value | None = None,
    by_time: bool = False,
    where: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Pairing:
    """Pair the rows of a table of two runs and return their differences.

    Args:
        a: Parquet files of the first run's cells, in the order of its manifest.
        b: of the second run's.
        table: ``beliefs`` or ``measures``.
        value: which number; the first of ``VALUES`` by default. Credence and log-odds that the files leave out are
            computed by the logistic function of the C library, equal to the record to about 1e-15.
        by_time: tell times, and rows with equal keys, apart.
        where: column to value; only rows that equal all of them, of the keys, are paired.
        level: coverage of the intervals.

    Raises:
        InputError: an unknown column or number, or more than ``MOST_LINES`` differences.
        StoreError: a file was taken away, or memory and disk do not suffice.
    """
    import duckdb

    number = value or VALUES[table][0]
    if number not in VALUES[table]:
        raise InputError(f"value={number!r}: {table} have {' and '.join(VALUES[table])}")
    for column in where or {}:
        if column not in KEYS[table]:
            raise InputError(f"{column}: {table} are not paired on it; use {', '.join(KEYS[table])}")
    with (
        QUERYING,
        tempfile.TemporaryDirectory(prefix="doxa-compare-") as spill,
        closing(closed_database({file.parent for file in [*a, *b]}, spill)) as connection,
    ):
        try:
            work = _Work(connection, table, number, by_time, dict(where or {}))
            for files in work.pieces([str(path) for path in a], [str(path) for path in b]):
                work.add(*files)
            return work.told(level)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise StoreError(f"the runs could not be compared ({error}); look again, or narrow it") from error


class _Work:
    """Adds up the pieces of one pairing in two small tables."""

    def __init__(
        self, connection: DuckDBPyConnection, table: Table, value: Value, by_time: bool, where: dict[str, str]
    ) -> None:
        self._run = connection
        self._keys = KEYS[table]
        self._line = (*LINE[table], *(("time", "turn") if by_time else ()))
        self._by_time = by_time
        self._value = value
        self._where = where
        self._paired = 0
        numbers = {"time": "DOUBLE", "turn": "BIGINT"}
        typed = ", ".join(f"{name} {numbers.get(name, 'VARCHAR')}" for name in self._line)
        connection.execute(
            f"CREATE TABLE seeds ({typed}, seed BIGINT, pairs BIGINT, usable BIGINT, a DOUBLE, b DOUBLE, d DOUBLE)"
        )
        named = ", ".join(f"{name} VARCHAR" for name in LINE[table])
        connection.execute(f"CREATE TABLE single (run VARCHAR, {named}, seed BIGINT, n BIGINT)")
        self._table: Table = table

    def pieces(self, a: list[str], b: list[str]) -> list[tuple[list[str], list[str]]]:
        """Return the files in groups that share no condition and seed, each group in the order of the manifests."""
        root: dict[Any, Any] = {}

        def find(item: Any) -> Any:
            while root.setdefault(item, item) != item:
                item = root[item]
            return item

        for run, files in (("a", a), ("b", b)):
            if files:
                query = (
                    "SELECT DISTINCT filename, condition, seed FROM read_parquet($files, filename=true) a "
                )
                parameters = {"files": patterns(files), **self._bound()}
                for file, condition, seed in self._run.execute(
                    query + self._filter("a"), parameters
                ).fetchall():
                    root[find((run, file))] = find((condition, seed))
        groups: dict[Any, tuple[list[str], list[str]]] = {}
        for run, files in (("a", a), ("b", b)):
            for file in files:
                if (run, file) in root:  # else it has no such rows
                    groups.setdefault(find((run, file)), ([], []))["ab".index(run)].append(file)
        return list(groups.values())

    def add(self, a: list[str], b: list[str]) -> None:
        """Pair one group of files."""
        if a and b and self._by_place(a, b):
            return
        for run, files, other in (("a", a, b), ("b", b, a)):
            if not other:
                self._all_single(run, files)
        if a and b:
            self._by_join(a, b)

    def _by_place(self, a: list[str], b: list[str]) -> bool:
        """Pair by place if the keys are the same row by row; return whether they are."""
        same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in self._keys)
        pairs = "read_parquet($a) a POSITIONAL JOIN read_parquet($b) b"
        files = {"a": patterns(a), "b": patterns(b)}
        if self._count(f"SELECT count(*) FROM {pairs} WHERE NOT ({same})", files):
            return False
        source = f"SELECT {self._picked('a')}, {self._numbers()} FROM {pairs} {self._filter('a')}"
        if self._by_time:
            placed = source.replace("SELECT", "SELECT row_number() OVER () AS place,", 1)
            alike = ", ".join(self._keys)
            source = (
                f"SELECT *, row_number() OVER (PARTITION BY {alike} ORDER BY place) AS turn FROM ({placed})"
            )
        self._keep(source, files)
        return True

    def _by_join(self, a: list[str], b: list[str]) -> None:
        sides = {run: self._numbered(run) for run in "ab"}
        same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in (*self._keys, "turn"))
        files = {"a": patterns(a), "b": patterns(b), "names_a": a, "names_b": b}
        self._run.execute(
            f"CREATE OR REPLACE TEMP TABLE joined AS SELECT a.turn IS NOT NULL AS in_a, b.turn IS NOT NULL AS in_b, "
            f"coalesce(a.turn, b.turn) AS turn, {self._picked('a', 'b')}, {self._numbers()} "
            f"FROM ({sides['a']}) a FULL JOIN ({sides['b']}) b ON {same}",
            {**files, **self._bound()},
        )
        self._keep("SELECT * FROM joined WHERE in_a AND in_b", {}, bound=False)
        for run, other in (("a", "b"), ("b", "a")):
            self._keep_single(f"SELECT '{run}' AS run, * FROM joined WHERE NOT in_{other}", {})
        self._run.execute("DROP TABLE joined")

    def _all_single(self, run: str, files: list[str]) -> None:
        source = f"SELECT '{run}' AS run, {self._picked('a')} FROM read_parquet($a) a {self._filter('a')}"
        self._keep_single(source, {"a": patterns(files), **self._bound()})

    def _numbered(self, run: str) -> str:
        """Return the rows of one side, those with equal keys numbered in the order of the run."""
        keys = ", ".join(self._keys)
        return (
            f"SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY list_position($names_{run}, filename), "
            f"file_row_number) AS turn FROM read_parquet(${run}, filename=true, file_row_number=true) {run} "
            f"{self._filter(run)}"
        )

    def _picked(self, *runs: str) -> str:
        columns = self._keys
        if len(runs) == 1:
            return ", ".join(f"{runs[0]}.{name}" for name in columns)
        return ", ".join(
            f"coalesce({', '.join(f'{run}.{name}' for run in runs)}) AS {name}" for name in columns
        )

    def _numbers(self) -> str:
        return ", ".join(f"{filled(self._value, run)} AS value_{run}" for run in "ab")

    def _filter(self, run: str) -> str:
        tests = [f"CAST({run}.{column} AS VARCHAR) = $where_{column}" for column in self._where]
        return f"WHERE {' AND '.join(tests)}" if tests else ""

    def _bound(self) -> dict[str, str]:
        return {f"where_{column}": value for column, value in self._where.items()}

    def _keep(self, source: str, files: dict[str, list[str]], *, bound: bool = True) -> None:
        line = ", ".join((*self._line, "seed"))
        usable = "isfinite(value_a) AND isfinite(value_b)"
        self._run.execute(
            f"INSERT INTO seeds SELECT {line}, count(*), count(*) FILTER ({usable}), avg(value_a) FILTER ({usable}), "
            f"avg(value_b) FILTER ({usable}), avg(value_a - value_b) FILTER ({usable}) FROM ({source}) GROUP BY {line}",
            {**files, **(self._bound() if bound else {})},
        )
        self._refuse_many()

    def _refuse_many(self) -> None:
        """Give up as soon as one seed has too many lines: there are no fewer of all seeds."""
        if self._count("SELECT max(n) FROM (SELECT count(*) AS n FROM seeds GROUP BY seed)", {}) > MOST_LINES:
            raise InputError(
                f"more than {MOST_LINES:,} differences; pick a condition, a subject or what is compared, "
                "or take all times together"
            )

    def _keep_single(self, source: str, parameters: dict[str, Any]) -> None:
        line = ", ".join(("run", *LINE[self._table], "seed"))
        self._run.execute(
            f"INSERT INTO single SELECT {line}, count(*) FROM ({source}) GROUP BY {line}", parameters
        )

    def _count(self, query: str, parameters: dict[str, Any]) -> int:
        found = self._run.execute(query, parameters).fetchone()
        return 0 if found is None else int(found[0] or 0)

    def told(self, level: float) -> Pairing:
        """Return what came of all pieces."""
        line = ", ".join(self._line)
        found = Pairing()
        # a seed's rows of one line may lie in several pieces only if nothing of them is equal, which pieces exclude
        rows = self._run.execute(
            f"SELECT {line}, avg(a), avg(b), avg(d), stddev_samp(d), count(d), sum(pairs), sum(usable) "
            f"FROM seeds GROUP BY {line}"
        ).fetchall()
        width = len(self._line)
        for row in rows:
            a, b, mean, spread, seeds, pairs, usable = row[width:]
            found.paired += int(pairs)
            key = dict(zip(self._line, row[:width], strict=True))
            interval = student_interval(_number(mean), _number(spread), seeds, level)
            found.differences.append(
                Difference(key, _number(a), _number(b), interval, int(usable), int(pairs - usable))
            )
        found.differences.sort(key=_by_size)
        named = ", ".join(("run", *LINE[self._table]))
        for run, *key, seeds, many in self._run.execute(
            f"SELECT {named}, count(*), sum(n) AS rows FROM single GROUP BY {named} ORDER BY rows DESC, {named}"
        ).fetchall():
            found.single.append(
                Single(run, dict(zip(LINE[self._table], key, strict=True)), int(seeds), int(many))
            )
            found.only[run] += int(many)
        return found


def _by_size(one: Difference) -> tuple[float, str]:
    size = one.mean.estimate
    return (math.inf if math.isnan(size) else -abs(size), repr(sorted(one.key.items())))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)

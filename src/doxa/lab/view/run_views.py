"""DuckDB over the finished cells of one run: three views, one question at a time, nothing else within reach."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from doxa.errors import InputError, StoreError
from doxa.lab.record import SCHEMAS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "128MB"
"""The most that one query may hold in memory; one that needs more ends with an error that says so."""

THREADS = 2

QUERYING = threading.RLock()
"""One query at a time in all runs, so that no more than ``MEMORY`` is in use."""

_SQL = {"String": "VARCHAR", "Int64": "BIGINT", "Float64": "DOUBLE"}

_FILLED = {
    "log_odds": """coalesce({0}.log_odds, CASE WHEN {0}.credence <= 0 THEN '-inf'::DOUBLE
        WHEN {0}.credence >= 1 THEN 'inf'::DOUBLE ELSE ln({0}.credence) - ln(1 - {0}.credence) END)""",
    "credence": """coalesce({0}.credence, CASE WHEN {0}.log_odds >= 0 THEN 1 / (1 + exp(-{0}.log_odds))
        ELSE exp({0}.log_odds) / (1 + exp({0}.log_odds)) END)""",
}


class Views:
    """The views of one run.

    Args:
        path: the run's folder, the only place that queries can read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: list[str] | None = None
        self._connection: DuckDBPyConnection | None = None

    def ask(
        self, keys: Sequence[str], query: str, parameters: Sequence[Any] | Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the answer of one SELECT over the tables of some cells.

        Args:
            keys: of finished and undamaged cells.
            query: with ``?`` or ``$name`` for each parameter.
            parameters: their values.

        Raises:
            InputError: it is not exactly one SELECT.
            StoreError: it needs more memory than allowed, or files were taken away meanwhile.
        """
        import duckdb

        with QUERYING:
            connection = self._connected()
            try:
                self._show(connection, list(keys))
                statements = connection.extract_statements(query)
                if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                    raise InputError("a view is read by exactly one SELECT")
                answer = connection.execute(statements[0], cast(Any, parameters))
                names = [column[0] for column in answer.description or []]
                return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
            except duckdb.OutOfMemoryException as error:
                raise StoreError(
                    f"{self._path.name}: this look needs more than {MEMORY} of memory; narrow it by a filter"
                ) from error
            except duckdb.IOException as error:
                self._keys = None
                raise StoreError(
                    f"{self._path.name}: its files changed while they were read; look again"
                ) from error

    def close(self) -> None:
        """Free what is held; the next question opens it anew."""
        with QUERYING:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._keys = None, None

    def _connected(self) -> DuckDBPyConnection:
        if self._connection is None:
            self._connection = closed_database([self._path])
        return self._connection

    def _show(self, connection: DuckDBPyConnection, keys: list[str]) -> None:
        if self._keys != keys:
            for table in SCHEMAS:
                connection.execute(f"CREATE OR REPLACE VIEW {table} AS {self._select(table, keys)}")
            self._keys = keys

    def _select(self, table: str, keys: list[str]) -> str:
        if not keys:
            columns = ", ".join(f"NULL::{_SQL[str(kind)]} AS {name}" for name, kind in SCHEMAS[table].items())
            return f"SELECT {columns}, NULL::VARCHAR AS cell, NULL::BIGINT AS place WHERE false"
        root = self._path.resolve() / "cells"
        files = ", ".join(quoted(literal(f"{root}/{key}/{table}.parquet")) for key in keys)
        where = "split_part(filename, '/', -2) AS cell, file_row_number AS place"
        exact = ", ".join(f"{filled(name, 'held')} AS {name}" for name in _FILLED if name in SCHEMAS[table])
        columns = f"* REPLACE ({exact})" if exact else "*"
        return f"SELECT {columns}, {where} FROM read_parquet([{files}]) held"  # noqa: S608 - our names


def filled(column: str, table: str) -> str:
    """Return the SQL of a column of a file; a credence or log-odds it leaves out by the logistic function."""
    return _FILLED.get(column, f"{{0}}.{column}").format(table)


def closed_database(folders: Iterable[Path], spill: str = "") -> DuckDBPyConnection:
    """Return an empty database in memory that reads these folders and nothing else.

    Args:
        folders: what it may read.
        spill: folder for what does not fit into memory; "" for none, then such a query fails.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": THREADS})
    places = [str(folder.resolve()) for folder in folders] + ([spill] if spill else [])
    spelt = dict.fromkeys(f"{way}/" for place in places for way in (place, literal(place)))
    for setting in (
        "enable_external_file_cache=false",
        "autoinstall_known_extensions=false",
        "autoload_known_extensions=false",
        f"temp_directory={quoted(spill)}",
        f"allowed_directories=[{', '.join(map(quoted, spelt))}]",
        "enable_external_access=false",
        "lock_configuration=true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def literal(path: str) -> str:
    """Return a path in which no letter stands for others, as ``*`` would.

    >>> literal("/runs/a[1]*/cells")
    '/runs/a[[]1][*]/cells'
    """
    return re.sub(r"[*?[]", lambda match: f"[{match[0]}]", path)


def patterns(paths: Iterable[str]) -> list[str]:
    """Return what ``read_parquet`` must be told to read exactly these files."""
    return [literal(path) for path in paths]

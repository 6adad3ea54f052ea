"""DuckDB's side: a table in memory with the columns of the record, and SQL."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
from kit.side import Work, serve
from sides.store_rows import ASKED, asked_steps, in_any_order, in_order, rows

HOLDER = "condition, seed, subject, proposition, axis, readout"


def prepare(case: dict[str, Any]) -> Work:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {case['threads']}")
    made = rows(case)._asdict()  # noqa: F841 - DuckDB finds it by name
    connection.execute(
        """CREATE TABLE beliefs AS SELECT 'base' AS condition, 0::BIGINT AS seed,
           format('agent {:04d}', holder) AS subject, format('proposition {:04d}', proposition) AS proposition,
           'step' AS axis, step::DOUBLE AS time, 'stated' AS readout,
           ln(credence / (1 - credence)) AS log_odds, credence, 1::BIGINT AS n, '{}' AS extra FROM made"""
    )
    if case["do"] == "as of":
        queries = [
            f"SELECT {HOLDER}, max(time) AS time, arg_max(credence, time) AS credence FROM beliefs"
            f" WHERE time <= {step} GROUP BY {HOLDER}"
            for step in asked_steps(case)
        ]
        return lambda: [in_any_order(_ask(connection, query)) for query in queries]
    query = f"SELECT * FROM beliefs WHERE proposition = 'proposition {ASKED:04d}' ORDER BY {HOLDER}, time"
    return lambda: in_order(_ask(connection, query))


def _ask(connection: duckdb.DuckDBPyConnection, query: str) -> np.ndarray:
    """Keep the whole answer in DuckDB's own form and fetch one column of it."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {query}")
    return connection.execute("SELECT credence FROM answer").fetchnumpy()["credence"]


if __name__ == "__main__":
    serve(prepare, packages=("duckdb",))

"""The table of beliefs, page by page, with filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from doxa.canonical import Json
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.picks import one_of, whole_number
from doxa.lab.view.run_data import RunData

FILTERS = ("condition", "seed", "subject", "proposition", "readout")

EXPORTED = 2000
"""Rows that a static export keeps."""

MOST = 1000
"""Rows of one page at most."""


def clipped(text: str, most: int) -> str:
    """Return the beginning of a text, and how much of it is left out.

    >>> clipped("abcdef", 4)
    'abcd … (2 more characters)'
    """
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def _data(run: RunData, query: Query) -> Json:
    if "values" in query:
        found = run.values("beliefs", one_of(query, "values", FILTERS))
        return {"values": found[:200], "more": len(found) > 200}
    where = {name: query[name] for name in FILTERS if query.get(name)}
    if "total" in query:
        return {"total": run.total("beliefs", where)}
    offset, limit = whole_number(query, "offset", 0), whole_number(query, "limit", 100, MOST)
    page = run.rows("beliefs", offset, limit, where)
    rows = [{**row, "extra": clipped(row["extra"], 1000)} for row in page.rows]
    return {"rows": cast(Json, rows), "offset": offset, "total": page.total}


def _applies(run: RunData) -> bool:
    return run.has("beliefs")


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    rows = min(EXPORTED, run.count("beliefs"))
    return [{"offset": str(offset), "limit": "100"} for offset in range(0, rows, 100)]


def _left_out(run: RunData) -> str:
    rows = run.count("beliefs")
    return f"It holds the first {EXPORTED:,} of {rows:,} beliefs." if rows > EXPORTED else ""


PANEL = Panel("beliefs", "Beliefs", _data, _applies, _exported, _left_out, place=60)

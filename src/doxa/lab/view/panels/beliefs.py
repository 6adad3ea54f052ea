"""The table of beliefs, page by page, with filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.run_data import RunData

FILTERS = ("condition", "seed", "subject", "proposition", "readout")

EXPORTED = 2000
"""Rows that a static export keeps."""

MOST = 1000
"""Rows of one page at most."""


def whole_number(query: Query, name: str, default: int, most: int | None = None) -> int:
    """Return a number of a query.

    Raises:
        InputError: it is no whole number, negative, or too large.
    """
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise InputError(f"{name}={text!r}: must be a whole number >= 0")
    if most is not None and int(text) > most:
        raise InputError(f"{name}={text}: must be <= {most}")
    return int(text)


def clipped(text: str, most: int) -> str:
    """Return the beginning of a text, and how much of it is left out.

    >>> clipped("abcdef", 4)
    'abcd … (2 more characters)'
    """
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def _data(run: RunData, query: Query) -> Json:
    if "values" in query:
        name = query["values"]
        if name not in FILTERS:
            raise InputError(f"values={name!r}: must be one of {', '.join(FILTERS)}")
        found = run.values("beliefs", name)
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


def _exported(run: RunData) -> Iterable[dict[str, str]]:  # noqa: ARG001 - the panel's signature
    return [{"offset": str(offset), "limit": "100"} for offset in range(0, EXPORTED, 100)]


def _left_out(run: RunData) -> str:
    rows = run.count("beliefs")
    return f"It holds the first {EXPORTED:,} of {rows:,} beliefs." if rows > EXPORTED else ""


PANEL = Panel("beliefs", "Beliefs", _data, _applies, _exported, _left_out, place=60)

"""A population over its days: a network, agents, or how many are what, one day after another."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import cast

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.picks import checked, whole_number
from doxa.lab.view.population_sources import Source, sources
from doxa.lab.view.populations import frames, population
from doxa.lab.view.run_data import Cell, RunData

BYTES = 400_000
"""Of the frames of one answer, about; at least one day."""

NAMED = 2_000
"""Agents whose names are sent; of more they are counted."""

EXPORTED_BYTES = 2_000_000
"""Frames that an export keeps of one cell."""

_KNOWN = ("cell", "what", "from")


def _data(run: RunData, query: Query) -> Json:
    checked(query, _KNOWN)
    offered = _cells(run)
    if not offered:
        return {"cells": [], "sources": []}
    cell = _cell(offered, query.get("cell", ""))
    held = _sources(run, cell)
    head: dict[str, Json] = {
        "cells": [[one.key, _called(one, offered)] for one in offered],
        "cell": cell.key,
        "sources": [source.title for source in held],
    }
    if not held:
        return head
    source = _source(held, query.get("what", ""))
    path = run.file(source.table, cell)
    known = population(source, path)
    many = max(1, BYTES // max(1, len(known.agents)))
    if "from" in query:
        if not known.agents:
            raise InputError(f"from={query['from']}: {source.title} has no single agents on record")
        first = whole_number(query, "from", 0)
        if first >= len(known.days):
            raise InputError(f"from={first}: must be below {len(known.days)}, the number of days")
        states = frames(source, known, path, first, many)
        return {"from": first, "days": len(states), "frames": base64.b64encode(states.tobytes()).decode()}
    return {
        **head,
        "what": source.title,
        "axis": source.axis,
        "state": "credence" if source.kind == "beliefs" else "opinion",
        "part": source.kind == "map" and known.whole,
        "agents": len(known.agents),
        "names": cast(Json, known.agents if len(known.agents) <= NAMED else []),
        "days": cast(Json, known.days),
        "every": known.every,
        "kinds": cast(Json, known.kinds),
        "domain": list(known.domain),
        "places": cast(Json, None if known.network is None else known.network.places),
        "links": cast(Json, None if known.network is None else known.network.links),
        "bins": cast(Json, known.bins),
        "bars": cast(Json, known.bars),
        "series": cast(Json, known.series),
        "chunk": many,
    }


def _sources(run: RunData, cell: Cell) -> list[Source]:
    return sources(run.file("beliefs", cell), run.file("measures", cell))


def _cells(run: RunData) -> list[Cell]:
    """Return the cells of those conditions whose first cell holds a population."""
    found: dict[str, bool] = {}
    cells = run.cells()
    for cell in cells:
        if cell.condition not in found:
            found[cell.condition] = bool(_sources(run, cell))
    return [cell for cell in cells if found[cell.condition]]


def _cell(offered: list[Cell], key: str) -> Cell:
    for cell in offered:
        if key in ("", cell.key):
            return cell
    raise InputError(f"cell={key!r}: holds no population, or is not finished; pick one from the list")


def _source(held: list[Source], title: str) -> Source:
    for source in held:
        if title in ("", source.title):
            return source
    raise InputError(f"what={title!r}: must be one of {'; '.join(source.title for source in held)}")


def _called(cell: Cell, offered: list[Cell]) -> str:
    """Return what a reader tells a cell by: its condition, its seed, and its params where these are not enough."""
    alike = [one for one in offered if (one.condition, one.seed) == (cell.condition, cell.seed)]
    told = [f"{name} {value}" for name, value in cell.params.items()] if len(alike) > 1 else []
    return " · ".join([cell.condition, f"seed {cell.seed}", *told])


def _applies(run: RunData) -> bool:
    return bool(_cells(run))


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    """Return the first cell of each condition, each source, and its frames as far as they are not too large."""
    yield {}
    seen: set[str] = set()
    for cell in _cells(run):
        if cell.condition in seen:
            continue
        seen.add(cell.condition)
        for number, source in enumerate(_sources(run, cell)):
            query = {"cell": cell.key, "what": source.title}
            yield query
            if not number:
                yield {"cell": cell.key}
            known = population(source, run.file(source.table, cell))
            many = max(1, BYTES // max(1, len(known.agents)))
            if known.agents and len(known.agents) * len(known.days) <= EXPORTED_BYTES:
                for first in range(0, len(known.days), many):
                    yield {**query, "from": str(first)}


PANEL = Panel("population", "Population", _data, _applies, _exported, place=50)

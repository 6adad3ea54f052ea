"""Why a call was or was not served from the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from doxa.canonical import Json
from doxa.subjects.cache_journal import Call, Journal


def explain(journal: Journal, number: int) -> str:
    """Return why a call was or was not served from the journal, naming the first field that differs.

    Raises:
        StoreError: there is no such call.
    """
    call = journal.call(number)
    if call.outcome == "hit":
        first = journal.first_answer(call.key)
        source = "an equal question of the same batch" if first in (None, call.id) else f"call {first}"
        return f"call {number} was a hit: every field equals {source} (key {call.key[:12]})"
    if call.outcome != "not stored" and call.reason:
        why = call.reason
    else:
        why = _first_difference(call, journal.stored_before(call))
    after = {
        "stored": "; its answer was stored",
        "asked": "; its answer never came, the run was stopped",
        "not stored": f"; its answer was not stored: {call.reason}",
    }
    return f"call {number} was not a hit: {why}{after.get(call.outcome, '')}"


def _first_difference(call: Call, stored: Sequence[Call]) -> str:
    if not stored:
        return "nothing was stored before it"
    here = _fields(call.request)
    best: tuple[int, int, list[tuple[str, Json, Json]]] | None = None
    for other in stored:
        there = _fields(other.request)
        names = [*here, *(name for name in there if name not in here)]
        differ = [
            (name, here.get(name), there.get(name)) for name in names if here.get(name) != there.get(name)
        ]
        if differ and (best is None or len(differ) < best[0]):
            best = (len(differ), other.id, differ)
    if best is None:
        return "an equal request was stored before it under another key"
    count, other_id, differ = best
    name, mine, its = differ[0]
    more = f", and in {count - 1} more" if count > 1 else ""
    values = f"{_short(mine)} here, {_short(its)} there"
    return f"the nearest stored request (call {other_id}) differs in {name}: {values}{more}"


_ORDER = (
    "schema",
    "identity",
    "kind",
    "elicitor",
    "messages",
    "tools",
    "opening",
    "options",
    "sampling",
    "batch",
)


def _fields(request: Mapping[str, Json]) -> dict[str, Json]:
    """Return the leaves of a request by path, in the order in which a reader would compare them."""
    names = [*(name for name in _ORDER if name in request), *sorted(set(request) - set(_ORDER))]
    return leaves({name: request[name] for name in names})


def leaves(request: Mapping[str, Json]) -> dict[str, Json]:
    """Return what stands in a value by its path, such as ``messages[0].content``; a list's length too.

    >>> leaves({"b": [1, {"c": "x"}]})
    {'b.length': 2, 'b[0]': 1, 'b[1].c': 'x'}
    """
    out: dict[str, Json] = {}

    def walk(path: str, value: Json) -> None:
        if isinstance(value, Mapping):
            for key in sorted(value):
                walk(f"{path}.{key}", value[key])
        elif isinstance(value, Sequence) and not isinstance(value, str):
            out[f"{path}.length"] = len(value)
            for i, inner in enumerate(cast(Sequence[Json], value)):
                walk(f"{path}[{i}]", inner)
        else:
            out[path] = value

    for name, value in request.items():
        walk(name, value)
    return out


def _short(value: Json) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:40] + "…" + text[-15:]

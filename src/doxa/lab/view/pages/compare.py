"""Two runs beside each other: their configs, their findings, and the differences of their paired tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias, cast

from doxa.canonical import Json, canonical_json
from doxa.errors import InputError, StoreError
from doxa.lab.report.numbers import with_interval
from doxa.lab.view.pages import Page
from doxa.lab.view.pairing import LINE, VALUES, Difference, Pairing, Table, Value, pair
from doxa.lab.view.panels import Query
from doxa.lab.view.picks import checked, one_of, whole_number
from doxa.lab.view.run_data import RunData
from doxa.lab.view.run_list import Runs, entry_of
from doxa.lab.view.series import counted

LIMIT = 40
"""Differences of one page."""

MOST_SINGLE = 30
"""Lines of what only one run has that are listed; the others are counted."""

SORTS = ("size", "clear", "name")
KNOWN = ("a", "b", "part", "table", "value", "times", "sort", "offset")
PURE = "pure number"
"""What no unit is called in an address."""

OPTIONS = 200
"""Values of one pick that are offered."""


def _data(runs: Runs, query: Query) -> Json:
    checked(query, (*KNOWN, *(name for line in LINE.values() for name in line)))
    a, b = query.get("a", ""), query.get("b", "")
    if not (a and b):
        return {"runs": _offered(runs)}
    if a == b:
        raise InputError(f"a and b are both {a}; pick two different runs")
    first, second = runs.run(a), runs.run(b)
    part = query.get("part", "")
    if part == "differences":
        return _differences(first, second, query)
    if part:
        raise InputError(f"part={part!r}: must be differences, or left out")
    return {
        "runs": _offered(runs),
        "a": _facts(first),
        "b": _facts(second),
        "config": _config(first.manifest, second.manifest),
        "findings": _findings(first.findings(), second.findings()),
    }


def _offered(runs: Runs) -> list[Json]:
    """Return the names of the runs with what tells them apart, the latest first."""
    return [
        {"name": entry.name, "study": entry.study, "preset": entry.preset, "started": entry.started}
        for entry in runs.entries()
        if entry.state != "damaged"
    ]


def _facts(run: RunData) -> dict[str, Json]:
    entry = dataclasses.asdict(entry_of(run.path))
    return cast(dict[str, Json], entry)


def _config(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Json]:
    """Return what the runs were started with where it differs, and how many settings are the same."""
    sides = [
        {name: side.get(name) for name in ("study", "preset", "code")} | dict(side["config"])
        for side in (a, b)
    ]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    absent = object()
    held = {name: [side.get(name, absent) for side in sides] for name in names}
    differ: list[Json] = [
        {
            "name": name,
            "a": None if one is absent else _written(one),
            "b": None if two is absent else _written(two),
        }
        for name, (one, two) in held.items()
        if one is absent or two is absent or canonical_json(one) != canonical_json(two)
    ]
    return {"differ": differ, "same": len(names) - len(differ)}


def _written(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _findings(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return the findings of both runs by id, in the order of the first, with what changed."""
    sides = [{str(one["id"]): one for one in found} for found in (a, b)]
    rows: list[Json] = []
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        one, two = (side.get(name) for side in sides)
        known = one or two or {}
        if one is None or two is None:
            change = "only in B" if one is None else "only in A"
        else:
            change = "verdict" if one["verdict"] != two["verdict"] else ""
        rows.append(
            {
                "id": name,
                "claim": str(known.get("claim", "")),
                "control": bool(known.get("control")),
                "a": _finding(one),
                "b": _finding(two),
                "change": change,
            }
        )
    return rows


def _finding(one: Mapping[str, Any] | None) -> Json:
    if one is None:
        return None
    ends = tuple(one["interval"]) if one["interval"] else None
    number, written = with_interval(one["estimate"], ends)
    return {"verdict": one["verdict"], "number": number, "ends": written, "unit": one["unit"]}


def _differences(a: RunData, b: RunData, query: Query) -> Json:
    """Return one page of paired differences, what may be picked, and what only one run has."""
    table = one_of(query, "table", tuple(sorted(LINE, key=lambda name: not (a.has(name) and b.has(name)))))
    value = one_of(query, "value", VALUES[table])
    sort = one_of(query, "sort", SORTS)
    by_time = one_of(query, "times", ("together", "apart")) == "apart"
    offset = whole_number(query, "offset", 0)
    paired = partial(_paired, a, b, cast(Table, table), cast(Value, value))
    try:
        whole = paired(by_time=False, where={})
        options = _options(whole, table)
    except InputError:  # too many differences to tell apart; of what is picked there may be fewer
        whole = None
        options = {name: _values(a, b, cast(Table, table), name) for name in LINE[table]}
    where = {name: query[name] for name in LINE[table] if query.get(name)}
    if where.get("unit") == PURE:
        where["unit"] = ""
    for name, wanted in where.items():
        if whole is not None and wanted not in options[name]:
            raise InputError(f"{name}={wanted!r}: neither run has {table} of it")
    refused = ""
    try:
        found = paired(by_time=by_time, where=where) if by_time or whole is None else whole
    except InputError as error:
        found, refused = Pairing(), str(error)
    unitless = {name: wanted for name, wanted in where.items() if name != "unit"}
    lines = [one for one in found.differences if _is(one.key, unitless)]
    pairs = sum(one.pairs + one.missing for one in lines)
    units = _units(lines) if table == "measures" else {}
    unit = where.get("unit", next(iter(units), ""))
    if units:
        lines = [one for one in lines if one.key["unit"] == unit]
    lines = _sorted(lines, sort)
    shown = lines[offset : offset + LIMIT]
    varying = [name for name in LINE[table] if name != "unit" and len({one.key[name] for one in lines}) > 1]
    telling = varying or ["proposition" if table == "beliefs" else "measure"]
    single = [one for one in found.single if _is(one.key, unitless)]
    return {
        "table": table,
        "unit": (unit or PURE) if units else None,
        "units": [[name or PURE, count] for name, count in units.items()],
        "options": {name: cast(Json, values[:OPTIONS]) for name, values in options.items()},
        "lines": [_line(one, telling) for one in shown],
        "offset": offset,
        "limit": LIMIT,
        "total": len(lines),
        "clear": sum(_is_clear(one) for one in lines),
        "paired": pairs,
        "refused": refused,
        "missing": sum(one.missing for one in lines),
        "only": {run: sum(one.rows for one in single if one.run == run) for run in "ab"},
        "damaged": {"a": len(a.damaged()), "b": len(b.damaged())},
        "single": [
            {"run": one.run.upper(), **one.key, "seeds": one.seeds, "rows": one.rows}
            for one in single[:MOST_SINGLE]
        ],
        "single_total": len(single),
    }


def _is(key: Mapping[str, Any], where: Mapping[str, str]) -> bool:
    return all(key[name] == value for name, value in where.items())


def _options(found: Pairing, table: str) -> dict[str, list[str]]:
    keys = [one.key for one in (*found.differences, *found.single)]
    return {name: sorted({str(key[name]) for key in keys}) for name in LINE[table]}


def _values(a: RunData, b: RunData, table: Table, name: str) -> list[str]:
    return sorted({str(row[name]) for run in (a, b) for row in counted(run, table, [name])})


def _units(lines: Sequence[Difference]) -> dict[str, int]:
    """Return how many lines have each unit, most first: only numbers of one unit have one order by size."""
    counted: dict[str, int] = {}
    for one in lines:
        counted[one.key["unit"]] = counted.get(one.key["unit"], 0) + 1
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _sorted(lines: Sequence[Difference], sort: str) -> list[Difference]:
    if sort == "name":
        return sorted(lines, key=lambda one: [str(value) for value in one.key.values()])
    if sort == "clear":
        return sorted(lines, key=lambda one: -_clearness(one))
    return list(lines)


def _clearness(one: Difference) -> float:
    """Return by how many of its half widths a difference lies from zero; -1 where there is no interval."""
    if one.mean.ends is None:
        return -1.0
    half = one.mean.high - one.mean.estimate
    return math.inf if half == 0.0 and one.mean.estimate else abs(one.mean.estimate) / half if half else 0.0


def _is_clear(one: Difference) -> bool:
    return one.mean.ends is not None and not one.mean.low <= 0.0 <= one.mean.high


def _line(one: Difference, telling: Sequence[str]) -> Json:
    ends = one.mean.ends
    label = " · ".join(str(one.key[name]) for name in telling)
    if "time" in one.key:
        label += f" · {one.key['axis']} {one.key['time']:g}"
        label += f" ({one.key['turn']})" if one.key["turn"] > 1 else ""
    return {
        **one.key,
        "label": label,
        "a": _finite(one.a),
        "b": _finite(one.b),
        "difference": _finite(one.mean.estimate),
        "low": None if ends is None else ends[0],
        "high": None if ends is None else ends[1],
        "clear": _is_clear(one),
        "seeds": one.mean.n,
        "pairs": one.pairs,
        "missing": one.missing,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


_Stamped: TypeAlias = tuple[tuple[Path, int], ...]


def _paired(
    a: RunData, b: RunData, table: Table, value: Value, *, by_time: bool, where: Mapping[str, str]
) -> Pairing:
    first, second = (tuple(map(_stamped, run.files(table))) for run in (a, b))
    return _pairing(first, second, table, value, by_time, tuple(sorted(where.items())))


@lru_cache(maxsize=2)
def _pairing(
    a: _Stamped, b: _Stamped, table: Table, value: Value, by_time: bool, where: tuple[tuple[str, str], ...]
) -> Pairing:
    """Pair; the last two are kept, so that turning a page or picking a condition does not pair again."""
    first, second = ([path for path, _ in side] for side in (a, b))
    return pair(first, second, table, value=value, by_time=by_time, where=dict(where))


def _stamped(path: Path) -> tuple[Path, int]:
    try:
        return path, path.stat().st_mtime_ns
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error


def _exported(runs: Runs) -> Iterable[dict[str, str]]:
    """Return the list, and the last two runs of each study beside each other."""
    yield {}
    last: dict[str, list[str]] = {}
    for entry in runs.entries():
        if entry.state != "damaged":
            last.setdefault(entry.study, []).append(entry.name)
    for names in last.values():
        if len(names) > 1:
            pair_of = {"a": names[1], "b": names[0]}
            yield pair_of
            yield {**pair_of, "part": "differences"}
            for table in LINE:
                yield {**pair_of, "part": "differences", "table": table}


PAGE = Page("compare", "Compare", "/compare", _data, _exported, place=10)

"""Any measure over its axis: means over seeds with intervals, conditions told apart by colour or by picture."""

# ruff: noqa: S608 - what stands in these queries are names of this code; values of a browser are parameters
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.figures import PALETTE, intervals
from doxa.lab.record import AXES
from doxa.lab.view.lines_picture import distinct, lines_picture, shown
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.panels.trajectories import PICTURES, about, ends_of
from doxa.lab.view.picks import checked, one_of, pick, values_of
from doxa.lab.view.run_data import RunData
from doxa.lab.view.series import (
    CHOICES,
    FIELD,
    Question,
    Series,
    Where,
    averaged,
    counted,
    equal_to,
    extra_field,
    remembered,
)
from doxa.lab.view.talks import fields_of

LINES = len(PALETTE)
"""How many lines one picture has at most, one for each colour."""

_NAMES = ("measure", "condition", "subject", "axis", "lines")
_MOST_FIELDS = 400
_MOST_VALUES = 24
_ABOUT_VALUE = {"low", "high", "missing"}


def _data(run: RunData, query: Query) -> Json:
    checked(query, _NAMES)
    names = counted(run, "measures", ["measure"])
    if not names:
        return {"picks": [], "pictures": [], "about": ["This run has no measures."]}
    measure = query.get("measure") or str(names[0]["measure"])
    if not any(row["measure"] == measure for row in names) and len(names) <= CHOICES:
        raise InputError(f"measure={measure!r}: the run has no such measure; pick one of its list")
    picks = {"measure": measure, **{name: query.get(name, "") for name in ("condition", "subject")}}
    where = equal_to("measures", picks)
    axes = counted(run, "measures", ["axis"], equal_to("measures", {"measure": measure}))
    axis = one_of(query, "axis", AXES, axes[0]["axis"] if axes else "step")
    where = where.also("axis = ?", axis)
    fields = _fields(run, equal_to("measures", {"measure": measure}))
    by = one_of(query, "lines", ["condition", "subject", *fields], "condition")
    pictures, said = _drawn(run, measure, axis, by, where, picks)
    return {
        "picks": [
            pick("measure", "Measure", values_of(names, "measure"), measure),
            *(_offered(run, measure, name, picks[name]) for name in ("condition", "subject")),
            pick("axis", "Axis", values_of(axes, "axis"), axis),
            pick("lines", "Lines by", ["condition", "subject", *fields], by),
        ],
        "pictures": cast(Json, pictures),
        "about": cast(Json, said),
    }


def _offered(run: RunData, measure: str, name: str, value: str) -> Json:
    rows = counted(run, "measures", [name], equal_to("measures", {"measure": measure}))
    return pick(name, name.capitalize(), values_of(rows, name), value, every="all")


def _fields(run: RunData, where: Where) -> list[str]:
    """Return the extra fields that tell rows of a measure apart: few different values, at least two."""
    query = f"SELECT DISTINCT extra FROM measures WHERE {where.sql} LIMIT {_MOST_FIELDS}"
    rows = remembered(run, (query, repr(where.values)), lambda: run.sql(query, where.values))
    held: dict[str, set[str]] = {}
    for row in rows:
        for name, value in fields_of(row["extra"]).items():
            if isinstance(value, str | int | bool) and FIELD.fullmatch(name) and name not in _ABOUT_VALUE:
                held.setdefault(name, set()).add(str(value))
    return sorted(name for name, values in held.items() if 2 <= len(values) <= _MOST_VALUES)


def _drawn(
    run: RunData, measure: str, axis: str, by: str, where: Where, picks: Mapping[str, str]
) -> tuple[list[dict[str, Json]], list[str]]:
    """Return the pictures and what is said of them."""
    own = by in ("condition", "subject")
    line = by if own else f"coalesce({extra_field(by)}, 'none')"
    apart = by if by == "condition" or picks["condition"] else "condition"
    facet = "''" if apart == by or picks["condition"] else "condition"
    lines = [str(row["line"]) for row in _values(run, line, where)]
    facets = sorted(str(row["line"]) for row in _values(run, facet, where))
    most = PICTURES * LINES if facet == "''" else LINES
    kept, kept_facets = lines[:most], facets[:PICTURES]
    if len(lines) > most:
        where = where.also(f"list_contains(?::VARCHAR[], {line})", kept)
    if len(facets) > PICTURES:
        where = where.also("list_contains(?::VARCHAR[], condition)", kept_facets)
    question = Question("measures", "value", {"facet": facet, "line": line}, where, recorded=True)
    series = averaged(run, question)
    unit = _unit(run, measure)
    title = f"{shown(measure)} ({shown(unit)})" if unit else shown(measure)
    pictures = _pictures(series, kept, kept_facets, axis, title)
    free = [name for name in ("condition", "subject") if name not in (by, apart) and not picks[name]]
    about_it = equal_to("measures", {"measure": measure})
    over = [f"{name}s" for name in free if len(counted(run, "measures", [name], about_it)) > 1]
    said = about(series, over, 0, apart)
    for name, count, drawn in ((by, len(lines), len(kept)), ("condition", len(facets), len(kept_facets))):
        if count > drawn:
            said.append(f"{count - drawn:,} further values of {name} are not drawn; pick one to see it.")
    return pictures, said


def _values(run: RunData, column: str, where: Where) -> list[dict[str, Any]]:
    query = f"SELECT DISTINCT {column} AS line FROM measures WHERE {where.sql} ORDER BY line LIMIT 1000"
    return remembered(run, (query, repr(where.values)), lambda: run.sql(query, where.values))


def _unit(run: RunData, measure: str) -> str:
    rows = counted(run, "measures", ["unit"], equal_to("measures", {"measure": measure}))
    return " or ".join(values_of(rows, "unit"))


def _pictures(
    series: Series, lines: Sequence[str], facets: Sequence[str], axis: str, title: str
) -> list[dict[str, Json]]:
    if not series.means:
        return []
    times = [row["time"] for row in series.means]
    if min(times) == max(times):
        return _dots(series, facets, axis, title)
    parts = [lines[start : start + LINES] for start in range(0, len(lines), LINES)]
    found: list[dict[str, Json]] = []
    for facet in facets:
        for part in parts:
            held = set(part)
            means = [row for row in series.means if row["facet"] == facet and row["line"] in held]
            if not means:
                continue
            found.append(
                lines_picture(
                    f"measure-{len(found) + 1}",
                    shown(facet) if facet or len(facets) > 1 else title,
                    means,
                    [row for row in series.singles if row["facet"] == facet and row["line"] in held],
                    group="line",
                    known=part,
                    x_title=axis,
                    y_title=title,
                    domain=ends_of(series),
                    across=(min(times), max(times)),
                )
            )
    return found


def _dots(series: Series, facets: Sequence[str], axis: str, title: str) -> list[dict[str, Json]]:
    """Return pictures of one moment: a dot with its interval for each line."""
    found: list[dict[str, Json]] = []
    for facet in facets:
        rows = [row for row in series.means if row["facet"] == facet]
        names = distinct([str(row["line"]) for row in rows])
        dots = [
            {
                **{name: row[name] for name in ("mean", "low", "high", "seeds", "rows", "missing")},
                "line": name,
            }
            for row, name in zip(rows, names, strict=True)
        ]
        if dots:
            drawn = intervals(
                f"measure-{len(found) + 1}", title, f"At {axis} {series.means[0]['time']:g}.", dots,
                label="line", value="mean", value_title=title, domain=ends_of(series),
            )  # fmt: skip
            held = {
                "title": shown(facet) if facet or len(facets) > 1 else title,
                "name": drawn.id,
                "spec": dict(drawn.spec),
            }
            found.append({**held, "rows": cast(Json, dots)})
    return found


def _applies(run: RunData) -> bool:
    return run.has("measures")


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    yield {}
    names = counted(run, "measures", ["measure"])
    yield from ({"measure": str(row["measure"])} for row in names[:60] if row["measure"])


PANEL = Panel("measures", "Measures", _data, _applies, _exported, place=32)

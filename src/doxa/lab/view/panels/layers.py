"""Heat maps of layers by time, wherever a run holds something by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from doxa.canonical import Json
from doxa.lab.figures.channels import Part, figure, layer
from doxa.lab.figures.figure import PALETTE
from doxa.lab.figures.rows import Line, short
from doxa.lab.view.layer_sources import Source, by_layer, sources
from doxa.lab.view.lines_picture import distinct, shown
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.panels.trajectories import SCALES, about
from doxa.lab.view.picks import checked, one_of, pick, values_of
from doxa.lab.view.run_data import RunData
from doxa.lab.view.series import Question, Series, Where, averaged, counted

PICTURES = 8
"""How many heat maps are drawn at most."""

COLUMNS = 60
"""Into how many columns time is divided at most, or how many conditions stand beside each other."""

_NAMES = ("what", "condition", "proposition", "subject", "axis", "scale")
_CELL_PX = 22


def _data(run: RunData, query: Query) -> Json:
    checked(query, _NAMES)
    held = sources(run)
    if not held:
        return {"picks": [], "pictures": [], "about": ["This run holds nothing by layer."]}
    what = one_of(query, "what", [source.id for source in held], held[0].id)
    source = next(one for one in held if one.id == what)
    picks = {name: query.get(name, "") for name in _columns(source)}
    whole = source.where
    where = whole
    for column, value in picks.items():
        where = where.also(f"{column} = ?", value) if value else where
    axes = [row["axis"] for row in counted(run, source.table, ["axis"], whole)]
    axis = one_of(query, "axis", axes, axes[0])
    where = where.also("axis = ?", axis)
    scale = one_of(query, "scale", SCALES, "credence") if source.table == "beliefs" else "value"
    series, left = _asked(run, source, scale, where, picks)
    titles = SCALES[scale] if source.table == "beliefs" else _title(run, source)
    offered = [
        pick(
            name,
            name.capitalize(),
            values_of(counted(run, source.table, [name], whole), name),
            value,
            every="all",
        )
        for name, value in picks.items()
    ]
    scales = [pick("scale", "Scale", list(SCALES.items()), scale)] if source.table == "beliefs" else []
    over = [
        f"{row['name']}s" for row in offered if len(cast(list[Json], row["options"])) > 2 and not row["value"]
    ]
    over = [name for name in over if name != "conditions"]
    return {
        "picks": [
            pick("what", "What", [(one.id, shown(one.title)) for one in held], what),
            *offered,
            pick("axis", "Axis", axes, axis),
            *scales,
        ],
        "pictures": cast(Json, _pictures(series, source, axis, titles, scale)),
        "about": cast(Json, [*about(series, over, 0, "condition"), *left]),
    }


def _columns(source: Source) -> tuple[str, ...]:
    return ("condition", "subject", *(("proposition",) if source.table == "beliefs" else ()))


def _title(run: RunData, source: Source) -> str:
    units = " or ".join(values_of(counted(run, "measures", ["unit"], source.where), "unit"))
    return f"{shown(source.title)}{f' ({shown(units)})' if units else ''}"


def _asked(
    run: RunData, source: Source, scale: str, where: Where, picks: Mapping[str, str]
) -> tuple[Series, list[str]]:
    """Return the numbers by condition, layer and time; along the axis of layers every condition is a column."""
    conditions = values_of(counted(run, source.table, ["condition"], where), "condition")
    most = COLUMNS if source.way == "axis" else PICTURES
    said: list[str] = []
    if len(conditions) > most and not picks["condition"]:
        where = where.also("list_contains(?::VARCHAR[], condition)", conditions[:most])
        said.append(f"{len(conditions) - most:,} further conditions are not drawn; pick one to see it.")
    along = source.way == "axis"
    question = Question(
        source.table,
        scale,
        {"condition": "condition", "layer": source.layer},
        where,
        time="0" if along else "time",
        single=False,
        recorded=source.table == "measures",
        most=COLUMNS,
    )
    return averaged(run, question), said


def _pictures(series: Series, source: Source, axis: str, title: str, scale: str) -> list[dict[str, Json]]:
    rows = [row for row in series.means if row["layer"] is not None]
    if not rows:
        return []
    held = [row["mean"] for row in rows if row["mean"] is not None]
    ends = _ends(held, scale)
    if source.way == "axis":
        names = dict(zip(*_named(rows), strict=True))
        columns = [{**row, "column": names[row["condition"]]} for row in rows]
        return [_heat("layers-1", title, columns, list(names.values()), "condition", title, ends)]
    times = sorted({row["middle"] for row in rows})
    labels = dict(zip(times, distinct([f"{short(time):g}" for time in times]), strict=True))
    found: list[dict[str, Json]] = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        own = [{**row, "column": labels[row["middle"]]} for row in rows if row["condition"] == condition]
        name = f"layers-{len(found) + 1}"
        found.append(_heat(name, shown(condition), own, list(labels.values()), axis, title, ends))
    return found


def _named(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    conditions = list(dict.fromkeys(str(row["condition"]) for row in rows))
    return conditions, distinct(conditions)


def _ends(held: Sequence[float], scale: str) -> tuple[float, float, float | None]:
    """Return the ends of the colours, and where they turn if there is a middle: even odds, or zero."""
    if scale == "credence":
        return 0.0, 1.0, 0.5
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    if low < 0.0 < high or scale == "log_odds":
        reach = max(abs(low), abs(high)) or 1.0
        return -reach, reach, 0.0
    return (low, high, None) if low < high else (low - 0.5, high + 0.5, None)


def _heat(
    name: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    x_title: str,
    value_title: str,
    ends: tuple[float, float, float | None],
) -> dict[str, Json]:
    """Return one heat map: layers upward, time or conditions across, a cell without a number crossed."""
    low, high, middle = ends
    pale = "rgba(128,128,128,0.08)"
    colours = [pale, PALETTE[0]] if middle is None else [PALETTE[1], pale, PALETTE[0]]
    domain = [low, high] if middle is None else [low, middle, high]
    layers = sorted({row["layer"] for row in rows})
    told = {
        "mean": ".4~g",
        "low": ".4~g",
        "high": ".4~g",
        "seeds": ",",
        "rows": ",",
        "missing": ",",
        "endless": ",",
    }
    lines: list[Line] = [
        {
            "layer": f"{row['layer']:g}",
            "column": row["column"],
            **{column: None if row[column] is None else short(float(row[column])) for column in told},
        }
        for row in rows
    ]
    axis: Part = {
        "title": x_title,
        "ticks": False,
        "domain": False,
        "labelOverlap": True,
        "labelAngle": _angle(columns),
    }
    place: Part = {
        "x": {
            "field": "column",
            "type": "nominal",
            "sort": None,
            "scale": {"domain": list(columns)},
            "axis": axis,
        },
        "y": {
            "field": "layer",
            "type": "nominal",
            "sort": None,
            "scale": {"domain": [f"{number:g}" for number in reversed(layers)]},
            "axis": {"title": "layer", "ticks": False, "domain": False, "labelOverlap": True},
        },
    }
    legend: Part = {"title": value_title, "gradientLength": 200, "orient": "top", "titleLimit": 400}
    scale: Part = {"domain": cast(Json, domain), "range": cast(Json, colours), "clamp": True}
    tooltip: list[Json] = [
        {"field": "layer", "type": "nominal"},
        {"field": "column", "type": "nominal", "title": x_title},
        *(
            {
                "field": column,
                "type": "quantitative",
                "format": form,
                "title": {"endless": "infinite"}.get(column, column),
            }
            for column, form in told.items()
        ),
    ]
    colour: Part = {"field": "mean", "type": "quantitative", "scale": scale, "legend": legend}
    drawn = layer(
        "rect", {**place, "color": colour, "tooltip": tooltip}, stroke="currentColor", strokeOpacity=0.08
    )
    crossed: Part = {
        "transform": [{"filter": {"field": "mean", "valid": False}}],
        **layer("text", {**place, "tooltip": tooltip}, text="×", opacity=0.7),
    }
    missing = [crossed] if any(line["mean"] is None for line in lines) else []
    height = max(120, min(520, _CELL_PX * len(layers)))
    made = figure(name, title, "", [drawn, *missing], lines, height)
    return {"title": title, "name": name, "spec": dict(made.spec)}


def _angle(columns: Sequence[str]) -> int:
    """Return by how much the labels below are turned: not at all where they fit beside each other on 400 px."""
    return 0 if sum(max(len(name), 3) for name in columns) <= 48 else -40


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    yield {}
    yield from ({"what": source.id} for source in sources(run)[:40])


PANEL = Panel("layers", "Layers", _data, by_layer, _exported, place=34)

"""Figures in the page: the specification as inert data, a place to draw it, and its numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

from doxa.canonical import Json, canonical_json
from doxa.lab.figures import THEME, Figure
from doxa.lab.report.blocks import table
from doxa.lab.report.markup import Html, element, join, visible

_MOST_ROWS = 200


def plot(figure: Figure) -> Html:
    """Return one figure; the page's script draws it into the empty box."""
    rows = _rows(figure.spec)
    fold = (
        element("details", element("summary", "Data as table"), *_data_table(rows, figure.title))
        if rows
        else None
    )
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", figure.title),
            element("p", figure.caption) if figure.caption else None,
        ),
        element("div", class_="plot", role="region", aria_label=figure.title),
        _inert(drawable(figure)),
        element("div", fold, class_="under"),
    )


def _inert(spec: Json) -> Html:
    """Return JSON in a script element that no browser runs; it holds no character that could end it."""
    data = canonical_json(spec)
    for character in "<>&\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json">{data}</script>')


def drawable(figure: Figure) -> Json:
    """Return the specification without what could steer the page, in the house theme if it has none of its own."""
    spec = {key: value for key, value in figure.spec.items() if key not in {"$schema", "usermeta"}}
    spec.setdefault("description", f"{figure.title}. {figure.caption}")
    spec.setdefault("config", THEME)
    return _clean(spec)


def _clean(value: Json) -> Json:
    """Spell out unseen characters; numbers that are not finite become null."""
    if value == "__proto__":
        return "'__proto__'"  # Vega keeps names as keys of plain objects, where this one is not a key
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _rows(spec: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """Return the figure's data: that of the whole figure, else all data found within."""
    found: list[Mapping[str, Json]] = []
    named = spec.get("datasets")
    sets = list(named.values()) if isinstance(named, Mapping) else []
    data = spec.get("data")
    if isinstance(data, Mapping):
        sets.append(data.get("values"))
    for values in sets:
        if isinstance(values, Sequence) and not isinstance(values, str):
            found += [row for row in values if isinstance(row, Mapping) and row]
    if found:
        return found
    for key in ("layer", "hconcat", "vconcat", "concat", "spec"):
        inner = spec.get(key)
        parts = [inner] if isinstance(inner, Mapping) else inner
        if isinstance(parts, Sequence) and not isinstance(parts, str):
            for part in cast(Sequence[Json], parts):
                found += _rows(part) if isinstance(part, Mapping) else []
    return found


def _data_table(rows: Sequence[Mapping[str, Json]], label: str) -> list[Html]:
    columns = [name for name in dict.fromkeys(key for row in rows for key in row) if not name.startswith("_")]
    shown = table(columns, [[row.get(column) for column in columns] for row in rows[:_MOST_ROWS]], label)
    if len(rows) <= _MOST_ROWS:
        return [shown]
    note = f"{len(rows) - _MOST_ROWS:,} more rows are in the run's folder."
    return [join(shown, element("p", note, class_="left-out"))]

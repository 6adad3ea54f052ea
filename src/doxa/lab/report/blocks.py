"""The blocks an audit adds: belief card, matrix of verdicts, plain table, prose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from urllib.parse import quote

from doxa.canonical import Json, canonical_json
from doxa.errors import InputError
from doxa.lab.report.bar import Bar
from doxa.lab.report.findings import badge, findings_table, tally
from doxa.lab.report.markup import Html, element, join
from doxa.lab.report.numbers import Scale, decimals_for, shared_scales, shown, with_interval
from doxa.lab.report.page import Block, Card, CardRow, Fact, Matrix, Number, Prose, Sheet, Verdicts


def block(content: Block) -> Html:
    """Return the inside of a block, without its heading."""
    match content:
        case Card():
            return join(_intro(content.intro), element("div", *map(_card_row, content.rows), class_="card"))
        case Matrix():
            return join(_intro(content.intro), _matrix(content))
        case Sheet():
            return join(
                _intro(content.intro), table(content.columns, content.rows, content.title, content.links)
            )
        case Verdicts():
            return _verdicts(content)
        case Prose():
            return join(*(element("p", part) for part in content.text.split("\n\n") if part.strip()))


def facts(entries: Sequence[Fact], name: str) -> Html | None:
    """Return labels and values as a list."""
    if not entries:
        return None
    pairs = [element("div", element("dt", fact.label), element("dd", fact.value)) for fact in entries]
    return element("dl", *pairs, class_=name)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Json]], label: str, links: Sequence[str] = ()
) -> Html:
    """Return a plain table that scrolls inside its own box; ``links`` are where the first entries lead.

    Raises:
        InputError: a row has more or fewer entries than there are columns.

    """
    for row in rows:
        if len(row) != len(columns):
            raise InputError(f"table {label!r}: a row has {len(row)} entries; it has {len(columns)} columns")
    numeric = [any(_is_number(row[index]) for row in rows) for index in range(len(columns))]
    right = ["right" if is_numeric else None for is_numeric in numeric]
    heads = [
        element("th", column, scope="col", class_=side) for column, side in zip(columns, right, strict=True)
    ]
    head = element("tr", *heads)
    body = [
        element("tr", *(element("td", entry, class_=s) for entry, s in zip(entries, right, strict=True)))
        for entries in _entries(rows, links)
    ]
    inside = element("table", element("thead", head), element("tbody", *body), class_="sheet")
    return scroll(inside, label)


def _entries(rows: Sequence[Sequence[Json]], links: Sequence[str]) -> Iterator[list[str]]:
    """Yield the entries of each row as text, the first as a link where it leads somewhere."""
    for row, link in zip_longest(rows, links):
        first, *rest = map(entry_text, row)
        yield [element("a", first, href=link) if link else first, *rest]


def _verdicts(content: Verdicts) -> Html:
    where = element("a", "The full report", href=f"{quote(content.run, safe='')}/report.html")
    return join(
        _intro(content.intro),
        element("p", where, class_="intro") if content.run else None,
        tally(content.findings),
        findings_table(content.findings) if content.findings else None,
    )


def scroll(inside: Html, label: str) -> Html:
    """Return a box that scrolls sideways by itself and can be reached with the keyboard."""
    return element("div", inside, class_="scroll", role="region", tabindex="0", aria_label=label)


def entry_text(value: Json) -> str:
    """Return a value as a reader wants to see it: numbers short, flat lists with commas, the rest as JSON."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−") if math.isfinite(value) else shown(value)
    if isinstance(value, list | tuple) and all(not isinstance(item, list | tuple | dict) for item in value):
        return ", ".join(entry_text(item) for item in value)
    return canonical_json(value)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _intro(sentence: str) -> Html | None:
    return element("p", sentence, class_="intro") if sentence else None


def _card_row(row: CardRow) -> Html:
    head = element("div", element("h3", row.title), badge(row.badge.text, row.badge.tone), class_="card-head")
    scales = shared_scales(
        [
            (n.unit, (n.value, *(n.interval or ()), n.start, *_around(n)))
            for n in row.numbers
            if n.span is None
        ]
    )
    left = iter(scales)
    bars = [_number(n, next(left) if n.span is None else Scale(*n.span)) for n in row.numbers]
    note = element("p", row.note, class_="note") if row.note else None
    return element(
        "article", head, element("div", *bars, class_="numbers"), note, facts(row.facts, "small-facts")
    )


def _around(number: Number) -> tuple[float, ...]:
    """Return what the scale must hold besides the number: its reference and the noise around it."""
    if number.reference is None:
        return ()
    floor = number.floor or 0.0
    return number.reference - floor, number.reference + floor


def _number(number: Number, scale: Scale) -> Html:
    value, ends = with_interval(number.value, number.interval)
    start = shown(number.start, decimals_for(number.interval)) + " → " if number.start is not None else ""
    spoken = " ".join(part for part in (number.label, start + value, number.unit, ends) if part)
    bar = Bar(
        scale, number.value, number.interval, number.start, number.reference, number.floor, spoken=spoken
    )
    written = [
        start,
        element("strong", value),
        " ",
        element("span", ends, class_="ends"),
        " ",
        element("span", number.unit, class_="unit"),
        element("span", number.note, class_="small") if number.note else None,
    ]
    return element(
        "div",
        element("span", number.label, class_="label"),
        element("span", *written, class_="value"),
        element("span", bar.draw() if number.value is not None else None, class_="drawn"),
        class_="number-row",
    )


def _matrix(content: Matrix) -> Html:
    head = element("tr", element("td"), *(element("th", column, scope="col") for column in content.columns))
    body: list[Html] = []
    for name, badges in content.rows:
        cells = [element("td", badge(b.text, b.tone) if b is not None else None) for b in badges]
        body.append(element("tr", element("th", name, scope="row"), *cells))
    inside = element("table", element("thead", head), element("tbody", *body), class_="sheet matrix")
    return scroll(inside, content.title)

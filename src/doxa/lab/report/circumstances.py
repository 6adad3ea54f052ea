"""What surrounds the results: configuration, counts of what went missing, provenance."""

from __future__ import annotations

from collections.abc import Sequence

from doxa.lab.report.blocks import entry_text, facts, scroll
from doxa.lab.report.markup import Html, element, join
from doxa.lab.report.numbers import shown
from doxa.lab.report.page import ConfigRow, Count, Fact


def config_table(rows: Sequence[ConfigRow]) -> Html:
    """Return the configuration; fields that differ from their default are marked and counted."""
    changed = sum(_differs(row) for row in rows)
    said = (
        f"{changed} of {len(rows)} fields differ from the default."
        if changed
        else "All fields have their default."
    )
    heads = ("Field", "Value", "Default", "Unit", "Paper", "Meaning")
    head = element("tr", *(element("th", word, scope="col") for word in heads))
    body = [
        element(
            "tr",
            element("th", element("code", row.field), scope="row"),
            element("td", entry_text(row.value), class_="value"),
            element("td", entry_text(row.default), class_="quiet"),
            element("td", row.unit, class_="quiet"),
            element("td", entry_text(row.paper)),
            element("td", row.meaning, class_="meaning"),
            class_="changed" if _differs(row) else None,
        )
        for row in rows
    ]
    inside = element("table", element("thead", head), element("tbody", *body), class_="sheet config")
    return join(element("p", said, class_="intro"), scroll(inside, "Configuration"))


def _differs(row: ConfigRow) -> bool:
    return entry_text(row.value) != entry_text(row.default)


def count_list(counts: Sequence[Count]) -> Html:
    """Return the counts, each with its share of the whole drawn."""
    return element("div", *map(_count, counts), class_="counts")


def _count(count: Count) -> Html:
    share = count.count / count.of if count.of else None
    whole = f"of {count.of:,}" if count.of is not None else ""
    percent = f"{shown(share * 100)} %" if share else ""
    drawn = None
    if share is not None:
        full = element("rect", class_="full", x="0", y="0", width="100%", height="6", rx="3")
        part = element(
            "rect", class_="part", x="0", y="0", width=f"{min(share, 1) * 100:.2f}%", height="6", rx="3"
        )
        drawn = element("svg", full, part, class_="share", width="100%", height="6", aria_hidden="true")
    small = " · ".join(part for part in (percent, count.note) if part)
    return element(
        "div",
        element("span", count.label, class_="label"),
        element("span", element("strong", f"{count.count:,}"), " ", element("span", whole, class_="quiet")),
        drawn,
        element("span", small, class_="small") if small else None,
        class_="count none" if count.count == 0 else "count",
    )


def provenance(entries: Sequence[Fact], command: str) -> Html:
    """Return versions, digests and machine, and the command that makes this page again."""
    again = None
    if command:
        label = element("p", "The same again:", class_="intro")
        again = join(label, scroll(element("pre", element("code", command), class_="command"), "Command"))
    return join(again, facts(entries, "facts-list"))

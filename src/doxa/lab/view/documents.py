"""The HTML that every page starts from: its head, its links, and an empty place that a script fills.

Names of runs are the only foreign text in it, and they are escaped here; all else comes as JSON and becomes text nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from doxa.lab.report.markup import visible
from doxa.lab.view.pages import Page, pages
from doxa.lab.view.panels import Panel


class Link(NamedTuple):
    """A link of a navigation."""

    address: str
    title: str
    here: bool


def page_document(page: Page) -> str:
    """Return the document of a page about the whole store."""
    return _document(page.title, "pages", page.name, "", _top(page.name), [])


def panel_document(run: str, panel: Panel, offered: Iterable[Panel]) -> str:
    """Return the document of a panel, with links to those that apply to the run."""
    links = [Link(panel_address(run, one.name), one.title, one.name == panel.name) for one in offered]
    return _document(panel.title, "panels", panel.name, run, _top("runs", on_it=False), links)


def error_document(title: str, text: str) -> str:
    """Return the document that says what went wrong and where to go."""
    return _document(title, "", "", "", _top(""), [], f'<p class="failed">{_text(text)}</p>')


def panel_address(run: str, panel: str) -> str:
    """Return where a panel of a run is."""
    return f"/run/{quote(run, safe='')}/{quote(panel, safe='')}"


def _top(here: str, *, on_it: bool = True) -> list[Link]:
    return [Link(page.path, page.title, on_it and page.name == here) for page in pages()]


def _document(
    title: str, kind: str, name: str, run: str, top: list[Link], beside: list[Link], inside: str = ""
) -> str:
    heading = (
        f'<p class="kicker">{_text(run)}</p><h1>{_text(title)}</h1>' if run else f"<h1>{_text(title)}</h1>"
    )
    panels = f'<nav class="panels" aria-label="Panels of this run">{_list(beside)}</nav>' if beside else ""
    whole = " · ".join(part for part in (title, run, "doxa") if part)
    scripts = '<script type="module" src="/static/start.js"></script>' if kind else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(whole)}</title>\n"
        '<link rel="icon" href="data:,">\n'
        '<link rel="stylesheet" href="/static/report.css">\n<link rel="stylesheet" href="/static/app.css">\n'
        f"{scripts}\n</head>\n"
        f'<body data-kind="{_text(kind)}" data-name="{_text(name)}" data-run="{escape(run)}">\n'
        '<a class="skip" href="#content">Skip to content</a>\n'
        f'<header><nav class="top" aria-label="Pages">{_list(top)}'
        '<button type="button" id="help" aria-keyshortcuts="?">Keys</button></nav>'
        f"{heading}</header>\n"
        f'<div class="{"columns" if beside else "whole"}">{panels}<main id="content" tabindex="-1">{inside}</main></div>\n'
        "<noscript><p>These pages are drawn by scripts of this server; allow them, or open a run's report.html."
        "</p></noscript>\n"
        "</body>\n</html>\n"
    )


def _list(links: list[Link]) -> str:
    def item(link: Link) -> str:
        here = ' aria-current="page"' if link.here else ""
        return f'<li><a href="{escape(link.address)}"{here}>{_text(link.title)}</a></li>'

    return f"<ol>{''.join(map(item, links))}</ol>"


def _text(raw: str) -> str:
    return escape(visible(raw))

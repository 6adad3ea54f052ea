"""The HTML that every page starts from: its head, its links, and an empty place that a script fills.

Names of runs are the only foreign text in it, and they are escaped here; all else comes as JSON and becomes text nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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


def panel_address(run: str, panel: str) -> str:
    """Return where a panel of a run is."""
    return f"/run/{quote(run, safe='')}/{quote(panel, safe='')}"


@dataclass(frozen=True)
class Site:
    """Where things are, and how a page is put together; by default as the server has it.

    Attributes:
        page: address of a page about the whole store.
        panel: address of a panel, by run and name.
        static: where scripts and styles are, with ``/`` at the end.
        script: the script that fills the page.
        policy: a content security policy that the page itself declares; "" where the server sends one.
        nonce: what scripts and styles carry under such a policy.
        said: what a reader is told of the page itself.
        inside: JSON for the script, which cannot end its own element; "" where a server answers.
    """

    page: Callable[[Page], str] = lambda page: page.path
    panel: Callable[[str, str], str] = panel_address
    static: str = "/static/"
    script: str = "start.js"
    policy: str = ""
    nonce: str = ""
    said: str = ""
    inside: str = ""


SERVER = Site()


def page_document(page: Page, site: Site = SERVER) -> str:
    """Return the document of a page about the whole store."""
    return _document(site, page.title, "pages", page.name, "", _top(site, page.name), [])


def panel_document(run: str, panel: Panel, offered: Iterable[Panel], site: Site = SERVER) -> str:
    """Return the document of a panel, with links to those that apply to the run."""
    links = [Link(site.panel(run, one.name), one.title, one.name == panel.name) for one in offered]
    return _document(site, panel.title, "panels", panel.name, run, _top(site, "runs", on_it=False), links)


def error_document(title: str, text: str) -> str:
    """Return the document that says what went wrong and where to go."""
    return _document(SERVER, title, "", "", "", _top(SERVER, ""), [], f'<p class="failed">{_text(text)}</p>')


def _top(site: Site, here: str, *, on_it: bool = True) -> list[Link]:
    return [Link(site.page(page), page.title, on_it and page.name == here) for page in pages()]


def _document(
    site: Site,
    title: str,
    kind: str,
    name: str,
    run: str,
    top: list[Link],
    beside: list[Link],
    inside: str = "",
) -> str:
    heading = (
        f'<p class="kicker">{_text(run)}</p><h1>{_text(title)}</h1>' if run else f"<h1>{_text(title)}</h1>"
    )
    columns = "columns" if beside else "whole"
    panels = f'<nav class="panels" aria-label="Panels of this run">{_list(beside)}</nav>' if beside else ""
    whole = " · ".join(part for part in (title, run, "doxa") if part)
    said = f'<p class="copied">{_text(site.said)}</p>' if site.said else ""
    held = f'<script type="application/json" id="held">{site.inside}</script>\n' if site.inside else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{_policy(site)}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(whole)}</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"{_loaded(site) if kind else _styles(site)}</head>\n"
        f'<body data-kind="{_text(kind)}" data-name="{_text(name)}" data-run="{escape(run)}">\n'
        '<a class="skip" href="#content">Skip to content</a>\n'
        f'<header><nav class="top" aria-label="Pages">{_list(top)}'
        '<button type="button" id="help" aria-keyshortcuts="?">Keys</button></nav>'
        f"{heading}{said}</header>\n"
        f'<div class="{columns}">{panels}'
        f'<main id="content" tabindex="-1">{inside}</main></div>\n'
        "<noscript><p>These pages are drawn by their own scripts; allow them, or open a run's report.html."
        "</p></noscript>\n"
        f"{held}</body>\n</html>\n"
    )


def _policy(site: Site) -> str:
    if not site.policy:
        return ""
    return (
        f'<meta http-equiv="Content-Security-Policy" content="{escape(site.policy)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
    )


def _styles(site: Site) -> str:
    nonce = f' nonce="{escape(site.nonce)}"' if site.nonce else ""
    names = ("report.css", "app.css")
    return "".join(f'<link rel="stylesheet"{nonce} href="{site.static}{name}">\n' for name in names)


def _loaded(site: Site) -> str:
    """Return the elements that load the styles and the script: a module from a server, a plain one from a file."""
    kind = f'defer nonce="{escape(site.nonce)}"' if site.nonce else 'type="module"'
    return f'{_styles(site)}<script {kind} src="{site.static}{site.script}"></script>\n'


def _list(links: list[Link]) -> str:
    def item(link: Link) -> str:
        here = ' aria-current="page"' if link.here else ""
        return f'<li><a href="{escape(link.address)}"{here}>{_text(link.title)}</a></li>'

    return f"<ol>{''.join(map(item, links))}</ol>"


def _text(raw: str) -> str:
    return escape(visible(raw))

"""The whole report: one HTML file that needs no network and runs no script but its own.

A content security policy names the style and the scripts of the page by their SHA-256, so that nothing else can run,
load or be sent, whatever a model wrote. Charts are evaluated by Vega's interpreter, without ``eval``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

from doxa.lab.record import Finding
from doxa.lab.report.blocks import block, facts
from doxa.lab.report.circumstances import config_table, count_list, provenance
from doxa.lab.report.conversations import transcripts
from doxa.lab.report.findings import findings_table, tally, verdict_filter
from doxa.lab.report.markup import Html, element, join, visible
from doxa.lab.report.page import Page, Verdicts
from doxa.lab.report.plots import plot

_ARXIV = re.compile(r"arXiv:([0-9]{4}\.[0-9]{4,5}(?:v[0-9]+)?)")


class _Section(NamedTuple):
    anchor: str
    title: str
    inside: Html


def render(page: Page) -> str:
    """Return the page as one self-contained HTML document; equal pages give equal text.

    The text encodes to UTF-8 without loss and holds no carriage return, so that the digests of its policy are true
    of the file as long as it is written without translating line ends.
    """
    sections = list(_sections(page))
    scripts = [vega_library(), _package_file("page.js")] if page.figures else []
    scripts += [_package_file("filter.js")] if page.filtered else []
    style = _package_file("style.css")
    links = [element("li", element("a", one.title, href=f"#{one.anchor}")) for one in sections if one.title]
    contents = element("nav", element("ol", *links), aria_label="Contents") if len(links) > 1 else None
    body = join(
        _header(page),
        element("div", contents, element("main", *map(_section, sections)), class_="columns"),
        element("footer", *_footer(page)),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{join(_title(page))}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def _title(page: Page) -> str:
    return visible(f"{page.title} · {page.subtitle}" if page.subtitle else page.title)


def _header(page: Page) -> Html:
    kicker = element("p", page.subtitle, class_="kicker") if page.subtitle else None
    claim = element("p", page.claim, class_="thesis") if page.claim else None
    paper = None
    if page.paper:
        known = _ARXIV.fullmatch(page.paper)
        link = (
            element("a", page.paper, href=f"https://arxiv.org/abs/{known[1]}", rel="noreferrer")
            if known
            else None
        )
        paper = element("p", link or page.paper, class_="paper-link")
    return element(
        "header",
        kicker,
        element("h1", page.title),
        claim,
        paper,
        facts(page.facts, "facts-line"),
        tally(findings := _all_findings(page)),
        verdict_filter(findings) if page.filtered else None,
    )


def _all_findings(page: Page) -> list[Finding]:
    """Return the findings of the page and of its blocks."""
    return [
        *page.findings,
        *(finding for one in page.blocks if isinstance(one, Verdicts) for finding in one.findings),
    ]


def _sections(page: Page) -> Iterator[_Section]:
    for index, content in enumerate(page.blocks, 1):
        yield _Section(f"block-{index}", content.title, block(content))
    if page.findings:
        yield _Section("findings", "Findings", findings_table(page.findings))
    if page.figures:
        yield _Section("figures", "Figures", element("div", *map(plot, page.figures), class_="figures"))
    if page.counts:
        yield _Section("counts", "Missing, refused, failed", count_list(page.counts))
    if page.config:
        yield _Section("configuration", "Configuration", config_table(page.config))
    if page.transcripts is not None and page.transcripts.height:
        yield _Section("transcripts", "Transcripts", transcripts(page.transcripts, page.transcript_limit))
    for index, content in enumerate(page.appendix, 1):
        yield _Section(f"appendix-{index}", content.title, block(content))
    if page.provenance or page.command:
        yield _Section("provenance", "Provenance", provenance(page.provenance, page.command))


def _section(section: _Section) -> Html:
    if not section.title:
        return element("section", section.inside, id=section.anchor)
    heading = f"{section.anchor}-heading"
    head = element("h2", section.title, id=heading)
    return element("section", head, section.inside, id=section.anchor, aria_labelledby=heading)


def _footer(page: Page) -> Iterator[Html]:
    yield element("p", "Made by doxa. This file is complete: it loads nothing and sends nothing.")
    if page.figures:
        yield element(
            "noscript", element("p", "Figures need JavaScript; their numbers are in the tables below them.")
        )
        yield element(
            "p", "Figures are drawn with Vega and Vega-Lite (BSD-3-Clause, University of Washington)."
        )


def _policy(style: str, scripts: list[str]) -> str:
    allowed = " ".join(_hash(script) for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode('utf-8', 'backslashreplace')).digest()).decode()}'"


@cache
def vega_library() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script that cannot end its own element."""
    import vl_convert

    script = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_convert.get_vegalite_versions()[-1]
    )
    return (
        script.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("</script", "<\\/script")
        .replace("<!--", "<\\!--")
    )


@cache
def _package_file(name: str) -> str:
    return resources.files("doxa.lab.report").joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")

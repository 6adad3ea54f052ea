"""The table of verdicts: each claim with its number, its interval drawn to scale, and the paper's number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from doxa.lab.record import Finding, Verdict
from doxa.lab.report.bar import Bar
from doxa.lab.report.markup import Html, element, join
from doxa.lab.report.numbers import Scale, decimals_for, shared_scales, shown, with_interval

_SIGNS: dict[Verdict, str] = {"holds": "✓", "fails": "✗", "unresolved": "?"}
_TONES: dict[Verdict, str] = {"holds": "good", "fails": "bad", "unresolved": "open"}


def badge(word: str, tone: str, sign: str | None = None) -> Html:
    """Return a verdict as a sign and a word; the sign tells tones apart without colour."""
    signs = {"good": "✓", "bad": "✗", "open": "?"}
    mark = element("span", sign or signs.get(tone, "·"), aria_hidden="true")
    return element("span", mark, " ", word, class_=f"badge {tone}")


def verdict_badge(verdict: Verdict) -> Html:
    """Return the badge of a verdict."""
    return badge(verdict, _TONES[verdict], _SIGNS[verdict])


def tally(findings: Sequence[Finding]) -> Html | None:
    """Return how many findings hold, fail and stay unresolved, controls counted apart."""
    if not findings:
        return None
    claims = Counter(finding.verdict for finding in findings if not finding.control)
    controls = Counter(finding.verdict for finding in findings if finding.control)
    parts = [_tally_line("claims", claims)] if claims else []
    if controls:
        parts.append(_tally_line("controls", controls))
    return element("div", *parts, class_="tally")


def verdict_filter(findings: Sequence[Finding]) -> Html:
    """Return the choice of which verdicts are shown: a group of radio buttons, which the page's style obeys."""
    counts = Counter(finding.verdict for finding in findings)
    choices: list[Html] = []
    for name, count in (("all", len(findings)), *((verdict, counts[verdict]) for verdict in _SIGNS)):
        only = f"only-{name}"
        box = element("input", type="radio", name="only", id=only, checked=name == "all")
        choices.append(element("span", box, element("label", f"{name} ({count:,})", for_=only)))
    keys = element("span", "keys: a, h, f, u, or the arrows", class_="small")
    return element("fieldset", element("legend", "Show findings"), *choices, keys, class_="filter")


def _tally_line(what: str, counts: Counter[str]) -> Html:
    words = {"holds": "hold", "fails": "fail"}
    chips = [
        badge(f"{counts[v]} {v if counts[v] == 1 else words.get(v, v)}", _TONES[v], _SIGNS[v])
        for v in _SIGNS
        if counts[v]
    ]
    return element("p", element("span", what, class_="quiet"), " ", *chips)


def findings_table(findings: Sequence[Finding]) -> Html:
    """Return the table. Rows of one unit and like size share a scale."""
    scales = shared_scales([(f.unit, (f.estimate, *(f.interval or ()), f.paper)) for f in findings])
    paper = any(finding.paper is not None for finding in findings)
    heads = ["Verdict", "Claim", "Estimate", "", *(["Paper"] if paper else [])]
    names = ("verdict", "claim", "number", "drawn", "paper")
    head = element(
        "tr",
        *(
            element("th", word, scope="col", role="columnheader", class_=c)
            for word, c in zip(heads, names, strict=False)
        ),
        role="row",
    )
    body = [_row(finding, scale, paper) for finding, scale in zip(findings, scales, strict=True)]
    table = element(
        "table",
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_="findings",
        role="table",
    )
    notes = ["Dot and line: estimate and interval."]
    if paper:
        notes.append("Diamond: the paper's number.")
    if any(finding.control for finding in findings):
        notes.append("A control holds when the effect is absent.")
    return join(table, element("p", " ".join(notes), class_="legend"))


def _row(finding: Finding, scale: Scale, paper: bool) -> Html:
    number, ends = with_interval(finding.estimate, finding.interval)
    bound = f"bound {finding.bound}" if finding.bound else ""
    based = ", ".join(
        part for part in (_level(finding), f"n = {finding.n:,}" if finding.n else "", bound) if part
    )
    spoken = " ".join(part for part in (number, finding.unit, ends) if part)
    tag = element("span", "control", class_="control") if finding.control else None
    claim = [
        element("span", finding.claim, class_="sentence"),
        element(
            "span", element("code", finding.id), element("span", finding.note, class_="note"), class_="small"
        ),
    ]
    value = [
        element("strong", number),
        " ",
        element("span", ends, class_="ends"),
        " ",
        element("span", finding.unit, class_="unit"),
        element("span", based, class_="small"),
    ]
    bar = Bar(scale, finding.estimate, finding.interval, paper=finding.paper, spoken=spoken)
    bar_cell = bar.draw() if finding.estimate is not None or finding.interval is not None else None
    cells = [
        _cell("verdict", verdict_badge(finding.verdict), tag),
        _cell("claim", *claim),
        _cell("number", *value),
        _cell("drawn", bar_cell),
    ]
    if paper:
        name = "paper" if finding.paper is not None else "paper none"
        cells.append(
            _cell(name, element("span", "paper ", class_="narrow"), shown(finding.paper, _beside(finding)))
        )
    kind = f"is-{finding.verdict}"
    return element("tr", *cells, role="row", class_=f"{kind} is-control" if finding.control else kind)


def _cell(name: str, *children: Html | str | None) -> Html:
    return element("td", *children, class_=name, role="cell")


def _level(finding: Finding) -> str:
    return f"{finding.level * 100:.4g} % interval" if finding.interval is not None else ""


def _beside(finding: Finding) -> int | None:
    """Return decimals for the paper's number: ours, unless that would round its digits away."""
    decimals = decimals_for(finding.interval)
    if finding.paper is None or decimals is None or round(finding.paper, decimals) != finding.paper:
        return None
    return decimals

"""A page whose every text field holds hostile texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doxa.canonical import Json
from doxa.lab.figures import Figure, bars, curves, heatmap, intervals, scatter
from doxa.lab.record import Finding, Recorder
from doxa.lab.report import (
    Badge,
    Card,
    CardRow,
    ConfigRow,
    Count,
    Fact,
    Matrix,
    Number,
    Page,
    Prose,
    Sheet,
)


def hostile_page(texts: Sequence[str], *, scalar: str, charts: int) -> Page:
    """Return a page with every text in every list field, ``scalar`` in the single fields, and some charts of them."""
    facts = [Fact(text, text) for text in texts]
    numbers = [Number(text, 0.5, (0.4, 0.6), text, start=0.1, note=text) for text in texts]
    missing = [Number(text, None, None, text, note=text) for text in texts]
    rows = [
        CardRow(text, Badge(text, "bad"), [one], [fact], text)
        for text, one, fact in zip(texts, numbers, facts, strict=True)
    ]
    blocks = [
        Card(scalar, [*rows, CardRow(scalar, Badge(scalar), missing, facts)], scalar),
        Matrix(
            scalar, list(texts), [(text, [Badge(text, "open")] * len(texts)) for text in texts[:5]], scalar
        ),
        Sheet(scalar, [scalar, "n"], [(text, 1) for text in texts], scalar),
        Sheet(scalar, list(texts), [list(texts)], scalar),
        Prose(scalar, "\n\n".join(texts)),
    ]
    recorder = Recorder("x", 0)
    for index, raw in enumerate(texts):
        # a frame holds Unicode only, so halves of surrogate pairs cannot come from there
        text = raw.encode("utf-8", "replace").decode()
        recorder.utterance(
            subject=text,
            conversation=f"{index} {text}",
            turn=0,
            role=text,
            text=text,
            finish=text,
            condition=text,
            **{text: text},
        )
    return Page(
        title=scalar,
        subtitle=scalar,
        claim=scalar,
        paper=scalar,
        facts=facts,
        blocks=blocks,
        findings=[Finding(t, t, 0.5, (0.4, 0.6), "holds", t, paper=0.3, note=t) for t in texts],
        figures=hostile_figures(texts, charts),
        counts=[Count(text, 1, 2, text) for text in texts],
        transcripts=recorder.tables().transcripts,
        config=[ConfigRow(t, t, {t: [t]}, t, t, t) for t in texts],
        appendix=blocks[2:],
        provenance=facts,
        command=scalar,
        transcript_limit=len(texts),
    )


def hostile_figures(texts: Sequence[str], charts: int) -> list[Figure]:
    """Return charts whose titles, names and groups are hostile, then specifications that try to reach out."""
    made: list[Figure] = []
    size = max(1, -(-len(texts) // max(charts, 1)))
    for index in range(charts):
        some = list(texts[index * size : (index + 1) * size]) or [texts[0]]
        lines = [{"a": t, "b": i / 10, "lo": 0.0, "hi": 1.0, "g": t, "t": i} for i, t in enumerate(some)]
        made.append(_chart(index % 5, some[0], lines))
    return [*made, *_foreign(texts[0])] if charts else made


def _chart(kind: int, text: str, lines: list[dict[str, Any]]) -> Figure:
    first = (text, text, text, lines)
    if kind == 0:
        ends = {"low": "lo", "high": "hi", "references": {text: 0.5}}
        return intervals(*first, label="a", value="b", group="g", value_title=text, **ends)
    if kind == 1:
        return curves(*first, x="t", value="b", group="g", x_title=text, events={text: 1.0})
    if kind == 2:
        return heatmap(*first, row="a", column="g", value="b")
    if kind == 3:
        return scatter(*first, x="t", y="b", group="g", label="a", x_title=text, y_title=text)
    return bars(*first, label="a", value="b", group="g", value_title=text)


def _foreign(text: str) -> list[Figure]:
    """Return specifications as a study might bring them, written to load, link or run something."""
    values: Json = [
        {"a": 1, "link": "javascript:alert(1)", "picture": "http://evil.example/x.png", text: text}
    ]
    point: dict[str, Json] = {"x": {"field": "a", "type": "quantitative"}}
    specs: list[dict[str, Json]] = [
        {"mark": "point", "data": {"url": "http://evil.example/data.json"}, "encoding": point},
        {"mark": "image", "data": {"values": values}, "encoding": {**point, "url": {"field": "picture"}}},
        {
            "mark": "point",
            "data": {"values": values},
            "encoding": {**point, "href": {"field": "link"}, "tooltip": {"field": text, "type": "nominal"}},
            "usermeta": {"embedOptions": {"ast": False, "actions": True, "defaultStyle": True}},
            "$schema": "http://evil.example/schema.json",
        },
        {
            "mark": "point",
            "data": {"values": values},
            "transform": [{"calculate": "datum.constructor.constructor('alert(1)')()", "as": "x"}],
            "encoding": point,
        },
        {"mark": "point", "params": [{"name": "p", "expr": "window.alert(1)"}], "encoding": point},
        {"title": text},
    ]
    return [Figure(f"foreign-{index}", text, text, spec) for index, spec in enumerate(specs)]

"""The board of claims as a page of the report's own making."""

from __future__ import annotations

import re

from doxa.canonical import Json
from doxa.lab.report import Block, Fact, Page, Sheet, Verdicts
from doxa.lab.several.board import Board, Entry
from doxa.lab.several.standing import duration

COLUMNS = ("study", "preset", "claims", "controls", "paper", "cells", "processor", "clock", "state")


def board_page(board: Board) -> Page:
    """Return the page: a table of studies, then the findings of each."""
    done = [entry for entry in board.entries if entry.finished]
    places = {entry.study: f"#block-{number}" for number, entry in enumerate(done, 2)}
    blocks: list[Block] = [
        Sheet(
            "Studies",
            COLUMNS,
            [[_unbroken(cell) for cell in row(entry)] for entry in board.entries],
            "Claims and controls: ✓ hold, ✗ fail, ? unresolved. A control holds when the effect is absent.",
            links=[places.get(entry.study, "") for entry in board.entries],
        ),
        *(Verdicts(entry.study, entry.findings, _about(entry), entry.run) for entry in done),
    ]
    spent = [entry.processor for entry in done if entry.processor is not None]
    left = len(board.entries) - len(done)
    return Page(
        title="Board of claims",
        subtitle="doxa · all studies",
        facts=[
            Fact("studies", f"{len(done)} finished{f', {left} not' if left else ''}"),
            Fact("findings", f"{sum(len(entry.findings) for entry in done):,}"),
            *([Fact("processor time", duration(sum(spent)))] if spent else []),
        ],
        blocks=blocks,
        filtered=True,
    )


def row(entry: Entry) -> list[Json]:
    """Return a study's row under ``COLUMNS``."""
    return [
        entry.study,
        entry.preset,
        entry.claims.text(),
        entry.controls.text(),
        entry.paper,
        entry.cells,
        "" if entry.processor is None else duration(entry.processor),
        "" if entry.seconds is None else duration(entry.seconds),
        entry.state,
    ]


def _unbroken(cell: Json) -> Json:
    """Return a cell whose counts part only between each other, not from their signs."""
    return re.sub(r"(?<=[✓✗?]) ", "\N{NO-BREAK SPACE}", cell) if isinstance(cell, str) else cell


def _about(entry: Entry) -> str:
    parts = (entry.paper, f"preset {entry.preset}", f"{entry.cells} cells", entry.command)
    return " · ".join(part for part in parts if part)

"""The report of a run: ``render(Page(...))`` gives one HTML file that works offline and runs no foreign code."""

from doxa.lab.report.document import render
from doxa.lab.report.page import (
    Badge,
    Block,
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
    Tone,
    Verdicts,
)

__all__ = [
    "Badge",
    "Block",
    "Card",
    "CardRow",
    "ConfigRow",
    "Count",
    "Fact",
    "Matrix",
    "Number",
    "Page",
    "Prose",
    "Sheet",
    "Tone",
    "Verdicts",
    "render",
]

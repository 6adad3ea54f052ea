"""A study whose every text holds escapes that would steer a terminal; with ``fails`` its only cell fails so."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable

from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study

TEXTS: tuple[str, ...] = tuple(json.loads(os.environ.get("ESCAPES_TEXTS", '["\\u001b[31mred"]')))


@study("test-escapes", paper=TEXTS[0], room="belief", claim=TEXTS[0])
class Config:
    seed: int = setting(0, "seed")
    fails: bool = setting(False, "whether the cell raises an error that holds the texts")


def cells(config: Config) -> Iterable[Cell]:
    yield Cell(TEXTS[0], config.seed, uses=("fails",))


def run(cell: Cell, ctx: Context) -> Tables:
    everything = "\n".join(TEXTS)
    warnings.warn(everything, stacklevel=1)
    ctx.progress(0.5, everything)
    if ctx.config.fails:
        raise ValueError(everything)
    recorder = ctx.recorder()
    for text in TEXTS:
        recorder.measure("escapes", 1.0, subject=text.encode("utf-8", "replace").decode(), unit="n")
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    return [
        Finding(f"f{place}", text, 0.5, (0.4, 0.6), "holds", unit=text, note=text)
        for place, text in enumerate(TEXTS)
    ]


def figures(tables: Tables, config: Config) -> list[Figure]:
    return []

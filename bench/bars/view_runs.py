"""Runs for the bars of the viewer: one whose every text is hostile, and one that is very large."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from doxa.lab.record import SCHEMAS, Finding, Tables
from doxa.lab.store import RunFolder
from doxa.streams import stream
from tests.lab.hostile_pages import hostile_figures

NAME = "<img src=x onerror=alert(1)> \u202e'\"&%2e%2e#?`${alert(1)}"
"""Name of the hostile run's folder: what a file system takes and a page or an address might not."""

ANSWER_MB = 5
"""Size of one answer of the large run."""

CELLS = 40


def hostile_run(out: Path, texts: Sequence[str], name: str = NAME) -> Path:
    """Write a finished run that holds every one of these texts in every text field of its tables and files."""
    folder = RunFolder(out / name)
    texts = [_encodable(text) for text in texts]
    keys = [f"cell{number}" for number in range(2)]
    for seed, key in enumerate(keys):
        meta: dict[str, Any] = {
            "study": texts[0],
            "condition": texts[seed],
            "seed": seed,
            "params": dict.fromkeys(texts, texts[0]),
        }
        folder.write(key, meta, Tables(*(_hostile_table(table, seed, texts) for table in SCHEMAS)))
    _hostile_files(folder, keys, texts)
    return folder.path


def _hostile_table(table: str, seed: int, texts: Sequence[str]) -> pl.DataFrame:
    """Return a table whose row i holds text i in every column of text; what the viewer groups by is also paired up.

    Half of the rows keep the axis and the readout that panels look for, or some panels would show nothing.
    """
    height = 2 * len(texts)
    twice = [*texts, *texts]
    columns: dict[str, Any] = {}
    for name, kind in SCHEMAS[table].items():
        if kind == pl.String():
            columns[name] = twice
        elif kind == pl.Int64():
            columns[name] = [seed] * height if name == "seed" else list(range(height))
        else:
            columns[name] = [0.25 + 0.5 * (row % 2) for row in range(height)]
    known = {"axis": ["layer", "day"], "readout": ["stated", "internal"], "role": ["user", "assistant"]}
    for name, usual in known.items():
        if name in columns:
            columns[name] = [*texts, *(usual[row % 2] for row in range(len(texts)))]
    for name in ("subject", "condition", "conversation", "measure", "proposition"):
        if name in columns:  # a few long series beside many of one row
            columns[name] = [*texts, *(texts[row % 3] for row in range(len(texts)))]
    columns["extra"] = [
        text
        if row < len(texts)
        else json.dumps({text: text, "layer": row % 4, "branch": text, "parent": text})
        for row, text in enumerate(twice)
    ]
    if "time" in columns:
        columns["time"] = [float(row % 50) for row in range(height)]
    if "log_odds" in columns:
        columns["log_odds"] = [None] * height
    return pl.DataFrame(columns, schema=SCHEMAS[table])


def _hostile_files(folder: RunFolder, keys: list[str], texts: Sequence[str]) -> None:
    first = texts[0]
    everything: dict[str, Any] = dict(zip(texts, texts, strict=True))
    folder.write_json(
        "manifest.json",
        {
            "study": first,
            "reference": first,
            "paper": first,
            "preset": first,
            "config": {**everything, "list": list(texts)},
            "code": first,
            "cells": keys,
            "command": " ".join(texts),
            "versions": everything,
            "machine": everything,
            "asking": {},
            "started": first,
            "finished": first,
            "seconds": 1.0,
        },
    )
    findings = [
        Finding(text, text, 0.5, (0.4, 0.6), "holds", unit=text, paper=0.3, note=text) for text in texts
    ]
    folder.write_json("findings.json", {"findings": [finding.as_json() for finding in findings]})
    for figure in hostile_figures(texts[:60], 5):
        body = {"title": figure.title, "caption": figure.caption, "spec": figure.spec}
        folder.write_json(f"figures/{figure.id}.json", body)
    errors = folder.path / "errors"
    errors.mkdir()
    (errors / f"{keys[0]}.txt").write_text("\n".join(texts), encoding="utf-8")


def large_run(out: Path, observations: int, messages: int, name: str = "large-run") -> Path:
    """Write a finished run of so many beliefs in 40 cells, and of one conversation of so many messages.

    Its second message is an answer of 5 MB.
    """
    folder = RunFolder(out / name)
    keys = [f"cell{number:03d}" for number in range(CELLS)]
    rng = stream(0, "bars", "size")
    for number, key in enumerate(keys):
        condition, seed = f"condition {number % 4}", number // 4
        meta: dict[str, Any] = {"study": "large", "condition": condition, "seed": seed, "params": {}}
        talk = _talk(messages, condition, seed) if number == 0 else Tables.empty().transcripts
        beliefs = _many_beliefs(observations // CELLS, condition, seed, rng)
        folder.write(key, meta, Tables(beliefs, Tables.empty().measures, talk))
    manifest: dict[str, Any] = {
        "study": "large",
        "paper": "",
        "preset": "embedded",
        "config": {"seeds": CELLS // 4},
        "code": "0",
        "cells": keys,
        "command": "doxa run large",
        "versions": {},
        "machine": {},
        "started": "2026-01-01T00:00:00Z",
        "finished": "2026-01-01T00:10:00Z",
        "seconds": 600.0,
    }
    folder.write_json("manifest.json", manifest)
    finding = Finding("size", "the run is large", float(observations), None, "unresolved", note="no interval")
    folder.write_json("findings.json", {"findings": [finding.as_json()]})
    return folder.path


def _many_beliefs(rows: int, condition: str, seed: int, rng: np.random.Generator) -> pl.DataFrame:
    propositions, agents = 25, 100
    index = np.arange(rows)
    return pl.DataFrame(
        {
            "condition": pl.repeat(condition, rows, eager=True),
            "seed": pl.repeat(seed, rows, eager=True, dtype=pl.Int64()),
            "subject": pl.Series([f"agent {n}" for n in range(agents)])[index % agents],
            "proposition": pl.Series([f"proposition {n}" for n in range(propositions)])[
                index // agents % propositions
            ],
            "axis": pl.repeat("turn", rows, eager=True),
            "time": (index // (agents * propositions)).astype(np.float64),
            "readout": pl.Series(["stated", "behavioural"])[index % 2],
            "log_odds": rng.normal(size=rows),
            "credence": pl.repeat(None, rows, eager=True, dtype=pl.Float64()),
            "n": pl.repeat(1, rows, eager=True, dtype=pl.Int64()),
            "extra": pl.repeat("{}", rows, eager=True),
        },
        schema=SCHEMAS["beliefs"],
    )


def _talk(messages: int, condition: str, seed: int) -> pl.DataFrame:
    texts = [f"message {turn}: I still believe it." for turn in range(messages)]
    texts[1] = ("a long answer. " * (ANSWER_MB * 10**6 // 15 + 1))[: ANSWER_MB * 10**6]
    return pl.DataFrame(
        {
            "condition": [condition] * messages,
            "seed": [seed] * messages,
            "subject": ["agent 0"] * messages,
            "conversation": ["long"] * messages,
            "turn": list(range(messages)),
            "role": [("user", "assistant")[turn % 2] for turn in range(messages)],
            "text": texts,
            "tokens": [8] * messages,
            "finish": [("", "stop")[turn % 2] for turn in range(messages)],
            "extra": ["{}"] * messages,
        },
        schema=SCHEMAS["transcripts"],
    )


def _encodable(text: str) -> str:
    """Return a text as a frame can hold it: Unicode only, without halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode()

"""Runs for the tests of the viewer, written as a study would, without running one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doxa.lab.record import Finding, Recorder, Tables
from doxa.lab.store import RunFolder

CONDITIONS = ("plain", "drift")


def cell_tables(
    condition: str, seed: int, *, beliefs: int = 12, messages: int = 4, text: str = "x"
) -> Tables:
    """Return the tables of one cell: beliefs by three readouts, a measure by layer, one conversation."""
    recorder = Recorder(condition, seed)
    readouts = ("stated", "behavioural", "internal")
    for place in range(beliefs):
        missing = {"missing": "refused"} if place % 7 == 5 else {}
        recorder.belief(
            subject="organism:leaning",
            proposition=f"p{place % 3}",
            readout=readouts[place % 3],
            time=float(place // 3),
            credence=None if missing else 1.0 / (1.0 + math.exp(-(seed + place) / 7.0)),
            **missing,
        )
        recorder.measure(
            "entropy_nats",
            0.1 * place + seed,
            subject="organism:leaning",
            unit="nats",
            axis="layer",
            time=float(place),
        )
    for turn in range(messages):
        recorder.utterance(
            subject="organism:leaning",
            conversation=f"talk-{seed}",
            turn=turn,
            role=("user", "assistant")[turn % 2],
            text=f"{text} {turn}",
            finish="stop",
        )
    return recorder.tables()


def figure_spec() -> dict[str, Any]:
    """Return a small figure with continuous axes."""
    from doxa.lab.figures import curves

    rows = [
        {"time": float(t), "value": math.sin(t / 3.0), "group": group}
        for t in range(12)
        for group in CONDITIONS
    ]
    return dict(curves("credence", "Credence", "Mean over seeds.", rows, group="group").spec)


def write_run(
    root: Path,
    name: str = "kable-0123456789",
    *,
    cells: Mapping[str, Tables] | None = None,
    keys: Sequence[str] | None = None,
    finished: bool = True,
    findings: Sequence[Finding] | None = None,
    text: str = "x",
    **manifest: Any,
) -> RunFolder:
    """Write a run: by default two conditions by two seeds. ``keys`` may name more cells than there are."""
    folder = RunFolder(root / name)
    if cells is None:
        cells = {
            f"{condition}{seed:02d}": cell_tables(condition, seed, text=text)
            for condition in CONDITIONS
            for seed in range(2)
        }
    folder.write_json(
        "manifest.json",
        {
            "study": name.rpartition("-")[0] or name,
            "reference": "kable",
            "paper": "arXiv:2406.19370",
            "preset": "quick",
            "config": {"seeds": 2, "subject": "organism:leaning"},
            "code": "0123456789abcdef",
            "cells": list(keys if keys is not None else cells),
            "command": "doxa run kable --preset quick",
            "versions": {"doxa": "0.1.0"},
            "machine": {"cores": 2},
            "started": "2026-11-26T10:00:00Z",
            **({"finished": "2026-11-26T10:01:00Z", "seconds": 60.0} if finished else {}),
            **manifest,
        },
    )
    for key, tables in cells.items():
        first = next((frame for frame in tables if frame.height), None)
        condition, seed = ("plain", 0) if first is None else (first["condition"][0], first["seed"][0])
        folder.write(key, {"study": "kable", "condition": condition, "seed": seed, "params": {}}, tables)
    if finished:
        found = (
            findings
            if findings is not None
            else [
                Finding(
                    "moves", "Credence moves.", 0.31, (0.2, 0.42), "holds", paper=0.29, n=4, note="by seed"
                ),
                Finding("still", "The control stays still.", 0.01, (-0.02, 0.04), "fails", control=True, n=4),
                Finding("open", "It is open.", None, None, "unresolved", note="too few"),
            ]
        )
        folder.write_json("findings.json", {"findings": [one.as_json() for one in found]})
        folder.write_json(
            "figures/credence.json",
            {"title": "Credence", "caption": "Mean over seeds.", "spec": figure_spec()},
        )
    return folder

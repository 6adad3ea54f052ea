"""A run in flight as the viewer shows it: how far it is, what is at work, what failed; see :mod:`doxa.lab.live`.

The files may be half the truth: of a killed run, of another version, or of somebody's making. Each value is taken for
what it must be or left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doxa.canonical import Json
from doxa.lab.live import read_notice

MOST_CELLS = 32
"""Cells at work that are listed."""

MOST_ERRORS = 50
MOST_BYTES = 100_000
"""Of one traceback; its end is kept, which says what happened."""

STATES = ("working", "judging", "failed", "stopped", "interrupted")


def flight(path: Path, *, busy: bool, now: float | None = None) -> dict[str, Json] | None:
    """Return how far a run is, or how its last call ended; None where it says nothing.

    Args:
        path: folder of the run.
        busy: whether a process is at work in it; if not, a run that says it is working was killed.
        now: seconds since 1970; None takes the clock.
    """
    told = _notice(path, path / "live.json")
    if told is None:
        return None
    now = time.time() if now is None else now
    state = told.get("state") if told.get("state") in STATES else "working"
    if not busy and state in ("working", "judging"):
        state = "killed"
    counts = {name: _count(told, name) for name in ("total", "kept", "done", "failed", "stopped")}
    cells = [] if state != "working" else _at_work(path)
    shares = sum(cell["share"] or 0.0 for cell in cells)
    total = max(counts["total"], counts["done"], 1)
    started = _number(told, "started") or now
    until = now if busy else _number(told, "ended") or _number(told, "updated") or now
    seconds = max(0.0, until - started)
    computed = counts["done"] - counts["kept"] + counts["failed"] + counts["stopped"] + shares
    left = total - counts["done"] - counts["failed"] - counts["stopped"] - shares
    return {
        "state": state,
        **counts,
        "share": min(1.0, (counts["done"] + shares) / total),
        "seconds": round(seconds),
        "left_s": round(seconds / computed * left)
        if state == "working" and computed > 0.0 and left >= 0.0
        else None,
        "error": str(told.get("error", "")),
        "cells": [{**cell, "seconds": round(max(0.0, now - cell["started"]))} for cell in cells[:MOST_CELLS]],
        "more": max(0, len(cells) - MOST_CELLS),
    }


def errors(path: Path) -> list[dict[str, str]]:
    """Return why cells failed that are still not finished, or their judging: its name and the traceback."""
    found: list[dict[str, str]] = []
    folder = path / "errors"
    for file in sorted(folder.glob("[!.]*.txt")):
        if len(found) == MOST_ERRORS:
            break
        if (path / "cells" / file.stem / "cell.json").is_file() or not _is_inside(path, file):
            continue
        try:
            with file.open("rb") as held:
                first = held.readline(4_096)
                whole = held.read()
        except OSError:
            continue
        label, text = first.decode("utf-8", "replace").strip(), whole[-MOST_BYTES:].decode("utf-8", "replace")
        if label.startswith("Traceback"):  # of the whole run, not of a cell
            label = file.stem
        found.append({"cell": label, "trace": text.strip() or label})
    return found


def _at_work(path: Path) -> list[dict[str, Any]]:
    """Return the cells that are being computed, those at work longest first."""
    found: list[dict[str, Any]] = []
    for file in sorted((path / "live").glob("[!.]*.json")):
        told = _notice(path, file)
        if told is None or (path / "cells" / file.stem / "cell.json").is_file():
            continue
        share = _number(told, "share")
        found.append(
            {
                "condition": str(told.get("condition", "")),
                "seed": str(told.get("seed", "")),
                "share": None if share is None else min(1.0, max(0.0, share)),
                "note": str(told.get("note", "")),
                "started": _number(told, "started") or 0.0,
            }
        )
    return sorted(found, key=lambda cell: cell["started"])


def _notice(path: Path, file: Path) -> dict[str, Any] | None:
    try:
        if not _is_inside(path, file) or file.stat().st_size > MOST_BYTES:
            return None
    except OSError:
        return None
    return read_notice(file)


def _is_inside(path: Path, file: Path) -> bool:
    return file.resolve().is_relative_to(path.resolve())


def _count(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


def _number(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < 1e15 else None

"""The board of claims: what the newest run of each study in a folder found, and what did not come to an end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from doxa.canonical import Json
from doxa.errors import InputError, StoreError
from doxa.lab.files import write_atomic
from doxa.lab.record import Finding, Verdict
from doxa.lab.store import RunFolder
from doxa.secret import scrub, scrub_json

VERDICTS: tuple[Verdict, ...] = ("holds", "fails", "unresolved")
SCHEMA = 1
"""Version of ``board.json``."""


@dataclass(frozen=True)
class Tally:
    """How many claims, or controls, hold, fail and stay unresolved."""

    holds: int = 0
    fails: int = 0
    unresolved: int = 0

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Tally:
        """Count the verdicts of findings."""
        verdicts = [finding.verdict for finding in findings]
        return cls(*(verdicts.count(verdict) for verdict in VERDICTS))

    def as_json(self) -> dict[str, Json]:
        """Return the counts by verdict."""
        return {"holds": self.holds, "fails": self.fails, "unresolved": self.unresolved}

    def text(self) -> str:
        """Return the counts in a few signs, such as ``✓ 12 ✗ 1``; nothing where there is nothing."""
        counts = zip("✓✗?", (self.holds, self.fails, self.unresolved), strict=True)
        return " ".join(f"{sign} {count}" for sign, count in counts if count)


@dataclass(frozen=True)
class Entry:
    """One study on the board.

    Attributes:
        study: its slug.
        state: ``finished``, or how far it is, or why it was not run.
        run: name of the run's folder; "" where there is none.
        preset: which preset it ran.
        paper: where its claim comes from.
        cells: how many cells the run has.
        processor: processor seconds of its cells and of the judging, as far as they are known.
        seconds: wall time of the command that finished it.
        command: that command.
        findings: what it found; empty unless it is finished.
    """

    study: str
    state: str
    run: str = ""
    preset: str = ""
    paper: str = ""
    cells: int = 0
    processor: float | None = None
    seconds: float | None = None
    command: str = ""
    findings: Sequence[Finding] = ()

    @property
    def finished(self) -> bool:
        """Whether it has findings to show."""
        return self.state == "finished"

    @property
    def claims(self) -> Tally:
        """Verdicts of what it claims."""
        return Tally.of(finding for finding in self.findings if not finding.control)

    @property
    def controls(self) -> Tally:
        """Verdicts of its controls."""
        return Tally.of(finding for finding in self.findings if finding.control)

    def as_json(self) -> dict[str, Json]:
        """Return the entry as plain JSON."""
        return {
            "study": self.study,
            "state": self.state,
            "run": self.run,
            "preset": self.preset,
            "paper": self.paper,
            "cells": self.cells,
            "processor_seconds": self.processor,
            "seconds": self.seconds,
            "command": self.command,
            "report": f"{self.run}/report.html" if self.finished else None,
            "claims": self.claims.as_json(),
            "controls": self.controls.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class Board:
    """Studies, sorted by slug, with what they found."""

    entries: Sequence[Entry]

    @property
    def claims(self) -> Tally:
        """Verdicts of all claims."""
        return Tally.of(f for entry in self.entries for f in entry.findings if not f.control)

    @property
    def controls(self) -> Tally:
        """Verdicts of all controls."""
        return Tally.of(f for entry in self.entries for f in entry.findings if f.control)

    def as_json(self) -> dict[str, Json]:
        """Return what ``board.json`` holds."""
        return {
            "schema": SCHEMA,
            "studies": len(self.entries),
            "finished": sum(entry.finished for entry in self.entries),
            "claims": self.claims.as_json(),
            "controls": self.controls.as_json(),
            "entries": [entry.as_json() for entry in self.entries],
        }


def gather(
    out: Path,
    *,
    preset: str | None = None,
    chosen: Mapping[str, str] | None = None,
    states: Mapping[str, str] | None = None,
) -> Board:
    """Return the board of a folder of runs: of each study the run that was finished, or begun, last.

    Args:
        out: folder that holds the runs.
        preset: leave out runs of other presets.
        chosen: names of runs, by study, to take instead of the last ones.
        states: what became, by study, of those that did not finish.

    Raises:
        InputError: there is no such folder, and no study is told to have not finished.
    """
    if not out.is_dir() and not states:
        raise InputError(f"{out}: no such folder; give one that holds runs")
    chosen, states = chosen or {}, states or {}
    newest: dict[str, tuple[tuple[bool, str, str], Entry]] = {}
    for path in sorted(out.glob("[!.]*/manifest.json")):
        try:
            time, entry = _entry(RunFolder(path.parent))
        except (StoreError, KeyError, TypeError, ValueError):
            continue  # another folder, or a damaged run: ``doxa show RUN`` says which
        if preset is not None and entry.preset != preset:
            continue
        rank = (chosen.get(entry.study) == entry.run, time, entry.run)
        if entry.study not in newest or rank > newest[entry.study][0]:
            newest[entry.study] = (rank, entry)
    entries = {study: entry for study, (_, entry) in newest.items()}
    for study, state in states.items():
        found = entries.get(study)
        here = found is not None and found.run == chosen.get(study)
        entries[study] = Entry(
            study, state, run=found.run if found and here else "", cells=found.cells if found and here else 0
        )
    return Board([entries[study] for study in sorted(entries)])


def holds_runs(folder: Path) -> bool:
    """Return whether a folder is no run itself but holds some."""
    return not (folder / "manifest.json").is_file() and any(folder.glob("*/manifest.json"))


def finding_of(value: Mapping[str, Any]) -> Finding:
    """Return a finding from its JSON."""
    low, high = cast(list[float | None], value["interval"] or [None, None])
    open_ends = (-math.inf if low is None else low, math.inf if high is None else high)
    fields: dict[str, Any] = dict(value)
    fields["interval"] = None if low is None and high is None else open_ends
    return Finding(**fields)


def write_board(board: Board, out: Path) -> Path:
    """Write ``board.json`` and ``index.html`` beside the runs; return the latter.

    Raises:
        StoreError: they cannot be written.
    """
    from doxa.lab.report import render
    from doxa.lab.several.board_page import board_page

    text = json.dumps(
        scrub_json(cast(dict[str, Any], board.as_json())), indent=1, ensure_ascii=False, allow_nan=False
    )
    write_atomic(out / "board.json", f"{text}\n".encode("utf-8", "backslashreplace"))
    page = out / "index.html"
    write_atomic(page, scrub(render(board_page(board))).encode("utf-8", "backslashreplace"))
    return page


def _entry(folder: RunFolder) -> tuple[str, Entry]:
    """Return when a run was finished or begun, and its place on the board."""
    manifest = folder.read_json("manifest.json")
    cells = cast(list[str], manifest["cells"])
    done = sum(folder.has(key) for key in cells)
    finished = done == len(cells) and (folder.path / "findings.json").is_file()
    findings = folder.read_json("findings.json")["findings"] if finished else []
    spent = cast(dict[str, float], manifest.get("cell_processor_seconds", {}))
    known = all(key in spent for key in cells)
    entry = Entry(
        study=str(manifest["study"]),
        state="finished" if finished else f"{done} of {len(cells)} cells",
        run=folder.path.name,
        preset=str(manifest["preset"]),
        paper=str(manifest.get("paper", "")),
        cells=len(cells),
        processor=round(
            sum(spent[key] for key in cells) + float(manifest.get("judging_processor_seconds", 0)), 1
        )
        if known and finished
        else None,
        seconds=cast(float | None, manifest.get("seconds")),
        command=str(manifest["command"]),
        findings=[finding_of(value) for value in findings],
    )
    return str(manifest.get("finished") or manifest.get("started", "")), entry

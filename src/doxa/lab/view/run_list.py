"""The runs of a folder: their names, their state, and the few that are held open."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from doxa.canonical import Json
from doxa.errors import InputError, StoreError
from doxa.lab.store import RunFolder, find_run
from doxa.lab.view.flight import flight
from doxa.lab.view.run_data import RunData

HELD = 3
"""How many runs stay open for queries; each may hold as much memory as one query may use."""

State = Literal["finished", "at work", "stopped", "damaged"]


@dataclass(frozen=True)
class Entry:
    """What the list shows of one run.

    Attributes:
        name: of its folder.
        state: ``finished``; ``at work`` while a process computes it; ``stopped`` before the end; ``damaged``.
        study: slug; "" where the manifest cannot be read.
        preset: of the config.
        started: time in UTC.
        seconds: wall time of the call that finished it, None before.
        cells: how many it has.
        done: how many are finished.
        claims: verdict to how many claims have it.
        controls: the same for controls.
        error: why it is damaged.
        flight: how far it is, or how its last call ended, where it is not finished and says so.
    """

    name: str
    state: State
    study: str = ""
    preset: str = ""
    started: str = ""
    seconds: float | None = None
    cells: int = 0
    done: int = 0
    claims: dict[str, int] = field(default_factory=dict[str, int])
    controls: dict[str, int] = field(default_factory=dict[str, int])
    error: str = ""
    flight: dict[str, Json] | None = None


class Runs:
    """All runs below a folder, or only those named.

    Args:
        root: folder that holds the runs.
        only: names of the runs to show; None shows all.
        label: what readers are told the folder is; its path by default.
    """

    def __init__(self, root: Path, only: Sequence[str] | None = None, label: str | None = None) -> None:
        self.root = root
        self.label = str(root) if label is None else label
        self.only = only
        self._lock = threading.Lock()
        self._open: OrderedDict[str, RunData] = OrderedDict()
        self._entries: dict[str, tuple[Any, Entry]] = {}

    @classmethod
    def of(cls, folder: Path) -> Runs:
        """Return the runs of a folder, which may also be the folder of one run.

        Raises:
            InputError: there is no such folder.
        """
        if (folder / "manifest.json").is_file():
            whole = folder.resolve()
            return cls(whole.parent, [whole.name])
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; give the folder that holds your runs, as in: doxa view runs"
            )
        return cls(folder)

    def chosen(self, references: Sequence[str], label: str | None = None) -> Runs:
        """Return some of the runs, each named or named by the start of its name; all if there are no references.

        Raises:
            InputError: there is no such run, or there are several.
        """
        if not references:
            return Runs(self.root, self.only, label)
        known = set(self.names())
        found = [find_run(reference, self.root).path.name for reference in references]
        other = next((name for name in found if name not in known), None)
        if other is not None:
            raise InputError(f"run {other!r}: is not one of those in {self.root}")
        return Runs(self.root, found, label)

    def names(self) -> list[str]:
        """Return the runs' names, sorted; a name that is no UTF-8 has no address and is left out."""
        return [name for name in self._folders() if is_utf8(name)]

    def unnamed(self) -> int:
        """Return how many runs are left out because their folders' names are no UTF-8."""
        return sum(not is_utf8(name) for name in self._folders())

    def _folders(self) -> list[str]:
        found = sorted(path.parent.name for path in self.root.glob("[!.]*/manifest.json"))
        return found if self.only is None else [name for name in found if name in self.only]

    def run(self, name: str) -> RunData:
        """Return one run, ready to be read.

        Raises:
            InputError: there is none of exactly this name.
        """
        plain = (
            name not in ("", ".", "..") and not name.startswith(".") and "/" not in name and "\0" not in name
        )
        if not plain or (self.only is not None and name not in self.only):
            raise InputError(f"run {name!r}: there is none of this name")
        if not (self.root / name / "manifest.json").is_file():
            self._forget(name)
            raise InputError(f"run {name!r}: there is none of this name; it may have been deleted or renamed")
        with self._lock:
            run = self._open.pop(name, None) or RunData(self.root / name)
            self._open[name] = run
            left = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - HELD)]
        for other in left:
            other.close()
        return run

    def entries(self) -> list[Entry]:
        """Return what the list shows, the run started last first."""
        found = [self.entry(name) for name in self.names()]
        return sorted(found, key=lambda entry: (entry.started, entry.name), reverse=True)

    def entry(self, name: str) -> Entry:
        """Return what the list shows of one run; read anew only where its files changed."""
        path = self.root / name
        stamps = [_changed(path / file) for file in ("manifest.json", "findings.json", "cells")]
        held = self._entries.get(name)
        if held is not None and held[0] == stamps and held[1].state in ("finished", "damaged"):
            return held[1]
        entry = entry_of(path)
        self._entries[name] = (stamps, entry)
        return entry

    def close(self) -> None:
        """Free what is held."""
        with self._lock:
            runs = list(self._open.values())
            self._open.clear()
        for run in runs:
            run.close()

    def _forget(self, name: str) -> None:
        with self._lock:
            gone = self._open.pop(name, None)
        if gone is not None:
            gone.close()


def is_utf8(name: str) -> bool:
    """Return whether a name can be written in an address."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def entry_of(path: Path) -> Entry:
    """Return what the list shows of the run in a folder; one that cannot be read is ``damaged`` and says why."""
    folder = RunFolder(path)
    try:
        manifest = folder.read_json("manifest.json")
        keys = manifest["cells"]
        made = {found.name for found in os.scandir(folder.cells)} if folder.cells.is_dir() else set[str]()
        done = sum(key in made for key in keys)
        whole = done == len(keys) and (path / "findings.json").is_file()
        findings = folder.read_json("findings.json")["findings"] if whole else []
        busy = folder.is_at_work()
        return Entry(
            name=path.name,
            state="at work" if busy else "finished" if whole else "stopped",
            study=str(manifest["study"]),
            preset=str(manifest["preset"]),
            started=str(manifest.get("started", "")),
            seconds=manifest.get("seconds"),
            cells=len(keys),
            done=done,
            claims=_verdicts(findings, control=False),
            controls=_verdicts(findings, control=True),
            flight=None if whole and not busy else flight(path, busy=busy),
        )
    except (StoreError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        return Entry(path.name, "damaged", error=str(error))


def _verdicts(findings: Sequence[dict[str, Any]], *, control: bool) -> dict[str, int]:
    return dict(Counter(str(item["verdict"]) for item in findings if bool(item["control"]) == control))


def _changed(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size

"""What is known of a run: its state, its findings, and why a call was or was not taken from the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxa.errors import InputError
from doxa.lab.asking import spending_text, spent_on
from doxa.lab.several.board import finding_of
from doxa.lab.store import find_run
from doxa.lab.terminal import finding_line


@dataclass(frozen=True)
class Shown:
    """A value for ``--json`` and the lines a person reads."""

    value: dict[str, Any]
    lines: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the value."""
        return self.value

    def as_text(self) -> str:
        """Return the lines."""
        return "\n".join(self.lines)


def show_run(reference: str, out: Path) -> Shown:
    """Return the state and the findings of a run.

    Raises:
        InputError: there is no such run.
        StoreError: its manifest or findings are damaged.
    """
    folder = find_run(reference, out)
    manifest = folder.read_json("manifest.json")
    done = [key for key in manifest["cells"] if folder.has(key)]
    finished = len(done) == len(manifest["cells"]) and (folder.path / "findings.json").is_file()
    findings: list[dict[str, Any]] = folder.read_json("findings.json")["findings"] if finished else []
    value: dict[str, Any] = {
        "run": folder.path.name,
        "study": manifest["study"],
        "preset": manifest["preset"],
        "config": manifest["config"],
        "cells": len(manifest["cells"]),
        "finished": len(done),
        "digest": folder.digest(done),
        "findings": findings,
        "asking": manifest.get("asking", {}),
        "command": manifest["command"],
        "report": str(folder.path / "report.html") if finished else None,
    }
    state = f"{len(done)} of {len(manifest['cells'])} cells"
    lines = [
        f"{folder.path.name} · {manifest['study']} · {manifest['preset']} · {state}",
        f"tables  {value['digest'][:16]}",
    ]
    lines += [finding_line(finding_of(item)) for item in findings]
    lines += [f"asked   {address}: {spending_text(spent)}" for address, spent in spent_on(manifest).items()]
    lines.append(f"report  {value['report']}" if finished else f"resume  {manifest['command']}")
    return Shown(value, lines)


def explain_call(reference: str, call: str, out: Path) -> Shown:
    """Return why a call was or was not taken from the reply cache, naming the first field that differs.

    Args:
        reference: the run.
        call: number of the call; "all" lists the run's calls instead.
        out: folder that holds the runs.

    Raises:
        InputError: there is no such run, no cache, or no such call.
    """
    from doxa.subjects.cache import Journal, explain

    folder = find_run(reference, out)
    path = folder.path.parent / "replies.sqlite"
    if not path.is_file():
        raise InputError(f"{path}: no reply cache; only runs that ask hosted subjects keep one")
    with Journal(path) as journal:
        if call == "all":
            calls = journal.calls(folder.path.name)
            listed = [{"call": one.id, "outcome": one.outcome, "reason": one.reason} for one in calls]
            return Shown(
                {"calls": listed}, [f"{one.id}  {one.outcome}  {one.reason}".rstrip() for one in calls]
            )
        if not call.isdecimal():
            raise InputError(f"--call {call!r}: must be a number of a call, or all to list them")
        text = explain(journal, int(call))
    return Shown({"call": int(call), "explanation": text}, [text])

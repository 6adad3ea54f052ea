"""A foreign log as a run folder: ``doxa show`` and ``doxa.load`` read it like any other run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.lab.figures import Figure
from doxa.lab.files import sha256, write_atomic
from doxa.lab.record import Finding, Tables
from doxa.lab.report import Fact, Page, Prose, render
from doxa.lab.run import shell_command, versions
from doxa.lab.store import RunFolder
from doxa.lab.study_page import missing_counts, provenance
from doxa.secret import scrub, scrub_json
from doxa.streams import stream

SCHEMA = 1
"""Raised when logs are read differently, so that an earlier import is not taken for the new one."""


@dataclass(frozen=True)
class Imported:
    """A log that became a run.

    Attributes:
        run: name of the run's folder.
        folder: where it is.
        study: the study whose questions were asked, or the log's own name of its task.
        tables: what the log holds.
        findings: what they show, where the study is one whose findings can be read from them.
    """

    run: str
    folder: Path
    study: str
    tables: Tables
    findings: list[Finding]

    def as_json(self) -> dict[str, Json]:
        """Return what ``--json`` prints."""
        return {
            "run": self.run,
            "study": self.study,
            "rows": {name: frame.height for name, frame in self.tables._asdict().items()},
            "findings": [finding.as_json() for finding in self.findings],
            "report": str(self.folder / "report.html"),
        }


class _Log(NamedTuple):
    """What is known of a log beside its tables."""

    kind: str
    study: str
    tables: Tables
    config: dict[str, Any]
    versions: dict[str, Json]


def import_log(path: Path | str, out: Path | str = "runs") -> Imported:
    """Make a run folder of an Inspect log, or of results of lm-evaluation-harness.

    Args:
        path: a ``.eval`` or ``.json`` log of Inspect's, a ``results_….json`` of the harness's, or its folder.
        out: folder that holds the runs.

    Raises:
        InputError: the file is neither.
        MissingExtraError: an Inspect log, and the extra ``inspect`` is not installed.
        StoreError: the run cannot be written.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(
            f"{file}: no such file or folder; give a log of Inspect's or of lm-evaluation-harness"
        )
    log = _inspect(file) if _is_inspect(file) else _harness(file)
    body = sha256(_bytes(file))
    run = f"imported-{_slug(log.study)}-{digest([body, SCHEMA], length=10)}"
    folder = RunFolder(Path(out) / run)
    key = digest([log.kind, body, SCHEMA], length=24)
    findings, figures = _judged(log)
    manifest: dict[str, Json] = {
        "study": log.study,
        "reference": log.kind,
        "paper": "",
        "preset": "imported",
        "config": scrub_json(log.config),
        "code": body[:16],
        "cells": [key],
        "command": shell_command(),
        "versions": {**versions(), **log.versions},
        "machine": {},
    }
    with folder.at_work():
        folder.write_json("manifest.json", manifest)
        folder.write(key, {"study": log.study, "condition": "imported", "seed": 0, "params": {}}, log.tables)
        folder.write_json("findings.json", {"findings": [finding.as_json() for finding in findings]})
        page = _page(log, file, findings, figures, manifest)
        write_atomic(folder.path / "report.html", scrub(render(page)).encode("utf-8", "backslashreplace"))
    return Imported(run, folder.path, log.study, folder.read(key), findings)


def _is_inspect(file: Path) -> bool:
    if file.suffix == ".eval":
        return True
    if file.is_dir() or file.suffix != ".json":
        return False
    try:
        body: object = json.loads(file.read_bytes())
    except ValueError as error:
        raise InputError(f"{file}: is not JSON ({error})") from error
    return isinstance(body, dict) and "eval" in body


def _inspect(file: Path) -> _Log:
    from doxa.interop.inspect.reading import from_inspect, is_task, read_log

    log = read_log(file)
    task = (log.eval.task_registry_name or log.eval.task).removeprefix("doxa/")
    known = {"kable": "kable", "context_drift": "context-drift"}
    study = known[task] if task in known and is_task(log, task) else task
    packages: dict[str, Json] = dict(log.eval.packages)
    config = {"model": log.eval.model, "status": log.status, **log.eval.task_args}
    return _Log("Inspect log", study, from_inspect(log), config, packages)


def _harness(file: Path) -> _Log:
    from doxa.interop.lm_eval.reading import read_results, tables_of

    results = read_results(file)
    tasks = list(results.body["configs"])
    study = "kable" if all(task.startswith("kable_") for task in tasks) else "+".join(tasks[:3])
    config = {
        "subject": results.subject,
        "tasks": tasks,
        "limit": results.body.get("config", {}).get("limit"),
    }
    version: dict[str, Json] = {"lm_eval": results.body.get("lm_eval_version")}
    return _Log("lm-evaluation-harness results", study, tables_of(results), config, version)


def _judged(log: _Log) -> tuple[list[Finding], list[Figure]]:
    """Return KaBLE's findings and figures, which hang on the beliefs alone; other studies' are left open."""
    if log.study != "kable" or log.tables.beliefs.is_empty():
        return [], []
    from doxa.protocols import kable

    try:
        rows = kable.rows_from_beliefs(log.tables.beliefs)
        result = kable.summarise(rows, stream(0, "kable", "bootstrap"))
    except InputError:
        return [], []  # questions of two versions in one log: its tables stand, nothing is judged
    return kable.findings_of(result, stream(0, "kable", "accuracy")), kable.figures_of(result)


def _page(
    log: _Log, file: Path, findings: Sequence[Finding], figures: Sequence[Figure], manifest: dict[str, Any]
) -> Page:
    beliefs, measures, transcripts = log.tables
    return Page(
        title=log.study,
        subtitle=f"imported · {log.kind}",
        facts=[
            Fact("beliefs", f"{beliefs.height:,}"),
            Fact("measures", f"{measures.height:,}"),
            Fact("messages", f"{transcripts.height:,}"),
        ],
        blocks=[
            Prose("", f"Read from {file.name}. What made it is another tool's: its settings are those below.")
        ],
        findings=findings,
        figures=figures,
        counts=missing_counts(log.tables),
        transcripts=transcripts,
        provenance=[
            *provenance(manifest),
            *(Fact(name, str(value)) for name, value in cast(dict[str, Any], manifest["config"]).items()),
        ],
        command=manifest["command"],
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "log"


def _bytes(file: Path) -> bytes:
    """Return what tells one log from another: a file's bytes, or all of a folder's, with their names."""
    if file.is_file():
        return file.read_bytes()
    inside = sorted(path for path in file.rglob("*") if path.is_file())
    return b"".join(str(path.relative_to(file)).encode() + path.read_bytes() for path in inside)

"""A copy of the viewer as files: it opens without a server, from a disk or from any web server.

A page of the copy holds all that its script may ask for as JSON that is never run, up to a bound; what was left out is
said on it. Its policy names a nonce that is the digest of the page's own content, so that no text which is in the page
can know it: only the viewer's script and styles, which carry it, are run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from doxa.canonical import Json
from doxa.errors import DoxaError, InputError, StoreError
from doxa.lab.record import SCHEMAS
from doxa.lab.view.answers import answer
from doxa.lab.view.app import applying, static_files
from doxa.lab.view.bundle import bundle
from doxa.lab.view.documents import Site, page_document, panel_document
from doxa.lab.view.library import vega_script
from doxa.lab.view.pages import Page, pages
from doxa.lab.view.panels import panels
from doxa.lab.view.run_list import Runs

MARK = "doxa-export.json"
"""The file that tells an earlier export from a folder that holds something else."""

MOST_BYTES = 8 * 10**6
"""Of all answers in one page; a browser reads them at once."""

MOST_ANSWERS = 2_000
"""In one page."""

_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,150}")


@dataclass
class Exported:
    """What was written.

    Attributes:
        folder: the copy; ``index.html`` is its first page.
        runs: how many.
        pages: how many HTML files.
        left_out: what the pages do not hold, one line each.
    """

    folder: Path
    runs: int = 0
    pages: int = 0
    left_out: list[str] = field(default_factory=list[str])


class _Held(NamedTuple):
    """Answers of one page: each query with its answer or, in the third place, why there is none."""

    answers: list[Json]
    left: str


def export(
    runs: Runs, place: Path, *, told: Callable[[str], None] | None = None, moment: str | None = None
) -> Exported:
    """Write a copy of all pages of some runs, whole or not at all; an earlier export in its place is replaced.

    Args:
        runs: which.
        place: folder to write, which must be new, empty, or an earlier export.
        told: called with the name of each run before its pages are made.
        moment: what the pages say of when the copy was made; now by default.

    Raises:
        InputError: the folder holds something else, or there are no runs.
        StoreError: it cannot be written; nothing is left behind.
    """
    names = runs.names()
    if not names:
        raise InputError(f"{runs.root}: holds no runs to export")
    _refuse_other(place, runs)
    temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    made = Exported(place, len(names))
    try:
        _Writing(runs, temporary, made, moment or time.strftime("%Y-%m-%d", time.gmtime())).all(names, told)
        _put(temporary, place)
    except OSError as error:
        raise StoreError(
            f"{place}: cannot be written ({error.strerror or error}); free space or choose another folder with --export"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


def export_folder(
    folder: Path, place: Path, *, only: Sequence[str] = (), told: Callable[[str], None] | None = None
) -> Exported:
    """Write a copy of the runs of a folder, or of those named; see ``export``.

    Raises:
        InputError: there are no such runs, or the place holds something else.
        StoreError: it cannot be written; nothing is left behind.
    """
    runs = Runs.of(folder).chosen(
        only, folder.resolve().name
    )  # where it lies on this machine is nobody's business
    try:
        return export(runs, place, told=told)
    finally:
        runs.close()


def _refuse_other(place: Path, runs: Runs) -> None:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise InputError(f"--export {place}: is a file or a link; choose a new folder")
    held = {path.name for path in place.iterdir()} if place.is_dir() else set[str]()
    ours = {MARK, "run", "static", *map(file_of, pages())} if MARK in held else set[str]()
    if held - ours:  # what somebody put beside an earlier export, as .git to publish it, would go with it
        raise InputError(
            f"--export {place}: holds something else ({min(held - ours)}); choose a new or empty folder"
        )
    here, root = place.resolve(), runs.root.resolve()
    if Path.cwd().is_relative_to(here):
        raise InputError(f"--export {place}: is the folder you are in, or around it; choose a new folder")
    if any(here.is_relative_to(root / name) for name in runs.names()):
        raise InputError(f"--export {place}: is inside a run; choose a folder beside the runs")


def _put(temporary: Path, place: Path) -> None:
    """Move the copy to its place; what was there is put back if that fails."""
    aside = place.with_name(f".{place.name}.{uuid.uuid4().hex}.old.tmp")
    if place.exists():
        place.rename(aside)
    try:
        temporary.rename(place)
    except OSError:
        if aside.exists():
            aside.rename(place)
        raise
    with suppress(OSError):
        shutil.rmtree(aside, ignore_errors=True)


class _Writing:
    """One export at work."""

    def __init__(self, runs: Runs, root: Path, made: Exported, moment: str) -> None:
        self._runs, self._root, self._made, self._moment = runs, root, made, moment
        self._folders: dict[str, str] = {}
        self._static: dict[str, str] = {}

    def all(self, names: list[str], told: Callable[[str], None] | None) -> None:
        """Write every file."""
        (self._root / "run").mkdir(parents=True)
        self._folders = {name: folder_of(name) for name in names}
        self._write_static()
        for name in names:
            if told is not None:
                told(name)
            self._write_run(name)
        for page in pages():
            held = self._held(
                partial(page.exported, self._runs), lambda query, page=page: page.data(self._runs, query)
            )
            self._write(file_of(page), held, "./", partial(page_document, page))
        mark = {"runs": names, "made": self._moment, "left_out": self._made.left_out}
        (self._root / MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")

    def _write_static(self) -> None:
        files = static_files()
        texts = {name: body.decode() for name, body in files.items() if name.endswith(".js")}
        self._static = {"app.js": bundle(texts)}
        self._static |= {name: body.decode() for name, body in files.items() if name.endswith(".css")}
        (self._root / "static").mkdir()
        for name, text in self._static.items():
            (self._root / "static" / name).write_text(text, encoding="utf-8", newline="")
        (self._root / "static" / "vega.js").write_bytes(vega_script())

    def _write_run(self, name: str) -> None:
        run = self._runs.run(name)
        with suppress(DoxaError):
            for table in SCHEMAS:
                run.files(
                    table
                )  # finds every damaged cell, so that the overview, written first, names them all
        offered = [panel for panel in panels() if applying(panel, run)]
        folder = self._root / "run" / self._folders[name]
        folder.mkdir()
        for panel in offered:
            held = self._held(partial(panel.exported, run), lambda query, panel=panel: panel.data(run, query))
            with suppress(DoxaError):
                held = held._replace(left=f"{panel.left_out(run)} {held.left}".strip())
            if held.left:
                self._made.left_out.append(f"{name}, {panel.title}: {held.left}")
            path = f"run/{self._folders[name]}/{panel.name}.html"
            self._write(path, held, "../../", partial(panel_document, name, panel, offered))

    def _held(
        self,
        queries: Callable[[], Iterable[Mapping[str, str]]],
        read: Callable[[Mapping[str, str]], Json],
    ) -> _Held:
        """Return the answers to queries, as many as fit."""
        answers: list[Json] = []
        size = left = 0
        asked: list[Mapping[str, str]] = [{}]
        with suppress(DoxaError):  # what is damaged is asked for nevertheless, and says so
            asked = list(islice(queries(), 10 * MOST_ANSWERS))
        for query in asked:
            if size > MOST_BYTES or len(answers) >= MOST_ANSWERS:
                left += 1
                continue
            try:
                body = answer([dict(query), read(query)])
            except DoxaError as error:
                body = answer([dict(query), None, str(error)])
            if size + len(body) > MOST_BYTES and answers:
                left += 1
                continue
            size += len(body)
            answers.append(json.loads(body))
        said = (
            f"{left:,} of {left + len(answers):,} parts of this page were left out for their size."
            if left
            else ""
        )
        return _Held(answers, said)

    def _write(self, path: str, held: _Held, up: str, document: Callable[[Site], str]) -> None:
        inside = {"answers": held.answers, "left": held.left, "up": up, "folders": self._folders}
        said = f"A copy of {self._moment}, without a server: it does not change. {held.left}".rstrip()
        text = document(site_of(path, up, _inert(inside), said, self._folders, self._static))
        (self._root / path).write_text(text, encoding="utf-8", newline="")
        self._made.pages += 1


def site_of(
    path: str, up: str, inside: str, said: str, folders: Mapping[str, str], static: Mapping[str, str]
) -> Site:
    """Return how a page of a copy is put together.

    Args:
        path: the page's file.
        up: the way from the page to the copy's folder, as ``../../``.
        inside: JSON that the page's script reads, which cannot end its own element.
        said: what a reader is told of the copy.
        folders: name of each run to that of its folder.
        static: what the page loads; its nonce hangs on all of it.
    """
    nonce = nonce_of(path, inside, said, *static.values())
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return Site(
        page=lambda page: f"{up}{file_of(page)}",
        panel=lambda run, panel: f"{up}run/{folders[run]}/{panel}.html",
        static=f"{up}static/",
        policy=policy,
        nonce=nonce,
        script="app.js",
        said=said,
        inside=inside,
    )


def file_of(page: Page) -> str:
    """Return the file of a page about all runs."""
    return "index.html" if page.path == "/" else f"{page.name}.html"


def folder_of(run: str) -> str:
    """Return the folder of a run in a copy: its name, or a digest where the name is not plain everywhere."""
    if _PLAIN.fullmatch(run):
        return run
    return f"run-{hashlib.sha256(run.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def nonce_of(*parts: str) -> str:
    """Return the digest of what a page holds, as a nonce: no text within the page can contain it."""
    whole = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(whole[:24]).decode()


def _inert(value: object) -> str:
    """Return JSON that cannot end the element it stands in, nor begin another."""
    return answer(value).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

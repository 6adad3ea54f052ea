"""Bar 18, the viewer: hostile texts in every field of a run, through every page, its static copy, and the terminal.

Nothing may run, be loaded, or be reported by the browser's content security policy; foreign hosts and origins, frames,
paths out of the store and writes without the token are refused; no escape of a text reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bars.outcome import Outcome
from bars.refusals import refusals
from bars.terminals import terminals
from bars.view_runs import NAME, hostile_run
from bars.viewing import foreign_parts, server, visit
from doxa.lab.report.markup import visible
from doxa.lab.view.documents import panel_address
from doxa.lab.view.export import export_folder
from doxa.lab.view.pages import pages
from doxa.lab.view.panels import panels
from doxa.lab.view.run_list import Runs
from tests.browser import chromium, watched
from tests.hostile_texts import hostile_texts

FULL_TEXTS, SMALL_TEXTS = 300, 12
SHOWS = {"beliefs", "findings", "transcripts"}
"""Panels that show every row of their table, so that every text must have been seen in them."""


def run(full: bool, folder: Path) -> Outcome:
    """Look at a hostile store in every way."""
    texts = hostile_texts(FULL_TEXTS)[:: 1 if full else FULL_TEXTS // SMALL_TEXTS]
    outcome = Outcome(
        f"{len(texts)} hostile texts in every field of a run, every page, the copy, the terminal"
    )
    store = folder / "runs"
    hostile_run(store, texts)
    hostile_run(store, texts[:3], "plain-name")  # what the ways out of the store start from
    made = folder / "site"
    export_folder(store, made)
    with chromium() as driver:
        with server(store) as served:
            for name, address in _addresses(store, served.address, full=full):
                _look(outcome, driver, name, address, texts, full=full)
            refusals(outcome, driver, served, folder)
        for path in sorted(made.rglob("*.html")) if full else sorted(made.rglob("run-*/*.html")):
            _look(outcome, driver, f"copy {path.relative_to(made)}", path.as_uri(), texts, full=full)
    terminals(outcome, folder, store, texts, full=full)
    return outcome


def _addresses(store: Path, root: str, *, full: bool) -> Iterator[tuple[str, str]]:
    """Yield every page of the viewer, by name and address."""
    runs = Runs(store)
    for page in pages():
        yield page.name, root.rstrip("/") + page.path
    for name in runs.names() if full else [NAME]:
        for panel in panels():
            yield f"{panel.name} of {name[:12]}", root.rstrip("/") + panel_address(name, panel.name)
    runs.close()


def _look(outcome: Outcome, driver: Any, name: str, address: str, texts: list[str], *, full: bool) -> None:
    """Visit a page, and count each text as tried there."""
    seen = visit(driver, address, texts[0], 40 if full else 0)
    found = watched(driver)
    wrong = [*found["errors"], *found["policy"]]
    # a pick of hostile texts may be answered by a named refusal, which the page shows; any other line is a failure
    wrong += [line for line in found["log"] if "status of 400 (Bad Request)" not in line]
    wrong += foreign_parts(driver, address)
    outcome.tried += len(texts)
    outcome.failures += [f"{name}: {one[:300]}" for one in dict.fromkeys(wrong)]
    if "read only" in seen:
        return
    if name.split(" ", 1)[0] in SHOWS and "plain" not in name and full:
        missing = [text for text in texts if visible(text.encode("utf-8", "replace").decode()) not in seen]
        outcome.failures += [f"{name}: never shown: {text[:80]!r}" for text in missing[:5]]

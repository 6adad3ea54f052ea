"""Progress of a run, for people: bars on a terminal, plain lines elsewhere, nothing where nobody looks.

Everything goes to stderr; stdout belongs to data.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from doxa.lab.terminal import plain, tell


@runtime_checkable
class Meter(Protocol):
    """What a run tells while it works."""

    def note(self, text: str) -> None:
        """Say something before the cells are computed."""
        ...

    def cells(self, title: str, *, total: int, done: int) -> AbstractContextManager[None]:
        """Show that ``done`` of ``total`` cells are finished, until the context ends."""
        ...

    def inside(self, key: str, share: float, note: str) -> None:
        """Say how far the cell at work is, share in [0, 1]."""
        ...

    def finished(self, label: str, status: str, error: str) -> None:
        """Say that a cell ended."""
        ...


class SilentMeter:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    @contextlib.contextmanager
    def cells(self, title: str, *, total: int, done: int) -> Generator[None]:  # noqa: ARG002 - the protocol's signature
        """Show nothing."""
        yield

    def inside(self, key: str, share: float, note: str) -> None:
        """Show nothing."""

    def finished(self, label: str, status: str, error: str) -> None:
        """Show nothing."""


class LineMeter:
    """One line at the start, one for each cell that ends; at most one in two seconds, failures always."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._last = 0.0

    def note(self, text: str) -> None:
        """Print the text."""
        tell(text)

    @contextlib.contextmanager
    def cells(self, title: str, *, total: int, done: int) -> Generator[None]:
        """Print how many cells there are and how many of them were kept."""
        self._total, self._done = total, done
        tell(f"{title}: {total} cells, {done} kept from before")
        yield

    def inside(self, key: str, share: float, note: str) -> None:
        """Show nothing: lines cannot be taken back."""

    def finished(self, label: str, status: str, error: str) -> None:
        """Print the cell and its status."""
        self._done += 1
        now = time.monotonic()
        if status in ("failed", "stopped") or self._done == self._total or now - self._last >= 2.0:
            self._last = now
            tell(f"  {self._done}/{self._total}  {label}  {status}{': ' + error if error else ''}")


class BarMeter:
    """A bar with the share done, the time left and what is at work."""

    def note(self, text: str) -> None:
        """Print the text above where the bar will be."""
        tell(text)

    @contextlib.contextmanager
    def cells(self, title: str, *, total: int, done: int) -> Generator[None]:
        """Show the bar until the context ends."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        with bar:
            self._bar, self._done = bar, done
            self._task = bar.add_task(plain(title), total=total, completed=done, note="")
            yield

    def inside(self, key: str, share: float, note: str) -> None:  # noqa: ARG002 - one cell at a time
        """Move the bar by the part of the cell that is done."""
        self._bar.update(self._task, completed=self._done + share, note=plain(note))

    def finished(self, label: str, status: str, error: str) -> None:
        """Move the bar by one cell."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, note=plain(label))
        if status in ("failed", "stopped"):
            self._bar.console.print(plain(f"{label} {status}: {error}"), markup=False, highlight=False)


def default_meter() -> Meter:
    """Return a bar on a terminal, lines elsewhere."""
    return BarMeter() if sys.stderr.isatty() else LineMeter()

"""How far several studies are, and the two ways of showing it: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from doxa.lab.terminal import plain

_LINE_SECONDS = 10.0


_NOTHING_S = 1e-6
"""Less expected work than this tells nothing of how long the rest takes."""


@dataclass
class Standing:
    """What is done and what is at work.

    Attributes:
        studies: how many there are.
        cells: how many cells they have.
        seconds: what the cells to compute are expected to take, by key.
        places: how much is computed at once.
        kept: how many cells were finished before.
        ended: how many studies have ended, in whatever way.
        computed: how many cells have ended now.
        at_work: names of the cells at work, by key, in the order in which they began.
    """

    studies: int
    cells: int
    seconds: dict[str, float]
    places: int
    kept: int = 0
    ended: int = 0
    computed: int = 0
    at_work: dict[str, str] = field(default_factory=dict[str, str])
    share: float = 0.0
    _expected: float = 0.0
    _spent: float = 0.0

    def begun(self, key: str, name: str) -> None:
        """A cell is at work."""
        self.at_work[key] = name
        self.share = 0.0

    def finished(self, key: str, seconds: float) -> None:
        """A cell has ended after so many seconds of wall time."""
        self.at_work.pop(key, None)
        self.share = 0.0
        self.computed += 1
        self._expected += self.seconds.get(key, 0.0)
        self._spent += seconds

    @property
    def work(self) -> float:
        """The share of the expected work that is done, in [0, 1]."""
        whole = sum(self.seconds.values())
        if not whole:
            return 1.0
        inside = self.share * self.seconds.get(next(iter(self.at_work), ""), 0.0)
        return min((self._expected + inside) / whole, 1.0)

    def left(self) -> float | None:
        """Return the seconds left, from how long cells took beside what was expected; None before the first ended."""
        if not self.computed:
            return None
        whole = sum(self.seconds.values())
        slower = self._spent / self._expected if self._expected > _NOTHING_S else 1.0
        return whole * (1.0 - self.work) * slower / self.places

    def text(self) -> str:
        """Return all that in a line."""
        parts = [
            f"studies {self.ended}/{self.studies}",
            f"cells {self.kept + self.computed}/{self.cells}",
            *([] if (left := self.left()) is None else [f"{duration(left)} left"]),
            *([f"at work: {'; '.join(self.at_work.values())}"] if self.at_work else []),
        ]
        return plain(" · ".join(parts))


def duration(seconds: float) -> str:
    """Return seconds as a reader wants them.

    >>> duration(8.2), duration(247), duration(5000)
    ('8 s', '4 min 7 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@runtime_checkable
class Display(Protocol):
    """Shows a standing while studies are computed."""

    def note(self, text: str) -> None:
        """Say something that stays."""
        ...

    def showing(self, standing: Standing) -> AbstractContextManager[None]:
        """Show it until the context ends."""
        ...

    def moved(self) -> None:
        """Say that it has changed."""
        ...


class SilentDisplay:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    @contextlib.contextmanager
    def showing(self, standing: Standing) -> Generator[None]:  # noqa: ARG002 - the protocol's signature
        """Show nothing."""
        yield

    def moved(self) -> None:
        """Show nothing."""


class LineDisplay:
    """A line when something is to be said, and one on the standing at most every ten seconds."""

    def __init__(self) -> None:
        self._last = 0.0

    def note(self, text: str) -> None:
        """Print the text."""
        sys.stderr.write(plain(text) + "\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def showing(self, standing: Standing) -> Generator[None]:
        """Print the standing now and then."""
        self._standing = standing
        self.note(
            f"{standing.studies} studies, {standing.cells} cells, {standing.kept} kept from before; "
            f"{standing.places} at once"
        )
        self._last = time.monotonic()
        yield

    def moved(self) -> None:
        """Print the standing if the last line is old enough."""
        if time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            self.note(f"  {self._standing.text()}")


class BarDisplay:
    """A bar with the share of the work that is done, the standing beside it."""

    def note(self, text: str) -> None:
        """Print the text above the bar."""
        from rich.text import Text

        bar = getattr(self, "_bar", None)
        if bar is None:
            sys.stderr.write(plain(text) + "\n")
        else:
            bar.console.print(Text(plain(text)))

    @contextlib.contextmanager
    def showing(self, standing: Standing) -> Generator[None]:
        """Show the bar until the context ends."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        bar = Progress(
            BarColumn(bar_width=24),
            TextColumn(
                "{task.fields[text]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=Console(stderr=True),
            transient=True,
            expand=True,
        )
        self._standing = standing
        with bar:
            self._bar = bar
            self._task = bar.add_task(
                "", total=1000, completed=round(1000 * standing.work), text=standing.text()
            )
            try:
                yield
            finally:
                del self._bar

    def moved(self) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=round(1000 * self._standing.work), text=self._standing.text())


def default_display() -> Display:
    """Return a bar on a terminal, lines elsewhere."""
    return BarDisplay() if sys.stderr.isatty() else LineDisplay()

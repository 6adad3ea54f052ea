"""What a run in flight says of itself to whoever looks: ``live.json`` of the run, ``live/KEY.json`` of a cell at work.

The files belong to no record: no digest covers them, they are written whole but not synced, at most once a second each,
and a run whose disk refuses them goes on without. A run that ends removes them; one that fails leaves ``live.json``
with its end. What a killed run left is told from a run at work by its lock, see ``RunFolder.is_at_work``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from doxa.canonical import Json
from doxa.errors import BudgetError, StoreError
from doxa.lab.files import write_atomic
from doxa.secret import scrub, scrub_json

INTERVAL_S = 1.0
"""Between two writings of one file."""


class Notice:
    """One file that is rewritten as things change, at most once in ``INTERVAL_S``; a refused write is let go.

    Args:
        path: the file.
        clock: seconds that only grow.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._last = -INTERVAL_S

    def write(self, value: Mapping[str, Json], *, now: bool = False) -> None:
        """Write the value, unless the file was written within the interval; ``now`` writes it in any case."""
        moment = self._clock()
        if not now and moment - self._last < INTERVAL_S:
            return
        self._last = moment
        text = json.dumps(scrub_json({**value, "updated": time.time()}), ensure_ascii=True, allow_nan=False)
        with contextlib.suppress(StoreError):
            write_atomic(self._path, text.encode(), synced=False)

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._path.unlink()


class LiveRun:
    """Writes ``live.json`` of a run, from when it is first entered until it is first left, by its end or an error.

    Args:
        folder: of the run.
        total: its cells.
        kept: how many of them were there before.
        clock: seconds that only grow.
    """

    def __init__(
        self, folder: Path, *, total: int, kept: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._notice = Notice(folder / "live.json", clock)
        self._told: dict[str, Json] = {"process": os.getpid(), "state": "working"}
        self._counts = {"total": total, "kept": kept, "done": kept, "failed": 0, "stopped": 0}
        self._over = False

    def __enter__(self) -> LiveRun:
        if "started" not in self._told:
            self._told["started"] = time.time()
            self._write(now=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._over:
            return
        self._over = True
        with contextlib.suppress(OSError):
            (self._folder / "live").rmdir()  # only an empty one: another process may be at work in the run
        if error is None:
            self._notice.remove()
        else:
            self._told |= {"state": _end(error), "ended": time.time(), "error": scrub(str(error))}
            self._notice.write({**self._told, **self._counts}, now=True)

    def took(self, status: str) -> None:
        """Count a cell that ended."""
        self._counts[status if status in ("failed", "stopped") else "done"] += 1
        self._write(now=status == "failed")

    def judging(self) -> None:
        """Say that all cells are there and are being judged."""
        self._told["state"] = "judging"
        self._write(now=True)

    def _write(self, *, now: bool = False) -> None:
        if not self._over:
            self._notice.write({**self._told, **self._counts}, now=now)


@contextlib.contextmanager
def cell_at_work(
    folder: Path,
    key: str,
    about: Mapping[str, Json],
    progress: Callable[[float, str], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Callable[[float, str], None]]:
    """Say in ``live/KEY.json`` that a cell is being computed; yield what is to be told how far it is.

    Args:
        folder: of the run.
        key: of the cell, which this process has claimed.
        about: what is said of the cell: its condition and seed.
        progress: told as well.
        clock: seconds that only grow.
    """
    notice = Notice(folder / "live" / f"{key}.json", clock)
    told: dict[str, Json] = {**about, "process": os.getpid(), "started": time.time()}
    notice.write({**told, "share": None, "note": ""}, now=True)

    def tell(share: float, note: str) -> None:
        notice.write({**told, "share": share, "note": note})
        if progress is not None:
            progress(share, note)

    try:
        yield tell
    finally:
        notice.remove()


def sweep_live(folder: Path) -> None:
    """Remove what a killed run left."""
    with contextlib.suppress(OSError):
        (folder / "live.json").unlink()
    shutil.rmtree(folder / "live", ignore_errors=True)


def read_notice(path: Path) -> dict[str, Any] | None:
    """Return what such a file says, None where it is not there or nothing that was written here."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _end(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "stopped" if isinstance(error, BudgetError) else "failed"

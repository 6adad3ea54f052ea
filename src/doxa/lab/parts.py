"""Parts of a cell that takes long: each is kept as soon as it is there, so that a killed run loses one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

from doxa.canonical import Json, digest
from doxa.lab.files import write_atomic

Keep: TypeAlias = Callable[[Json, Callable[[], Json]], Any]
"""Returns the part of a name: the one kept from before, or what is computed now and then kept."""


class Parts:
    """The finished parts of one cell.

    Args:
        folder: where they are kept until the cell is finished; None keeps none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path | None:
        """Where a cell may keep files of its own, removed with the parts; None keeps none."""
        return self._folder

    def __call__(self, name: Json, compute: Callable[[], Json]) -> Any:
        """Return a part, computed unless an interrupted run of this cell has left it.

        Args:
            name: all that the part depends on beside the cell, any JSON value.
            compute: returns the part, a JSON value; it comes back as JSON reads it, kept or not.

        Raises:
            InputError: name or part has no JSON form.
            StoreError: it cannot be written.
        """
        if self._folder is None:
            return json.loads(json.dumps(compute()))
        path = self._folder / f"{digest(name, length=32)}.json"
        kept = _read(path)
        if kept is None:
            part = compute()
            kept = {"sha256": digest(part), "part": part}
            write_atomic(path, json.dumps(kept).encode())
            kept = json.loads(json.dumps(kept))
        return kept["part"]

    def clear(self) -> None:
        """Remove all of them; the cell is finished."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


keep_none: Keep = Parts()
"""Computes always."""


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where it is not there or damaged: it is then computed again."""
    try:
        held = cast(dict[str, Any], json.loads(path.read_bytes()))
        return held if held["sha256"] == digest(held["part"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None

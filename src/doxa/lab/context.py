"""What a cell is given to work with: its config, its random streams, its subjects, a recorder, progress."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from doxa.errors import InputError
from doxa.lab.declaration import Cell
from doxa.lab.parts import Parts
from doxa.lab.record import Recorder
from doxa.streams import stream, torch_stream

if TYPE_CHECKING:
    import torch

    from doxa.subjects.base import Subject
    from doxa.subjects.budget import Ledger
    from doxa.subjects.counting import Spending

Progress = Callable[[float, str], None]
"""Called with the share done in [0, 1] and a short note."""


class UsedConfig:
    """The config as a cell may see it: reading a field the cell did not declare is an error.

    A cell's key covers only the fields it declares, so an undeclared read would let a finished cell be taken
    for one with another value.
    """

    def __init__(self, config: Any, cell: Cell) -> None:
        self._config = config
        self._cell = cell

    def __getattr__(self, name: str) -> Any:
        if name not in self._cell.uses:
            raise InputError(
                f"cell '{self._cell.condition}' reads config.{name} without declaring it; "
                f"add it: Cell(..., uses=({', '.join(repr(use) for use in (*self._cell.uses, name))},))"
            )
        return getattr(self._config, name)


class Context:
    """Handed to ``run(cell, ctx)``.

    Args:
        slug: the study.
        config: its config.
        cell: the cell to compute.
        run: the run's folder; beside it lies the reply cache.
        progress: told how far the cell is.
        ledger: what may be spent on subjects.
        opener: opens a subject, instead of asking the one that is at the address.
        parts: keeps the cell's parts while it is computed; by default none.
    """

    def __init__(
        self,
        slug: str,
        config: Any,
        cell: Cell,
        *,
        run: Path | None = None,
        progress: Progress | None = None,
        ledger: Ledger | None = None,
        opener: Callable[[str], Subject] | None = None,
        parts: Parts | None = None,
    ) -> None:
        self.parts = parts or Parts()
        self.config = UsedConfig(config, cell)
        self._slug = slug
        self._cell = cell
        self._run = "" if run is None else run.name
        self._replies = None if run is None else run.parent / "replies.sqlite"
        self._progress = progress
        self._ledger = ledger
        self._opener = opener or self._open
        self._opened: list[Subject] = []

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return the random stream ``names`` of this study and the cell's seed; conditions share it by name."""
        return stream(self._cell.seed, self._slug, *names)

    def torch_rng(self, *names: str | int, device: str = "cpu") -> torch.Generator:
        """Return the torch random stream ``names`` of this study and the cell's seed."""
        return torch_stream(self._cell.seed, self._slug, *names, device=device)

    def subject(self, address: str) -> Subject:
        """Return an open subject; replies of hosted subjects go through the cache.

        Raises:
            InputError: the address is not among the cell's ``subjects`` or cannot be understood.
            SubjectError: the subject cannot be opened.
        """
        if address not in self._cell.subjects:
            raise InputError(
                f"cell '{self._cell.condition}' asks {address} without declaring it; add it to subjects"
            )
        return self._opener(address)

    def _open(self, address: str) -> Subject:
        from doxa.subjects.addresses import open_subject

        subject = open_subject(address, replies=self._replies, run=self._run, ledger=self._ledger)
        self._opened.append(subject)
        return subject

    def spending(self) -> dict[str, Spending]:
        """Return what asking took so far, by address; only hosted subjects cost something."""
        if not self._opened:
            return {}
        from doxa.subjects.counting import Spending, spending

        spent: dict[str, Spending] = {}
        for subject in self._opened:
            more = spending(subject)
            if more is not None:
                spent[subject.address] = spent.get(subject.address, Spending()).plus(more)
        return spent

    def recorder(self) -> Recorder:
        """Return a recorder with the cell's condition and seed."""
        return Recorder(self._cell.condition, self._cell.seed)

    def progress(self, done: SupportsFloat, total: SupportsFloat = 1.0, note: str = "") -> None:
        """Say how far the cell is; numbers of numpy and torch will do."""
        whole = float(total)
        if self._progress is not None and whole > 0:
            self._progress(min(1.0, float(done) / whole), note)


@contextlib.contextmanager
def threads(count: int) -> Generator[None]:
    """Run numerical libraries on ``count`` threads; one not yet imported reads it from the environment."""
    from threadpoolctl import threadpool_limits

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(count)))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

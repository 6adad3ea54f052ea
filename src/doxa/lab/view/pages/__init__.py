"""Pages about the whole store, such as the list of runs: made as panels are, with ``PAGE`` and ``static/pages``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from doxa.canonical import Json
from doxa.lab.view.panels import Query
from doxa.lab.view.run_list import Runs


def _plain(_runs: Runs) -> Iterable[dict[str, str]]:
    return [{}]


@dataclass(frozen=True)
class Page:
    """One page about many runs.

    Attributes:
        name: of its module and script; its data is at ``/api/NAME``.
        title: in the head of every page.
        path: its address, as ``/compare``.
        data: what its script asks for; raises InputError for a query that makes no sense.
        exported: the queries that a static export keeps, not many.
        place: in the head of every page, small ones first.
    """

    name: str
    title: str
    path: str
    data: Callable[[Runs, Query], Json]
    exported: Callable[[Runs], Iterable[dict[str, str]]] = _plain
    place: int = 50


@cache
def pages() -> tuple[Page, ...]:
    """Return all pages in their order."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    found = [importlib.import_module(f"{__name__}.{name}").PAGE for name in names]
    return tuple(sorted(found, key=lambda page: (page.place, page.name)))

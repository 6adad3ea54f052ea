"""Panels: one look at one run each.

A panel is a module of this folder with a ``PANEL`` and a script ``static/panels/NAME.js`` that exports
``async function show(root, load, ui)``; ``load(query)`` gives what ``data`` returns. Nothing else has to be registered.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.lab.view.run_data import RunData

Query: TypeAlias = Mapping[str, str]
"""What stands behind ``?`` in an address, each name once."""


def _always(_run: RunData) -> bool:
    return True


def _plain(_run: RunData) -> Iterable[dict[str, str]]:
    return [{}]


def _nothing(_run: RunData) -> str:
    return ""


@dataclass(frozen=True)
class Panel:
    """One look at a run.

    Attributes:
        name: in addresses, and of its module and script.
        title: in the list of panels.
        data: what its script asks for; raises InputError for a query that makes no sense.
        applies: whether a run has something to show here; it must be quick.
        exported: the queries that a static export keeps, not many.
        left_out: what a static export says of what it does not keep; "" if it keeps all.
        place: in the list of panels, small ones first.
    """

    name: str
    title: str
    data: Callable[[RunData, Query], Json]
    applies: Callable[[RunData], bool] = _always
    exported: Callable[[RunData], Iterable[dict[str, str]]] = _plain
    left_out: Callable[[RunData], str] = _nothing
    place: int = 50


@cache
def panels() -> tuple[Panel, ...]:
    """Return all panels in their order."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    found = [importlib.import_module(f"{__name__}.{name}").PANEL for name in names]
    return tuple(sorted(found, key=lambda panel: (panel.place, panel.name)))


def panel(name: str) -> Panel:
    """Return a panel by name.

    Raises:
        InputError: there is none.
    """
    known = {one.name: one for one in panels()}
    if name not in known:
        raise InputError(f"panel {name!r}: {did_you_mean(name, known)}")
    return known[name]

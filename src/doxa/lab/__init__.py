"""The laboratory: how an experiment is declared, run, recorded and shown. Public names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doxa.lab.context import Context
    from doxa.lab.declaration import Cell, setting, study
    from doxa.lab.figures import Figure
    from doxa.lab.record import Finding, Recorder, Tables, judge

__all__ = ["Cell", "Context", "Figure", "Finding", "Recorder", "Tables", "judge", "setting", "study"]

_HOMES = {
    "Cell": "declaration",
    "Context": "context",
    "Figure": "figures",
    "Finding": "record",
    "Recorder": "record",
    "Tables": "record",
    "judge": "record",
    "setting": "declaration",
    "study": "declaration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'doxa.lab' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"doxa.lab.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

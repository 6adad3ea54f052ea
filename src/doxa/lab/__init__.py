"""The laboratory: how an experiment is declared, run, recorded and shown. Public names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.lab.context import Context
    from doxa.lab.declaration import Cell, setting, study
    from doxa.lab.figures import Figure
    from doxa.lab.record import Finding, Recorder, Tables, judge

__all__ = ["Cell", "Context", "Figure", "Finding", "Recorder", "Tables", "judge", "setting", "study"]

__getattr__ = loader(
    __name__,
    {
        "Cell": "declaration",
        "Context": "context",
        "Figure": "figures",
        "Finding": "record",
        "Recorder": "record",
        "Tables": "record",
        "judge": "record",
        "setting": "declaration",
        "study": "declaration",
    },
)

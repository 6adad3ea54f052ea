"""How long cells are expected to take, so that long ones begin first and the time left can be told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from doxa.errors import StoreError
from doxa.lab.run import Plan
from doxa.lab.store import RunFolder

UNKNOWN_SECONDS = 30.0
"""What a cell is taken to cost of which nothing is known: about the mean of all cells of the embedded preset."""


def expected_seconds(todo: Plan, keys: Iterable[str], out: Path) -> dict[str, float]:
    """Return the processor seconds that cells of a run are expected to take, by key.

    Taken from the first of these that knows the cell's condition: earlier runs of the study and preset in ``out``, the
    newest first; what was measured when doxa was built (``costs.json``); the mean of what is known of the preset.
    """
    slug, preset = todo.study.slug, todo.preset
    known = [*_earlier(slug, preset, out), _measured().get(slug, {}).get(preset, {})]
    means = [sum(table.values()) / len(table) for table in known if table]
    rest = means[0] if means else UNKNOWN_SECONDS

    def expected(condition: str) -> float:
        return next((table[condition] for table in known if condition in table), rest)

    return {key: expected(todo.cells[key].condition) for key in keys}


def long_first(todos: Sequence[Plan], seconds: Mapping[str, float]) -> list[str]:
    """Return the keys of cells in the order in which they are to begin.

    The study with the longest cell comes first, and of each study its longest cells. So studies end one after another,
    and what is left at the end is short.

    Args:
        todos: the runs.
        seconds: what each cell to compute is expected to take.
    """
    own = [[key for key in todo.cells if key in seconds] for todo in todos]
    longest = [max((seconds[key] for key in keys), default=0.0) for keys in own]
    order = sorted(range(len(own)), key=lambda index: -longest[index])
    return [key for index in order for key in sorted(own[index], key=lambda key: -seconds[key])]


def _earlier(slug: str, preset: str, out: Path) -> list[dict[str, float]]:
    """Return the mean processor seconds by condition of each earlier run, the newest first."""
    found: list[tuple[str, dict[str, float]]] = []
    for path in out.glob(f"{slug}-*/manifest.json"):
        try:
            manifest = RunFolder(path.parent).read_json("manifest.json")
        except StoreError:
            continue
        if (manifest.get("study"), manifest.get("preset")) == (slug, preset):
            by_condition = cast(dict[str, float], manifest.get("condition_processor_seconds", {}))
            found.append((str(manifest.get("finished", "")), by_condition))
    return [table for _, table in sorted(found, key=lambda pair: pair[0], reverse=True)]


@cache
def _measured() -> dict[str, Any]:
    """Return study, preset, condition, and processor seconds of a cell, as ``docs/generate.py`` wrote them."""
    return json.loads(resources.files("doxa.lab.several").joinpath("costs.json").read_text("utf-8"))

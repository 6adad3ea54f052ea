"""What scenarios share: a population that is run and recorded, with the map of a part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from doxa.canonical import Json
from doxa.lab.files import sha256
from doxa.lab.record import Recorder
from doxa.society.addresses import open_graph
from doxa.society.dynamics.base import State, WellMixed
from doxa.society.graph import Graph
from doxa.society.network_map import NetworkMap, map_of
from doxa.society.population import Plan, Population, simulate
from doxa.streams import stream

WELL_MIXED = "well-mixed"
"""In place of a graph's address: everybody may meet everybody."""


def ties(address: str, agents: int, seed: int) -> Graph | WellMixed:
    """Return who meets whom: the graph at an address, or a well-mixed population.

    Args:
        address: see :mod:`doxa.society.addresses`, or ``well-mixed``.
        agents: how many.
        seed: of a random graph.

    Raises:
        InputError: the address cannot be understood, or the graph has another number of nodes.
    """
    if address == WELL_MIXED:
        return WellMixed(agents)
    return open_graph(address, stream(seed, "scenario", "graph"), n=agents)


def alone(n: int) -> Graph:
    """Return the graph of agents without ties, on which nothing can go from one to another: the control of a spread."""
    nobody = np.empty(0, dtype=np.int32)
    return Graph.trusted(np.zeros(n + 1, dtype=np.int64), nobody, directed=False)


def file_of(address: str) -> dict[str, Json]:
    """Return what tells cells on the graph of a file from cells on what was in it before; nothing of other graphs."""
    if not address.startswith("file:"):
        return {}
    return {"graph file": sha256(Path(address.removeprefix("file:").partition("?")[0]).read_bytes())}


def record_run(
    recorder: Recorder,
    plan: Plan,
    *,
    mapped: bool = False,
    folder: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Population:
    """Run a population and record its days.

    Args:
        recorder: of the cell.
        plan: what happens.
        mapped: whether a part of its graph is recorded as a map, with the state of each node and day.
        folder: where each day is kept until the cell is finished.
        progress: told days done, days, and the day in words.
    """

    def told(day: int, state: State) -> None:
        del state
        if progress is not None:
            progress(day, plan.days, f"day {day}")

    graph = plan.config.graph
    shown = map_of(graph, plan.rng("map")) if mapped and isinstance(graph, Graph) else None
    run = simulate(replace(plan, watched=None if shown is None else shown.nodes), folder=folder, told=told)
    run.history.record(recorder)
    if shown is not None:
        record_map(recorder, shown, run.history.watched)
    return run


def record_map(recorder: Recorder, shown: NetworkMap, states: np.ndarray) -> None:
    """Record a map and the state of its nodes on each day, (days + 1, nodes), for ``pictures.map_over_time``."""
    for place, node in enumerate(shown.nodes):
        who = f"population/{node}"
        for axis, value in zip("xy", shown.places[place], strict=True):
            recorder.measure(f"map {axis}", float(value), subject=who, axis="day")
        for day, state in enumerate(states[:, place]):
            recorder.measure("map state", float(state), subject=who, axis="day", time=day)
    for a, b in shown.links:
        who, other = f"population/{shown.nodes[a]}", f"population/{shown.nodes[b]}"
        recorder.measure("map link", 1.0, subject=who, axis="day", other=other)

"""Populations in parts on Ray: one and two parts beside one process, and more parts by a model fitted on measurements.

Every part, and the process beside them, has one thread. The model says what a step takes: so much for each agent and
tie of the busiest part, for each value that the busiest tells and is told, for a step at all, and for each other part
that is told. It is fitted on small sizes in one and two parts, and on a population so small that only messages count,
in up to eight, which take turns where cores are fewer. It is tried on larger sizes and on a number of parts that it
has not seen. What it says of more parts than two is a prediction, no measurement, for machines that reach each other
as fast as processes on one: its interval spans the errors that the model makes of two parts, and no part of many is
held to do more than one of two.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import Case, Process, Side, compare, main, round_to
from sides.society_shards import measures_of, plan_of

from doxa.lab.executors import available_cores

WHOLE = Side("one process", "sides/society_shards.py", options={"shards": 0})
ONE = Side("one part", "sides/society_shards.py", options={"shards": 1})
TWO = Side("two parts", "sides/society_shards.py", options={"shards": 2})
GRAPHS = ("watts-strogatz?k=10&p=0.1", "ba?m=5")
STEPS = 20
BEYOND = (4, 8, 16, 32)
TINY, MESSAGES, UNSEEN = 1_000, (1, 2, 4, 8), 6
"""A population whose work is nothing beside messages, the numbers of parts in which it shows what these cost, and one
on which that is tried."""


class Point(NamedTuple):
    """A measured day: who took it, how large it was, what a step is made of, and its seconds in the fastest repeat."""

    graph: str
    n: int
    shards: int
    made_of: np.ndarray
    seconds: float


def case_of(graph: str, n: int, repeats: int, model: str = "degroot") -> Case:
    return Case(
        name=f"{model}, {n:,} agents, {graph}",
        load={"graph": graph, "n": n, "model": model, "steps": STEPS},
        work=float(n) * STEPS,
        unit="agent updates",
        agree=lambda ours, theirs: ours == theirs,
        repeats=repeats,
        clock="wall",
    )


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the comparisons, the model, how well it does on sizes it has not seen, and what it predicts."""
    repeats = 3 if options.small else 7
    n = 20_000 if options.small else 1_000_000
    for graph in GRAPHS[:1] if options.small else GRAPHS:
        for side, others in ((TWO, [WHOLE] if options.small else [WHOLE, ONE]), (ONE, [WHOLE])):
            for row in compare(case_of(graph, n, repeats), side, others, threads=1):
                yield {"side": side.name, **row}
    if not options.small:
        yield from compare(case_of(GRAPHS[0], n, repeats, "sir"), TWO, [WHOLE], threads=1)
    yield from _cuts(20_000 if options.small else 100_000)
    yield from _beyond(options)


def _cuts(n: int) -> Iterator[dict[str, object]]:
    """Yield what share of ties two parts cut, by METIS, by ranges of agents, and by chance."""
    from doxa.society.addresses import open_graph
    from doxa.society.shards.partitioning import by_metis, by_ranges, cut_of

    for address in (*GRAPHS, "er?mean_degree=10", "geometric?mean_degree=10"):
        graph = open_graph(address, 0, n=n)
        found = {"metis": cut_of(graph, by_metis(graph, 2)), "ranges": cut_of(graph, by_ranges(graph, 2))}
        yield {
            "case": f"ties cut by two parts, {n:,} agents, {address}",
            **{way: round(cut.ties, 4) for way, cut in found.items()},
            "chance": 0.5,
            "widest": {way: round(cut.widest, 3) for way, cut in found.items()},
        }


def _beyond(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    repeats = 3 if options.small else 7
    fitted = (5_000, 20_000) if options.small else (10_000, 30_000, 100_000, 300_000)
    held_out = (40_000,) if options.small else (60_000, 600_000)
    with Process(Side("parts", "sides/society_shards.py"), 1) as process:
        tiny = [_measured(process, GRAPHS[0], TINY, parts, repeats) for parts in MESSAGES]
        unseen = _measured(process, GRAPHS[0], TINY, UNSEEN, repeats)
        pairs = [
            [_measured(process, graph, n, parts, repeats) for parts in (1, 2)]
            for graph in GRAPHS
            for n in (*fitted, *held_out)
        ]
    known = [*tiny, *(point for pair in pairs for point in pair if point.n in fitted)]
    costs = fit(known)
    yield {
        "case": f"model of a step, fitted up to {max(fitted):,} agents, and {MESSAGES[-1]} parts of {TINY:,}",
        "points": len(known),
        "ns_per_agent_or_tie": round_to(1e9 * costs[0]),
        "ns_per_value": round_to(1e9 * costs[1]),
        "us_per_step": round_to(1e6 * costs[2]),
        "us_per_other_part": round_to(1e6 * costs[3]),
    }
    for point in (unseen, *(point for pair in pairs for point in pair if point.n in held_out)):
        model = float(point.made_of @ costs)
        yield {
            "case": f"held out: {point.graph}, {point.n:,} agents, {point.shards} parts",
            "measured_ms": round_to(1e3 * point.seconds),
            "model_ms": round_to(1e3 * model),
            "error": round(model / point.seconds - 1.0, 3),
        }
    errors = [
        one.seconds / two.seconds / float((one.made_of @ costs) / (two.made_of @ costs)) for one, two in pairs
    ]
    large = 50_000 if options.small else 1_000_000
    for graph in GRAPHS:
        one = float(_features(graph, large, 1) @ costs)
        said = {parts: one / float(_features(graph, large, parts) @ costs) for parts in BEYOND}
        best = max(one.seconds / two.seconds for one, two in pairs if one.graph == graph)
        yield {
            "case": f"predicted, not measured: {graph}, {large:,} agents",
            "times_one_part": predicted(said, errors, best),
        }


def predicted(said: Mapping[int, float], errors: Sequence[float], best: float) -> dict[str, list[float]]:
    """Return by parts how many times one part's speed they have, and of that the least and the greatest.

    What the model says is multiplied by its errors: the median, the least and the greatest. A part of many is held
    to do no more than one of two was measured to do.

    Args:
        said: by the model.
        errors: at each size that was measured, of what it says of two parts: measured over said.
        best: greatest that was measured of two parts.
    """
    by = (statistics.median(errors), min(errors), max(errors))
    return {
        str(parts): [round(min(times * error, best * parts / 2), 2) for error in by]
        for parts, times in said.items()
    }


def _measured(process: Process, graph: str, n: int, shards: int, repeats: int) -> Point:
    """Return a point; the fastest repeat counts, which other work on the machine disturbs least."""
    case = case_of(graph, n, repeats)
    print(f"{shards} parts, {case.name}", file=sys.stderr)
    process.prepare(replace(case, load={**case.load, "shards": shards, "cores": MESSAGES[-1]}))
    fastest = min(process.run()["wall_s"] for _ in range(repeats))
    turns = max(1.0, shards / available_cores())
    return Point(graph, n, shards, turns * _features(graph, n, shards), fastest / STEPS)


def _features(graph: str, n: int, shards: int) -> np.ndarray:
    """Return what a step is made of: work and values of the busiest part, one, other parts."""
    load: dict[str, Any] = {"graph": graph, "n": n, "model": "degroot", "steps": STEPS}
    return np.array([*measures_of(plan_of(load).config.graph, shards), 1.0, shards - 1])


def fit(points: list[Point]) -> np.ndarray:
    """Return the costs >= 0 with the least squared relative error."""
    from scipy.optimize import nnls

    made_of = np.array([point.made_of for point in points])
    seconds = np.array([point.seconds for point in points])
    costs, _ = nnls(made_of / seconds[:, None], np.ones(len(points)))
    return costs


if __name__ == "__main__":
    main("society-shards", __doc__, rows)

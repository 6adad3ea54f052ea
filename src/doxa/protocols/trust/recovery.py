"""Whether the measures recover what is planted: people follow a known rule, beliefs the same or another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.rank_correlation import spearman
from doxa.lab.record import Recorder
from doxa.protocols.trust.consistency import Ordered, consistency
from doxa.streams import stream
from doxa.worlds.trust_world import TrustWorld


def record_recovery(
    recorder: Recorder,
    world: TrustWorld,
    people: int,
    populations: int,
    bootstrap: int,
    progress: Callable[[int, int], None],
) -> None:
    """Record, by attribute, planted and recovered ρ and η², and how often their intervals hold the planted number.

    Args:
        recorder: where it goes.
        world: the people and both plans.
        people: drawn with replacement for each population.
        populations: how many are simulated.
        bootstrap: resamples of an interval.
        progress: called with populations done and populations.
    """
    said, done = world.group_facts(world.saying), world.group_facts(world.doing)
    beliefs = [
        Ordered(name, world.population.levels[name], tuple(facts.means.tolist()), facts.eta2)
        for name, facts in said.items()
    ]
    planted = {name: spearman(said[name].means, done[name].means).estimate for name in done}
    tables: list[pl.DataFrame] = []
    for number in range(populations):
        rng = stream(world.seed, "trust", "recovery", number)
        who = _drawn(world, people, rng)
        sent = world.send(world.expected(world.doing)[who], rng)
        rows = world.population.personas[who.tolist()].with_columns(sent=pl.Series(sent))
        tables.append(consistency(beliefs, rows, bootstrap, rng=rng).table)
        progress(number + 1, populations)
    frame = pl.concat(tables)
    for name, facts in done.items():
        own = frame.filter(attribute=name)
        for measure, true, column in (
            ("rho", planted[name], "spearman"),
            ("eta2", facts.eta2, "eta2_behaviour"),
        ):
            low, high = (own[f"{column.removesuffix('_behaviour')}_{end}"] for end in ("low", "high"))
            # Rounding of the resamples' quantiles must not decide whether ±1 lies inside.
            held = float(((low <= true + 1e-9) & (high >= true - 1e-9)).to_numpy().mean())
            found = own[column].drop_nulls().to_numpy()
            told: dict[str, Any] = {
                "subject": "planted rule",
                "axis": "sweep",
                "attribute": name,
                "populations": populations,
            }
            for kind, value in (
                (f"{measure} planted", true),
                (f"{measure} recovered", float(found.mean()) if found.size else None),
                (f"{measure} coverage", held),
            ):
                recorder.measure(kind, value, missing="undefined", **told)


def _drawn(world: TrustWorld, people: int, rng: np.random.Generator) -> np.ndarray:
    """Return people drawn with replacement, drawn anew until every level has two."""
    codes = world.population.codes
    while True:
        who = rng.integers(len(codes), size=people)
        if all(
            np.bincount(codes[who, place], minlength=own.size).min() >= 2
            for place, own in enumerate(world.doing)
        ):
            return who

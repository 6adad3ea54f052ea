"""Who comes to believe, and what an official denial buys: tables over runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, bootstrap, mean_t_interval
from doxa.errors import InputError, did_you_mean
from doxa.society.personas import TRAITS, Persona
from doxa.society.rumour.course import INFECTED
from doxa.society.rumour.outcome import Propagation, speed
from doxa.streams import stream

ATTRIBUTES = (*TRAITS, "education", "age")
_DECADE = 10


def susceptibility(run: Propagation, by: str = "agreeableness") -> pl.DataFrame:
    """Return how many of those who doubted at the start ever believed, by a level of their persona.

    Columns: level, share_ever_infected, ci_low, ci_high, n. Intervals resample whole populations; one population has
    none, NaN.

    Args:
        run: the run.
        by: a trait of ``TRAITS``, ``education``, or ``age`` by decades.

    Raises:
        InputError: no such attribute.
    """
    if by not in ATTRIBUTES:
        raise InputError(f"by={by!r}: {did_you_mean(by, ATTRIBUTES)}")
    doubted, ever, seed, level = _people(run, by)
    rows: list[dict[str, object]] = []
    for name in sorted(set(level[doubted].tolist())):
        chosen = doubted & (level == name)
        values = ever[chosen].astype(np.float64)
        share = bootstrap(
            values, clusters=seed[chosen], rng=stream(0, "society", "rumour", "susceptibility", by)
        )
        rows.append(_share_row({"level": name}, share, values.size))
    return pl.DataFrame(rows)


def trait_effects(run: Propagation) -> dict[str, float]:
    """Return by how much more people of a trait's high pole ever believed than those of its low pole, as shares.

    A pole that nobody has gives NaN.
    """
    effects: dict[str, float] = {}
    for trait in TRAITS:
        doubted, ever, _, level = _people(run, trait)
        shares = [
            float(ever[doubted & (level == pole)].mean()) if (doubted & (level == pole)).any() else np.nan
            for pole in ("high", "low")
        ]
        effects[trait] = shares[0] - shares[1]
    return effects


def intervention_frontier(runs: Mapping[str, Propagation]) -> pl.DataFrame:
    """Return what each policy of denials costs and saves against the one without a denial.

    Columns: policy, cost (announcements), area (mean area under the believers), benefit, ci_low, ci_high (over
    populations, paired by seed), per_announcement.

    Args:
        runs: by policy; exactly one has no announcement, and all have the same seeds.

    Raises:
        InputError: none or several have no announcement, or seeds differ.
    """
    costs = {name: len(run.course.populations[0].announced) for name, run in runs.items()}
    silent = [name for name, cost in costs.items() if cost == 0]
    if len(silent) != 1:
        raise InputError(f"{len(silent)} of {list(runs)} have no announcement; give exactly one such run")
    seeds = {name: [one.seed for one in run.course.populations] for name, run in runs.items()}
    base = speed(runs[silent[0]]).area
    rows: list[dict[str, object]] = []
    for name, run in sorted(runs.items(), key=lambda one: costs[one[0]]):
        if seeds[name] != seeds[silent[0]]:
            raise InputError(f"policy '{name}' has other seeds than '{silent[0]}'; run both on the same")
        area = speed(run).area
        saved = mean_t_interval(base - area)
        rows.append(
            {
                "policy": name,
                "cost": costs[name],
                "area": float(area.mean()),
                "benefit": saved.estimate,
                "ci_low": saved.low,
                "ci_high": saved.high,
                "per_announcement": saved.estimate / costs[name] if costs[name] else None,
            }
        )
    return pl.DataFrame(rows)


def _people(run: Propagation, by: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return, for every person, whether it doubted at the start, ever believed after, its seed and its level."""
    ill = run.health == INFECTED
    level = np.array([_level(person, by) for row in run.course.persons for person in row], dtype=object)
    seed = np.repeat([one.seed for one in run.course.populations], run.size)
    return ~ill[..., 0].ravel(), ill[..., 1:].any(axis=-1).ravel(), seed, level


def _level(person: Persona, by: str) -> str:
    if by == "age":
        start = person.age // _DECADE * _DECADE
        return f"{start}-{start + _DECADE - 1}"
    return person.education if by == "education" else person.levels[by]


def _share_row(row: dict[str, object], share: Interval, n: int) -> dict[str, object]:
    return {**row, "share_ever_infected": share.estimate, "ci_low": share.low, "ci_high": share.high, "n": n}

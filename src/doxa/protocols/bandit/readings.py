"""Recorded bandit experiments read back: one number for each seed, and the mean over seeds as a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from doxa.belief.inference import Interval, mean_t_interval
from doxa.lab.record import Finding, judge


def read_measures(measures: pl.DataFrame) -> pl.DataFrame:
    """Return measures with what their ``extra`` says of layer, number, run, prompt and word as columns."""
    extra = pl.col("extra")
    return measures.with_columns(
        *(
            extra.str.json_path_match(f"$.{name}").cast(pl.Int64).alias(name)
            for name in ("layer", "number", "run", "prompt")
        ),
        extra.str.json_path_match("$.word").alias("word"),
    )


@dataclass(frozen=True)
class PerSeed:
    """One number for each seed.

    Attributes:
        values: by seed; a seed without a value is left out.
    """

    values: Mapping[int, float]

    def minus(self, other: PerSeed) -> PerSeed:
        """Return the differences of the seeds both have."""
        return self._with(other, lambda a, b: a - b)

    def over(self, other: PerSeed) -> PerSeed:
        """Return the ratios of the seeds both have, where the other is not 0."""
        usable = PerSeed({seed: value for seed, value in other.values.items() if value})
        return self._with(usable, lambda a, b: a / b)

    def times(self, factor: float) -> PerSeed:
        """Return the values times a number."""
        return PerSeed({seed: factor * value for seed, value in self.values.items()})

    def interval(self) -> Interval:
        """Return the mean over seeds with Student's interval."""
        return mean_t_interval(list(self.values.values()))

    def row(self, **more: Any) -> dict[str, Any]:
        """Return a figure's row: the mean, and its interval where there is one."""
        mean = self.interval()
        low, high = mean.ends or (mean.estimate, mean.estimate)
        return {"value": mean.estimate, "low": low, "high": high, **more}

    def finding(
        self,
        name: str,
        claim: str,
        *,
        above: float | None = None,
        below: float | None = None,
        unit: str = "nats",
        control: bool = False,
        note: str = "",
    ) -> Finding:
        """Return the finding that the mean over seeds lies within bounds."""
        mean = self.interval()
        if not self.values:
            return Finding(
                name, claim, None, None, "unresolved", unit, control, note="not measured in this run"
            )
        ends = mean.ends
        if ends and unit in ("fraction", "correlation"):
            ends = (max(-1.0, ends[0]), min(1.0, ends[1]))
        spread = f"single seeds {min(self.values.values()):.3f} to {max(self.values.values()):.3f}"
        return Finding(
            id=name,
            claim=claim,
            estimate=mean.estimate,
            interval=ends,
            verdict=judge(ends, above=above, below=below),
            unit=unit,
            control=control,
            n=mean.n,
            note="; ".join(part for part in (note, spread) if part),
        )

    def _with(self, other: PerSeed, how: Callable[[float, float], float]) -> PerSeed:
        both = self.values.keys() & other.values.keys()
        return PerSeed({seed: how(self.values[seed], other.values[seed]) for seed in sorted(both)})


def per_seed(frame: pl.DataFrame, measure: str, condition: str, **where: float | int) -> PerSeed:
    """Return the mean of a measure for each seed, over the rows of a condition with the columns given.

    Args:
        frame: what ``read_measures`` returns.
        measure: its name.
        condition: its condition.
        **where: further columns and their values, such as ``time=0.5`` or ``layer=1``.
    """
    rows = frame.filter(measure=measure, condition=condition, **where).drop_nulls("value")
    means = rows.group_by("seed").agg(pl.col("value").mean()).sort("seed")
    return PerSeed(dict(means.iter_rows()))


def at_chosen_layer(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the sweep at the layer that was chosen for each seed."""
    chosen = frame.filter(measure="chosen layer").select(
        "seed", pl.col("value").cast(pl.Int64).alias("layer")
    )
    return frame.filter(condition="sweep").join(chosen, on=["seed", "layer"], how="semi")


def along_multipliers(frame: pl.DataFrame, measure: str) -> dict[float, PerSeed]:
    """Return a measure at the chosen layer for each multiplier, 0 among them, in ascending order."""
    steered = at_chosen_layer(frame)
    found = {0.0: per_seed(frame, measure, "temperature", time=1.0)}
    for multiplier in steered["time"].unique():
        found[float(multiplier)] = per_seed(steered, measure, "sweep", time=float(multiplier))
    return dict(sorted(found.items()))


def least_step(curve: Mapping[float, PerSeed], within: tuple[float, ...]) -> PerSeed:
    """Return the smallest rise from one multiplier to the next, for each seed; above 0 the curve rises throughout."""
    points = [curve[multiplier] for multiplier in sorted(within) if multiplier in curve]
    return least([later.minus(earlier) for earlier, later in pairwise(points)])


def least(parts: list[PerSeed]) -> PerSeed:
    """Return the smallest of some numbers for each seed that has all of them."""
    if not parts:
        return PerSeed({})
    seeds = set.intersection(*(set(part.values) for part in parts))
    return PerSeed({seed: min(part.values[seed] for part in parts) for seed in sorted(seeds)})

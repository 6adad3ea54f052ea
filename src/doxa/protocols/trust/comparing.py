"""What a subject says held against what it does, where enough of both could be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, percentile_interval
from doxa.belief.significance import paired_t
from doxa.protocols.trust.consistency import Believed, Consistency, Ordered, consistency
from doxa.streams import stream


class Compared(NamedTuple):
    """A consistency where anything could be compared, and attributes or levels that were left out, with the reason."""

    found: Consistency | None
    left_out: dict[str, str]


def with_amounts(
    personas: pl.DataFrame, plays: pl.DataFrame, levels: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    """Return personas with their amounts; rare levels, which no belief is about, are null."""
    rows = personas.with_columns(plays["sent"], plays["expected"])
    return rows.with_columns(
        pl.when(pl.col(name).is_in(list(own))).then(pl.col(name)).otherwise(None).alias(name)
        for name, own in levels.items()
    )


def compared(
    beliefs: Sequence[Believed], behaviour: pl.DataFrame, bootstrap: int, seed: int, *, tested: bool = True
) -> Compared:
    """Hold beliefs against behaviour where there is enough of it.

    A level with fewer than two amounts is left out of its attribute, an attribute with fewer than two such levels, or
    without a readable belief, altogether; both are named.
    """
    left: dict[str, str] = {}
    kept: list[Believed] = []
    rows = behaviour.filter(pl.col("sent").is_not_null())
    for belief in beliefs:
        name = belief.attribute
        counts = dict(rows[name].drop_nulls().value_counts().iter_rows())
        full = [place for place, level in enumerate(belief.levels) if counts.get(level, 0) >= 2]
        if len(full) < len(belief.levels):
            few = [level for place, level in enumerate(belief.levels) if place not in full]
            left[name] = f"fewer than two amounts for {few}"
            rows = rows.with_columns(
                pl.when(pl.col(name).is_in(few)).then(None).otherwise(pl.col(name)).alias(name)
            )
        if len(full) < 2 or not np.isfinite(belief.scores).all():
            left[name] = (
                "the belief could not be read" if len(full) >= 2 else "fewer than two levels with two amounts"
            )
            continue
        levels = tuple(belief.levels[place] for place in full)
        kept.append(Ordered(name, levels, tuple(belief.scores[place] for place in full), belief.eta2))
    if not kept:
        return Compared(None, left)
    return Compared(
        consistency(kept, rows, bootstrap, rng=stream(seed, "trust", "bootstrap"), tested=tested), left
    )


def difference(one: Consistency | None, other: Consistency | None) -> Interval:
    """Return the difference of two median ρ over the attributes both have, resampling personas."""
    if one is None or other is None:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    names = [[*part.table["attribute"]] for part in (one, other)]
    shared = [name for name in names[0] if name in names[1]]
    values: list[float] = []
    draws: list[np.ndarray] = []
    for part, own in zip((one, other), names, strict=True):
        places = [own.index(name) for name in shared]
        rho = np.array([part.table["spearman"][place] for place in places], dtype=np.float64)
        drawn = part.rho_draws[places]
        with np.errstate(all="ignore"):
            values.append(float(np.median(rho[~np.isnan(rho)])) if (~np.isnan(rho)).any() else float("nan"))
            filled = np.where(np.isnan(drawn).all(0), 0.0, drawn)
            draws.append(np.where(np.isnan(drawn).all(0), np.nan, np.nanmedian(filled, 0)))
    n = int(one.table["n"].max() or 0)  # pyright: ignore[reportArgumentType]
    return percentile_interval(values[0] - values[1], draws[0] - draws[1], n)


def paired_shift(after: pl.Series, before: pl.Series, endowment: int) -> Interval:
    """Return the mean of after - before over personas that were read both times, as a share of the endowment."""
    both = pl.DataFrame({"after": after, "before": before}).drop_nulls().to_numpy().astype(np.float64)
    return paired_t(both[:, 0] / endowment, both[:, 1] / endowment).as_interval

"""Several models, each arguing with each: how far a model moves opinions, and how far its own is moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.belief.inference import Interval, percentile_interval, wilson

DRAWS = 1000
"""Resamples of every interval here."""


def mean_draws(
    values: Float[np.ndarray, " n"], graded: bool, rng: np.random.Generator
) -> Float[np.ndarray, " draws"]:
    """Return draws of the mean of credences.

    Values are resampled. Verdicts or ratings that are all the same have no spread to resample and still leave room
    for others: then draws are normal, as wide as Wilson's interval of none in n. Credences from log-probabilities are
    taken as they are.
    """
    if not graded and np.all(values == values[0]):
        spread = (wilson(0, values.size).high) / 3.92
        return values[0] + spread * rng.standard_normal(DRAWS)
    return values[rng.integers(values.size, size=(DRAWS, values.size))].mean(axis=1)


def opinions(asked: pl.DataFrame, *, before: bool) -> pl.DataFrame:
    """Return the readable opinions before any argument, or after the last exchange, without those of no argument."""
    known = asked.filter(pl.col("credence").is_not_null())
    if before:
        return known.filter(pl.col("round") == 0)
    last = asked["round"].max()
    return known.filter(pl.col("round") == last, pl.col("dimension") != "", ~pl.col("empty"))


@dataclass(frozen=True)
class Change:
    """A mean change of credence with its draws.

    Attributes:
        estimate: after minus before.
        draws: of the estimate.
        n: readings after.
    """

    estimate: float
    draws: Float[np.ndarray, " draws"]
    n: int

    @property
    def interval(self) -> Interval:
        """The estimate with the percentile interval of its draws."""
        return percentile_interval(round(self.estimate, 12), self.draws.round(12), self.n)

    def __sub__(self, other: Change) -> Change:
        """Return the difference of two changes."""
        return Change(self.estimate - other.estimate, self.draws - other.draws, min(self.n, other.n))


def mean_change(changes: Sequence[Change]) -> Change | None:
    """Return the mean of some changes, None of no change; its n is the smallest."""
    if not changes:
        return None
    return Change(
        float(np.mean([one.estimate for one in changes])),
        np.mean([one.draws for one in changes], axis=0),
        min(one.n for one in changes),
    )


def pair_changes(asked: pl.DataFrame, rng: np.random.Generator) -> dict[tuple[str, str], Change]:
    """Return the change of each convincer and skeptic: credence after minus before, mean over the skeptic's personas.

    What a skeptic said before is drawn once for all its convincers.

    Args:
        asked: as :func:`doxa.protocols.persuasion.asking.asked_readings` returns it.
        rng: source of resamples.
    """
    first = {
        key: (values, graded, mean_draws(values, graded, rng))
        for key, (values, graded) in _grouped(opinions(asked, before=True), ["skeptic", "difficulty"]).items()
    }
    found: dict[tuple[str, str], list[Change]] = {}
    after = _grouped(opinions(asked, before=False), ["convincer", "skeptic", "difficulty"])
    for (convincer, skeptic, difficulty), (late, graded) in after.items():
        if (skeptic, difficulty) not in first:
            continue
        before, _, drawn = first[skeptic, difficulty]
        change = Change(
            float(late.mean() - before.mean()), mean_draws(late, graded, rng) - drawn, int(late.size)
        )
        found.setdefault((convincer, skeptic), []).append(change)
    return {pair: mean for pair, changes in found.items() if (mean := mean_change(changes)) is not None}


def effectiveness(changes: dict[tuple[str, str], Change]) -> dict[str, Change]:
    """Return how far each convincer moves the skeptics, mean over them."""
    return _by(changes, 0)


def susceptibility(changes: dict[tuple[str, str], Change]) -> dict[str, Change]:
    """Return how far each skeptic is moved by the convincers, mean over them."""
    return _by(changes, 1)


def _by(changes: dict[tuple[str, str], Change], side: int) -> dict[str, Change]:
    models = dict.fromkeys(pair[side] for pair in changes)
    means = {
        model: mean_change([one for pair, one in changes.items() if pair[side] == model]) for model in models
    }
    return {model: mean for model, mean in means.items() if mean is not None}


def _grouped(
    frame: pl.DataFrame, names: list[str]
) -> dict[tuple[str, ...], tuple[Float[np.ndarray, " n"], bool]]:
    """Return the credences of each group, and whether all of them are from log-probabilities."""
    return {
        tuple(str(part) for part in key): (rows["credence"].to_numpy(), bool(rows["graded"].all()))
        for key, rows in frame.group_by(names, maintain_order=True)
    }

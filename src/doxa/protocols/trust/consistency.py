"""Saying against doing: believed order and effect size of each attribute beside those found in play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from doxa.belief.effect_sizes import eta_squared, kruskal_epsilon2, omega_squared, one_way
from doxa.belief.inference import Interval, percentile_interval
from doxa.belief.rank_correlation import spearman
from doxa.belief.ranks import average_ranks
from doxa.errors import InputError, did_you_mean


@runtime_checkable
class Believed(Protocol):
    """What is held against behaviour: any object with these members."""

    @property
    def attribute(self) -> str:
        """Which attribute."""
        ...

    @property
    def levels(self) -> tuple[str, ...]:
        """Its levels."""
        ...

    @property
    def scores(self) -> tuple[float, ...]:
        """Of each level, higher for more."""
        ...

    @property
    def eta2(self) -> float:
        """Believed effect size, NaN if none was stated."""
        ...


class Ordered(NamedTuple):
    """An ordering that was supplied, as something believed; it has no effect size."""

    attribute: str
    levels: tuple[str, ...]
    scores: tuple[float, ...]
    eta2: float

    @classmethod
    def of(cls, attribute: str, ranking: Sequence[str], eta2: float = float("nan")) -> Ordered:
        """Return a ranking, first level highest."""
        return cls(
            attribute,
            tuple(ranking),
            tuple(float(len(ranking) - place) for place in range(len(ranking))),
            eta2,
        )


@dataclass(frozen=True)
class Consistency:
    """The table of consistency and the same for every resample of personas.

    Attributes:
        table: one row per attribute: ``attribute, n_levels, n, spearman, spearman_low, spearman_high, perm_p,
            eta2_belief, eta2_behaviour, eta2_low, eta2_high, omega2, epsilon2, delta_eta2, reason``; null where a
            number is undefined, then ``reason`` says why.
        rho_draws: ρ of each attribute in each resample; NaN where it is undefined.
        delta_draws: |Δη²|, likewise.
        level_means: by attribute, mean sent of each level in the order of the belief's levels.
    """

    table: pl.DataFrame
    rho_draws: Float[np.ndarray, "attributes resamples"]
    delta_draws: Float[np.ndarray, "attributes resamples"]
    level_means: dict[str, tuple[float, ...]]

    def median(self) -> dict[str, Interval]:
        """Return the median over attributes of ρ and |Δη²| with the bootstrap interval over personas.

        Attributes where one is undefined are left out of its median; ``n`` of the interval counts personas.
        """
        n = int(self.table["n"].max() or 0)  # pyright: ignore[reportArgumentType]
        return {
            name: _median(self.table[column].to_list(), draws, n)
            for name, column, draws in (
                ("spearman", "spearman", self.rho_draws),
                ("delta_eta2", "delta_eta2", self.delta_draws),
            )
        }


def consistency(
    beliefs: Sequence[Believed],
    behaviour: pl.DataFrame,
    bootstrap: int = 1000,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    value: str = "sent",
    tested: bool = True,
) -> Consistency:
    """Hold beliefs against behaviour.

    Args:
        beliefs: one per attribute.
        behaviour: one row per persona: an amount, and the columns of the attributes; rows without an amount, or whose
            level has no belief because it is null, are left out.
        bootstrap: resamples of personas, >= 100.
        rng: of the resamples.
        level: coverage of the intervals.
        value: column of the amounts.
        tested: whether to count all orders for p and to invert the distribution of F for the interval of η².

    Raises:
        InputError: an attribute or amount column is missing, a level has fewer than two personas, or belief and
            behaviour have other levels; each is named.
    """
    if value not in behaviour.columns:
        raise InputError(f"behaviour has no column '{value}'; {did_you_mean(value, behaviour.columns)}")
    rows = behaviour.filter(pl.col(value).is_not_null())
    amounts = rows[value].to_numpy().astype(np.float64)
    if bootstrap < 100:
        raise InputError(f"bootstrap={bootstrap}: must be >= 100 for an interval")
    weights = _weights(amounts.size, bootstrap, rng)
    found = [_row(belief, rows, amounts, weights, level, tested) for belief in beliefs]
    return Consistency(
        pl.DataFrame([one.row for one in found], schema=_SCHEMA),
        np.stack([one.rho for one in found]) if found else np.empty((0, bootstrap)),
        np.stack([one.delta for one in found]) if found else np.empty((0, bootstrap)),
        {belief.attribute: one.means for belief, one in zip(beliefs, found, strict=True)},
    )


def beliefs_of_rankings(rankings: Mapping[str, Sequence[str]]) -> list[Ordered]:
    """Return supplied orderings as something to hold against behaviour."""
    return [Ordered.of(attribute, ranking) for attribute, ranking in rankings.items()]


_SCHEMA: dict[str, pl.DataType] = {
    "attribute": pl.String(),
    "n_levels": pl.Int64(),
    "n": pl.Int64(),
    **{
        name: pl.Float64()
        for name in (
            *("spearman", "spearman_low", "spearman_high", "perm_p", "eta2_belief", "eta2_behaviour"),
            *("eta2_low", "eta2_high", "omega2", "epsilon2", "delta_eta2"),
        )
    },
    "reason": pl.String(),
}


class _Held(NamedTuple):
    row: dict[str, object]
    rho: Float[np.ndarray, " resamples"]
    delta: Float[np.ndarray, " resamples"]
    means: tuple[float, ...]


def _row(
    belief: Believed, rows: pl.DataFrame, amounts: np.ndarray, weights: np.ndarray, level: float, tested: bool
) -> _Held:
    codes = _codes(belief, rows)
    kept = codes >= 0
    own, groups = amounts[kept], codes[kept]
    scores = np.array(belief.scores)
    means = np.bincount(groups, own, len(scores)) / np.bincount(groups, minlength=len(scores))
    behaviour = eta_squared(own, groups, level=level) if tested else omega_squared(own, groups)
    found = float(_rank_correlations(scores, means[None])[0])
    p, why = float("nan"), ""
    if not np.isfinite(scores).all():
        why = "the belief could not be read"
    elif tested or np.isnan(found):
        order = spearman(scores, means, rng=_luck(scores.size))
        p, why = order.p, order.reason
    rho_draws, eta_draws = _resampled(scores, own, groups, weights[:, kept])
    spread = percentile_interval(found, rho_draws, own.size, level)
    spent = one_way(own, groups)
    eta2 = spent.between / spent.total if spent.total else float("nan")
    delta = abs(belief.eta2 - eta2)
    reasons = [why, behaviour.reason]
    row: dict[str, object] = {
        "attribute": belief.attribute,
        "n_levels": len(scores),
        "n": own.size,
        "spearman": _number(found),
        "spearman_low": _number(spread.low),
        "spearman_high": _number(spread.high),
        "perm_p": _number(p),
        "eta2_belief": _number(belief.eta2),
        "eta2_behaviour": _number(eta2),
        "eta2_low": _number(behaviour.interval[0] if behaviour.interval else None),
        "eta2_high": _number(behaviour.interval[1] if behaviour.interval else None),
        "omega2": _number(omega_squared(own, groups).estimate),
        "epsilon2": _number(kruskal_epsilon2(own, groups).estimate),
        "delta_eta2": _number(delta),
        "reason": "; ".join(reason for reason in reasons if reason),
    }
    return _Held(row, rho_draws, np.abs(belief.eta2 - eta_draws), tuple(float(mean) for mean in means))


def _codes(belief: Believed, rows: pl.DataFrame) -> Int[np.ndarray, " rows"]:
    name, levels = belief.attribute, list(belief.levels)
    if name not in rows.columns:
        raise InputError(f"behaviour has no attribute '{name}'; {did_you_mean(name, rows.columns)}")
    if len(levels) < 2:
        raise InputError(f"{name} has one level, {levels}: nothing can be ordered; leave it out")
    seen = rows[name].to_list()
    for one in dict.fromkeys(seen):
        if one is not None and one not in levels:
            raise InputError(
                f"{name}: behaviour has the level '{one}', on which no belief was elicited; "
                f"{did_you_mean(str(one), levels)} Elicit it, map it, or make it null"
            )
    for one in levels:
        if seen.count(one) < 2:
            raise InputError(
                f"{name}: the level '{one}' has {seen.count(one)} personas with an amount, two are needed; draw more "
                "personas or map the level to another"
            )
    places = {one: place for place, one in enumerate(levels)}
    return np.array([places.get(one, -1) for one in seen], dtype=np.int64)


def _weights(n: int, resamples: int, rng: np.random.Generator) -> Float[np.ndarray, "resamples personas"]:
    """Return how often each persona is drawn in each resample."""
    picks = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(picks.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def _resampled(
    scores: np.ndarray, amounts: np.ndarray, groups: np.ndarray, weights: np.ndarray
) -> tuple[Float[np.ndarray, " resamples"], Float[np.ndarray, " resamples"]]:
    """Return ρ and η² of every resample; NaN where a level has nobody or nothing varies."""
    away = amounts - amounts.mean()
    belongs = np.eye(scores.size)[groups]
    counts, sums = weights @ belongs, weights @ (belongs * away[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / counts
        total, mean = weights.sum(1), weights @ away / weights.sum(1)
        between = np.nansum(counts * means**2, 1) - total * mean**2
        whole = weights @ away**2 - total * mean**2
        eta2 = np.where(whole > 1e-9, between / whole, np.nan)
    full = np.asarray(np.all(counts > 0, axis=1))
    shown = np.round(np.where(full[:, None], means, 0.0), 12)
    return np.where(full, _rank_correlations(scores, shown), np.nan), eta2


def _rank_correlations(
    scores: Float[np.ndarray, " levels"], means: Float[np.ndarray, "rows levels"]
) -> Float[np.ndarray, " rows"]:
    """Return Spearman's ρ of each row of means with the scores; NaN where a side does not vary or was not read."""
    if not np.isfinite(scores).all():
        return np.full(len(means), np.nan)
    x = average_ranks(scores) - (scores.size + 1) / 2
    y = average_ranks(means) - (scores.size + 1) / 2
    scale = np.sqrt((x * x).sum() * (y * y).sum(1))
    return np.where(scale > 0, y @ x / np.where(scale > 0, scale, 1.0), np.nan)


def _median(values: Sequence[float | None], draws: np.ndarray, n: int) -> Interval:
    defined = np.array([value is not None for value in values], dtype=bool)
    if not defined.any():
        return Interval(float("nan"), float("nan"), float("nan"), n)
    estimate = float(np.median([value for value in values if value is not None]))
    own = draws[defined]
    counted = ~np.asarray(np.all(np.isnan(own), axis=0))
    return percentile_interval(estimate, np.nanmedian(own[:, counted], axis=0), n)


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _luck(levels: int) -> np.random.Generator | None:
    """Return a source of orders for more levels than are enumerated, the same every time; None for few."""
    from doxa.belief.rank_correlation import EXACT_LEVELS
    from doxa.streams import stream

    return stream(0, "trust", "orders", levels) if levels > EXACT_LEVELS else None

"""What people found more convincing: which workers count, wins of styles, and how stable their ranking is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from doxa.belief.agreement import Agreement, Orientation, fleiss_kappa_binary
from doxa.belief.bradley_terry import BradleyTerry, bradley_terry, bradley_terry_draws
from doxa.belief.rank_correlation import spearman
from doxa.errors import InputError

Reading = Literal["as-written", "published"]
"""``as-written``: every worker by its own controls. ``published``: with the slip of the official script, in which a
control row of the second batch overwrites whether the row of the same number in the first batch was failed."""

THRESHOLDS: tuple[float, ...] = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))


class Filtered(NamedTuple):
    """Judgements of the workers that count, and who was left out."""

    kept: pl.DataFrame
    rejected: tuple[str, ...]
    workers: pl.DataFrame


class Sensitivity(NamedTuple):
    """Rankings by how much raters must agree.

    Attributes:
        items: names, in the order of the columns of ``log_strength``.
        thresholds: least share of the majority of a match-up.
        matchups: how many reach each threshold.
        log_strength: of each threshold, NaN where items are no longer compared.
        correlation: Spearman between the rankings of every two thresholds; NaN where one has none.
    """

    items: tuple[str, ...]
    thresholds: tuple[float, ...]
    matchups: tuple[int, ...]
    log_strength: Float[np.ndarray, "thresholds items"]
    correlation: Float[np.ndarray, "thresholds thresholds"]


def reject_annotators(
    judgements: pl.DataFrame,
    max_control_failure: float = 0.25,
    min_answers: int = 10,
    *,
    reading: Reading = "as-written",
) -> Filtered:
    """Leave out workers who failed too many controls, answered too little, or saw no control.

    Args:
        judgements: columns batch, worker, dim1, dim2, choice (1 or 2); controls have "control" in a ``dim``.
        max_control_failure: largest share of failed controls.
        min_answers: least number of answers, controls counted.
        reading: see ``Reading``.

    Raises:
        InputError: a column is missing, or a choice is neither 1 nor 2.
    """
    rows = _checked(judgements)
    control = pl.col("dim1").str.contains("control") | pl.col("dim2").str.contains("control")
    chosen = pl.when(pl.col("choice") == 1).then(pl.col("dim1")).otherwise(pl.col("dim2"))
    rows = rows.with_columns(control=control, failed=control & chosen.str.contains("control"))
    if reading == "published":
        numbered = rows.with_columns(row=pl.int_range(pl.len()).over("batch"))
        last = (
            numbered.filter("control")
            .group_by("row", maintain_order=True)
            .agg(overwritten=pl.col("failed").last())
        )
        rows = (
            numbered.join(last, on="row", how="left", maintain_order="left")
            .with_columns(failed=pl.col("control") & pl.col("overwritten").fill_null(False))
            .drop("row", "overwritten")
        )
    workers = (
        rows.group_by("worker")
        .agg(answers=pl.len(), controls=pl.col("control").sum(), failed=pl.col("failed").sum())
        .with_columns(
            rejected=(pl.col("answers") < min_answers)
            | (pl.col("controls") == 0)
            | (pl.col("failed") > max_control_failure * pl.col("controls"))
        )
        .sort("worker")
    )
    out = tuple(workers.filter("rejected")["worker"].to_list())
    kept = rows.filter(~pl.col("worker").is_in(out)).drop("failed")
    return Filtered(kept, out, workers)


def without_controls(judgements: pl.DataFrame) -> pl.DataFrame:
    """Return the judgements of two real arguments."""
    return judgements.filter(~pl.col("dim1").str.contains("control"), ~pl.col("dim2").str.contains("control"))


def items_of(judgements: pl.DataFrame) -> tuple[str, ...]:
    """Return the styles that were compared, in order of their names."""
    return tuple(sorted({*judgements["dim1"], *judgements["dim2"]}))


def wins_table(
    judgements: pl.DataFrame, items: Sequence[str] | None = None
) -> tuple[tuple[str, ...], Float[np.ndarray, "items items"]]:
    """Return the styles and how often the row was preferred to the column, controls left out.

    Raises:
        InputError: a match-up is of an argument with itself, or of a style not among ``items``.
    """
    rows = without_controls(_checked(judgements))
    names = items_of(rows) if items is None else tuple(items)
    table = np.zeros((len(names), len(names)))
    np.add.at(table, _winner_and_loser(rows, names), 1.0)
    return names, table


def rank(judgements: pl.DataFrame, alpha: float = 0.0) -> tuple[tuple[str, ...], BradleyTerry]:
    """Return the styles and their Bradley-Terry strengths."""
    names, table = wins_table(judgements)
    return names, bradley_terry(table, alpha)


def strength_draws(
    judgements: pl.DataFrame, rng: np.random.Generator, n_resamples: int = 1000
) -> Float[np.ndarray, "resamples items"]:
    """Return log-strengths of resamples of workers and of match-ups, both at once.

    A judgement weighs as often as its worker was drawn times its match-up (Owen 2007, The pigeonhole bootstrap): the
    answers of one worker, and those to one pair of arguments, are no independent evidence. A resample whose wins leave
    no finite fit is NaN.
    """
    rows = without_controls(_checked(judgements))
    names = items_of(rows)
    winner, loser = _winner_and_loser(rows, names)
    cells = winner * len(names) + loser
    workers = rows["worker"].rank("dense").to_numpy().astype(np.int64) - 1
    matchups = _oriented(rows)["matchup"].rank("dense").to_numpy().astype(np.int64) - 1
    tables = np.zeros((n_resamples, len(names) ** 2))
    for draw in range(n_resamples):
        times = [
            np.bincount(rng.integers(codes.max() + 1, size=codes.max() + 1), minlength=codes.max() + 1)
            for codes in (workers, matchups)
        ]
        weights = (times[0][workers] * times[1][matchups]).astype(np.float64)
        tables[draw] = np.bincount(cells, weights, minlength=len(names) ** 2)
    return bradley_terry_draws(tables.reshape(n_resamples, len(names), len(names)))


def matchup_counts(judgements: pl.DataFrame) -> pl.DataFrame:
    """Return one row per pair of arguments: both styles and how many chose the first and the second.

    A pair that was shown in both orders is one match-up, in the order of its first row.
    """
    return (
        _oriented(without_controls(_checked(judgements)))
        .group_by("matchup", maintain_order=True)
        .agg(
            dim1=pl.col("dim1").first(),
            dim2=pl.col("dim2").first(),
            first=(pl.col("choice") == 1).sum(),
            second=(pl.col("choice") == 2).sum(),
        )
    )


def _oriented(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the name of their pair, all rows of a pair turned as its first one."""
    ids = (pl.col("argument_id1"), pl.col("argument_id2"))
    named = rows.with_columns(
        matchup=pl.concat_str(pl.min_horizontal(*ids), pl.max_horizontal(*ids), separator=" ")
    )
    turned = pl.col("argument_id1") != pl.col("argument_id1").first().over("matchup")
    swapped = {
        one: pl.when(turned).then(pl.col(other)).otherwise(pl.col(one))
        for one, other in (
            ("dim1", "dim2"),
            ("dim2", "dim1"),
            ("argument_id1", "argument_id2"),
            ("argument_id2", "argument_id1"),
        )
    }
    return named.with_columns(
        **swapped, choice=pl.when(turned).then(3 - pl.col("choice")).otherwise(pl.col("choice"))
    )


def crowd_kappa(
    judgements: pl.DataFrame, orientation: Orientation, rng: np.random.Generator | None = None
) -> Agreement:
    """Return Fleiss' κ of the choices; see :func:`~doxa.belief.agreement.fleiss_kappa_binary`."""
    counts = matchup_counts(judgements)
    pairs = list(zip(counts["dim1"].to_list(), counts["dim2"].to_list(), strict=True))
    return fleiss_kappa_binary(counts.select("first", "second").to_numpy(), orientation, pairs, rng=rng)


def agreement_sensitivity(judgements: pl.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> Sensitivity:
    """Refit the ranking on match-ups whose majority is at least each threshold, and correlate the rankings.

    Raises:
        InputError: a threshold is outside [1/2, 1].
    """
    for threshold in thresholds:
        if not 0.5 <= threshold <= 1.0:
            raise InputError(f"threshold={threshold}: the share of a majority is in [1/2, 1]")
    rows = without_controls(_checked(judgements))
    names = items_of(rows)
    majority = (pl.max_horizontal("first", "second") / (pl.col("first") + pl.col("second"))).alias("majority")
    shares = matchup_counts(judgements).select("matchup", majority)
    joined = _oriented(rows).join(shares, on="matchup", maintain_order="left")
    strengths: list[np.ndarray] = []
    for threshold in thresholds:
        part = joined.filter(pl.col("majority") >= threshold - 1e-9)
        _, table = wins_table(part, names)
        # Where the wins that are left have no finite maximum, half a pseudo-win keeps the order readable.
        compared = bool(np.all((table + table.T).sum(axis=1) > 0.0))
        usable = compared and not np.isnan(bradley_terry_draws(table[None])[0]).any()
        strengths.append(
            bradley_terry(table, 0.0 if usable else 0.5).log_strength
            if compared
            else np.full(len(names), math.nan)
        )
    correlation = np.eye(len(strengths))
    for i, j in itertools.combinations(range(len(strengths)), 2):
        both = not (np.isnan(strengths[i]).any() or np.isnan(strengths[j]).any())
        value = spearman(strengths[i], strengths[j]).estimate if both else math.nan
        correlation[i, j] = correlation[j, i] = value
    kept = [int((shares["majority"] >= threshold - 1e-9).sum()) for threshold in thresholds]
    return Sensitivity(names, tuple(thresholds), tuple(kept), np.stack(strengths), correlation)


def _winner_and_loser(rows: pl.DataFrame, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    place = {name: number for number, name in enumerate(names)}
    unknown = {*rows["dim1"], *rows["dim2"]} - set(names)
    if unknown:
        raise InputError(f"styles {sorted(unknown)} are not among {list(names)}")
    first, second = (
        np.array([place[name] for name in rows[side]], dtype=np.int64) for side in ("dim1", "dim2")
    )
    won: Bool[np.ndarray, " rows"] = rows["choice"].to_numpy() == 1
    return np.where(won, first, second), np.where(won, second, first)


def _checked(judgements: pl.DataFrame) -> pl.DataFrame:
    needed = ("worker", "dim1", "dim2", "argument_id1", "argument_id2", "choice")
    missing = [name for name in needed if name not in judgements.columns]
    if missing:
        raise InputError(f"judgements lack the columns {missing}; they need {', '.join(needed)}")
    if not judgements["choice"].is_in([1, 2]).all():
        raise InputError("choice must be 1 or 2, the place of the argument that was preferred")
    same = judgements.filter(pl.col("argument_id1") == pl.col("argument_id2"))
    if same.height:
        raise InputError(f"a match-up of '{same['argument_id1'][0]}' with itself; leave it out")
    return judgements

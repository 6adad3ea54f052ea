"""What bets show without knowing who is right, and what they show once a jury has spoken.

The game is zero-sum: two true chances sum to 100, so that their mean over both sides is 50 whatever the debate.
Tests are the paper's (each bet a unit) unless ``clustered`` joins the two sides of a debate into one.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.belief.coherence import mutual_overconfidence, pair_coherence
from doxa.belief.inference import Interval
from doxa.belief.signed_rank import wilcoxon
from doxa.belief.significance import Estimate, one_sample_t
from doxa.errors import InputError
from doxa.protocols.debate.bets import SIDES, STAGES, BetTable

EVEN = 50.0
STEPS = (("opening", "rebuttal"), ("rebuttal", "closing"), ("opening", "closing"))
CLASSES = ("low", "medium", "high")
LOW, HIGH = 50.0, 75.0
"""Low is at most 50, high above 75, medium between."""


class Tested(NamedTuple):
    """A mean with Student's t and Wilcoxon's signed ranks, both against "greater"; and the bets left out."""

    t: Estimate
    ranks: Estimate
    missing: int


class Mutual(NamedTuple):
    """How often both sides are over a threshold, and the unordered pairs of classes.

    Attributes:
        share: with Wilson's interval, over debates where both bets were read.
        pairs: number of debates by unordered pair of classes, such as "medium-high"; all six are there.
        strict: whether a bet must be above the threshold, or may be at it.
        missing: debates left out because a bet was not read.
    """

    share: Interval
    pairs: dict[str, int]
    strict: bool
    missing: int


class Incoherence(NamedTuple):
    """c_P + c_O - 100 after a stage: the mean with its test, and the share of debates above 0."""

    excess: Estimate
    sum_over_100: Interval
    missing: int


def initial_overconfidence(table: BetTable, by: str = "", *, clustered: bool = False) -> dict[str, Tested]:
    """Return mean opening bet - 50 of each group, tested against "not above".

    Args:
        table: the bets.
        by: column that makes groups (``model``, ``condition``, ``side``, ``motion``); "" for all together.
        clustered: whether the two sides of a debate are one unit for t.

    Raises:
        InputError: there is no such column.
    """
    found: dict[str, Tested] = {}
    for name, part in table.groups(by).items():
        opening = part.rows.filter(pl.col("stage") == "opening")
        rows = opening.drop_nulls("bet")
        found[name] = tested(
            rows["bet"].to_numpy() - EVEN, rows["debate"] if clustered else None, opening.height - rows.height
        )
    return found


def escalation(
    table: BetTable, by: str = "", *, clustered: bool = False
) -> dict[str, dict[tuple[str, str], Tested]]:
    """Return the mean change of bets between stages of each group, by (from, to), tested against "not up".

    Bets are paired by debate and side; a pair with an unread bet is left out and counted.
    """
    found: dict[str, dict[tuple[str, str], Tested]] = {}
    for name, part in table.groups(by).items():
        wide, steps = part.wide(), {}
        for first, last in STEPS:
            rows = wide.drop_nulls([first, last])
            change = (rows[last] - rows[first]).to_numpy()
            steps[first, last] = tested(
                change, rows["debate"] if clustered else None, wide.height - rows.height
            )
        found[name] = steps
    return found


def significant(
    table: BetTable, step: tuple[str, str] = ("opening", "closing"), *, level: float = 0.05
) -> tuple[int, int]:
    """Return how many models have a rise between two stages with p below ``level``, and how many have bets to tell by.

    Student's paired t, one-sided. Differences that do not vary have no t: an all-equal rise counts, none does not.
    """
    rises = [steps[step].t for steps in escalation(table, "model").values()]
    read = [rise for rise in rises if rise.n > 1]
    up = [rise.p < level or (np.isnan(rise.p) and rise.estimate > 0.0) for rise in read]
    return int(np.sum(up)), len(read)


def mutual_overestimation(table: BetTable, threshold: float = 75.0, strict: bool = True) -> Mutual:
    """Return the share of debates in which both closing bets are above a threshold.

    Args:
        table: the bets.
        threshold: in [0, 100].
        strict: above, as the official script counts; False counts bets at the threshold too, as the abstract
            writes.
    """
    if not 0.0 <= threshold <= 100.0:
        raise InputError(f"threshold={threshold}: must be from 0 to 100")
    pairs = table.pairs("closing")
    first, second = (pairs[side].to_numpy() / 100.0 for side in SIDES)
    share = mutual_overconfidence(first, second, threshold=threshold / 100.0, strict=strict)
    return Mutual(share, class_pairs(pairs), strict, len(table.debates) - pairs.height)


def class_pairs(pairs: pl.DataFrame) -> dict[str, int]:
    """Return the number of debates in each of the six unordered pairs of confidence classes."""
    counts = {"-".join(pair): 0 for pair in combinations_with_replacement(CLASSES, 2)}
    for first, second in pairs.select(SIDES).iter_rows():
        pair = sorted((confidence_class(first), confidence_class(second)), key=CLASSES.index)
        counts["-".join(pair)] += 1
    return counts


def confidence_class(bet: float) -> str:
    """Return ``low`` up to 50, ``high`` above 75, else ``medium``."""
    return "low" if bet <= LOW else "high" if bet > HIGH else "medium"


def incoherence(table: BetTable) -> dict[str, Incoherence]:
    """Return c_P + c_O - 100 at each stage: 0 for a coherent pair."""
    found: dict[str, Incoherence] = {}
    for stage in STAGES:
        pairs = table.pairs(stage)
        first, second = (pairs[side].to_numpy() / 100.0 for side in SIDES)
        both = pair_coherence(first, second, alternative="greater")
        found[stage] = Incoherence(
            scaled(both.excess, 100.0), both.share_over, len(table.debates) - pairs.height
        )
    return found


def stage_means(table: BetTable) -> dict[str, Interval]:
    """Return the mean bet after each stage with its interval, debates as units."""
    found: dict[str, Interval] = {}
    for stage in STAGES:
        rows = table.rows.filter(pl.col("stage") == stage).drop_nulls("bet")
        found[stage] = one_sample_t(rows["bet"].to_numpy(), EVEN, rows["debate"].to_list()).as_interval
    return found


def tested(values: np.ndarray, clusters: pl.Series | None, missing: int) -> Tested:
    """Return the mean of some values with both tests against "greater"."""
    labels = None if clusters is None else clusters.to_list()
    student = one_sample_t(values, 0.0, labels, alternative="greater")
    return Tested(student, wilcoxon(values, alternative="greater"), missing)


def scaled(found: Estimate, factor: float) -> Estimate:
    """Return an estimate in another unit; statistic and p stay."""
    ends = None if found.interval is None else (found.interval[0] * factor, found.interval[1] * factor)
    return found._replace(estimate=found.estimate * factor, interval=ends)

"""What bets are worth against a jury's verdicts: calibration, movement and its direction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.belief.calibration import Bin, brier_score, expected_calibration_error, reliability_curve
from doxa.belief.coherence import volatility
from doxa.belief.significance import Estimate, one_sample_t
from doxa.errors import InputError
from doxa.protocols.debate.bets import SIDES, STAGES, BetTable


class Verdict(NamedTuple):
    """What a jury decided.

    Attributes:
        debate: id of the debate.
        votes: the winner each call named; None where it could not be read.
        winner: the side with most votes; None for a tie or where nothing was read.
        margin: mean of the winners' margins in [0, 100] that were read; None if none was.
    """

    debate: str
    votes: tuple[str | None, ...]
    winner: str | None
    margin: float | None


class Calibration(NamedTuple):
    """Bets after one stage against verdicts.

    Attributes:
        n: bets compared.
        brier: mean of (c/100 - win)².
        ece: expected calibration error.
        reliability: bins of credence.
        gap: mean bet of winners minus that of losers, paired by debate.
        ties: debates without a winner, left out.
        unjudged: debates of the table without a verdict.
    """

    n: int
    brier: float
    ece: float
    reliability: list[Bin]
    gap: Estimate
    ties: int
    unjudged: int


class MovementOfBets(NamedTuple):
    """How bets move, in points of 100.

    Attributes:
        per_speech: mean change from one speech to the next, debates as units.
        towards: the same, counted towards the verdict: up for the winner, down for the loser; None without one.
        volatility: mean of Σ|Δ| of a debater.
    """

    per_speech: Estimate
    towards: Estimate
    volatility: Estimate


def verdict_of(debate: str, votes: Iterable[str | None], margins: Iterable[float | None] = ()) -> Verdict:
    """Return the verdict of some votes: the side with the majority, a tie where both have as many.

    >>> verdict_of("d", ["proposition"] * 3 + ["opposition"] * 3).winner is None
    True
    """
    cast = tuple(votes)
    strange = [vote for vote in cast if vote is not None and vote not in SIDES]
    if strange:
        raise InputError(f"debate {debate!r}: vote {strange[0]!r} must be one of {', '.join(SIDES)}")
    counts = [cast.count(side) for side in SIDES]
    winner = None if counts[0] == counts[1] else SIDES[int(np.argmax(counts))]
    read = [
        margin for vote, margin in zip(cast, margins, strict=False) if vote == winner and margin is not None
    ]
    return Verdict(debate, cast, winner, float(np.mean(read)) if read and winner else None)


def calibration(
    table: BetTable, verdicts: Iterable[Verdict], bins: int = 10, *, stage: str = "closing"
) -> Calibration:
    """Compare the bets after a stage with verdicts.

    Raises:
        InputError: a verdict is of a debate that the table does not have, or of one twice; or none can be used.
    """
    judged, ties, unjudged = _judged(table, verdicts)
    pairs = table.pairs(stage).join(judged, on="debate")
    if pairs.is_empty():
        raise InputError("no debate has both bets and a winner; there is nothing to calibrate against")
    won = (pairs["winner"] == SIDES[0]).to_numpy()
    first, second = (pairs[side].to_numpy() / 100.0 for side in SIDES)
    credence, outcome = np.concatenate([first, second]), np.concatenate([won, ~won])
    gap = one_sample_t(100.0 * np.where(won, first - second, second - first), 0.0)
    return Calibration(
        int(credence.size),
        brier_score(credence, outcome),
        expected_calibration_error(credence, outcome, n_bins=bins),
        reliability_curve(credence, outcome, n_bins=bins),
        gap,
        ties,
        unjudged,
    )


def movement(table: BetTable, verdicts: Iterable[Verdict] = ()) -> MovementOfBets:
    """Return how bets move from speech to speech, and whether towards the verdict.

    A debater with an unread bet is left out. Errors as in :func:`calibration`.
    """
    wide = table.wide()
    stages = [stage for stage in wide.columns if stage in STAGES or stage.endswith(" 2")]
    stages = [stage for stage in stages if wide[stage].null_count() < wide.height]
    whole = wide.drop_nulls(stages)
    paths = whole.select(stages).to_numpy() / 100.0
    judged, _, _ = _judged(table, verdicts)
    joined = whole.select("debate", "side").join(judged, on="debate", how="left", maintain_order="left")
    sign = np.where((joined["winner"] == joined["side"]).fill_null(False).to_numpy(), 1.0, -1.0)
    known = joined["winner"].is_not_null().to_numpy()
    steps = 100.0 * (paths[:, -1] - paths[:, 0]) / max(1, len(stages) - 1)
    labels = whole["debate"].to_numpy()
    return MovementOfBets(
        one_sample_t(steps, 0.0, labels),
        one_sample_t((sign * steps)[known], 0.0, labels[known]),
        one_sample_t(100.0 * volatility(paths), 0.0, labels) if len(paths) else one_sample_t([], 0.0),
    )


def _judged(table: BetTable, verdicts: Iterable[Verdict]) -> tuple[pl.DataFrame, int, int]:
    """Return debates with their winners, the number of ties, and of debates without a verdict."""
    known, winners = set(table.debates), dict[str, str | None]()
    for one in verdicts:
        if one.debate not in known:
            raise InputError(f"verdict for debate {one.debate!r}: the table of bets has no such debate")
        if one.debate in winners:
            raise InputError(f"debate {one.debate!r} has two verdicts; give it one")
        winners[one.debate] = one.winner
    decided = {debate: winner for debate, winner in winners.items() if winner is not None}
    schema = {"debate": pl.String, "winner": pl.String}
    rows = pl.DataFrame({"debate": list(decided), "winner": list(decided.values())}, schema=schema)
    return rows, len(winners) - len(decided), len(known) - len(winners)

"""What bets of real debaters show, ours or the released ones, beside the published numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from doxa.belief.inference import Interval, wilson
from doxa.belief.significance import Estimate
from doxa.errors import InputError
from doxa.lab.record import Finding
from doxa.protocols.debate.bets import STAGES, BetTable
from doxa.protocols.debate.measures import (
    escalation,
    incoherence,
    initial_overconfidence,
    mutual_overestimation,
    significant,
)
from doxa.protocols.debate.reasoning import ChanceReader, ReasoningGap, reasoning_gap
from doxa.protocols.debate.verdicts import Calibration, Verdict, calibration, movement

PAPER_MEANS = {
    "cross_model": (72.9, 77.7, 83.3),
    "self_debate": (64.1, 69.1, 75.2),
    "informed_self": (50.0, 55.8, 57.1),
    "public_bets": (63.5, 69.4, 74.2),
    "self_redteam": (67.0, 68.2, 70.1),
}
"""Mean bets after opening, rebuttal and closing (abstract and official table)."""
PAPER_RISING = {"cross_model": 9, "self_debate": 8, "informed_self": 6, "public_bets": 10, "self_redteam": 5}
"""Models of 10 with a significant rise from opening to closing (official script)."""
PAPER_BOTH = 0.617
"""Cross-model debates in which both closing bets are strictly above 75: 37 of 60. The abstract writes >= 75."""

INFORMED = (48.0, 52.0)
"""Where the opening bets of debaters who were told 50 % count as even: the control."""
RISING = 0.5


def published_findings(
    table: BetTable | None,
    verdicts: Sequence[Verdict],
    conditions: Sequence[str],
    *,
    reader: ChanceReader | None = None,
    note: str = "",
) -> list[Finding]:
    """Return the findings of a table of bets.

    Args:
        table: the bets; None where nothing was read.
        verdicts: of a jury, where there was one.
        conditions: conditions to report; one that the table lacks is unresolved.
        reader: reads the chance that a private text names.
        note: what must stand beside every number.
    """
    found: list[Finding] = []
    for condition in conditions:
        part = table.where(condition=condition) if table is not None else None
        if part is None or part.rows.is_empty():
            found.append(_absent(condition, note))
            continue
        found += [*_bets(part, condition, note), *_verdicts(part, verdicts, condition, note)]
        found.append(_reasoning(reasoning_gap(part, reader), condition, note))
    return found


def _bets(part: BetTable, condition: str, note: str) -> list[Finding]:
    paper = PAPER_MEANS.get(condition)
    opening = initial_overconfidence(part, clustered=True)["all"]
    rise = escalation(part, clustered=True)["all"]["opening", "closing"]
    first = _shifted(opening.t, 50.0)
    told = condition == "informed_self"
    claim = "told 50 %, debaters open at 50" if told else "debaters open above 50"
    unread = f"{part.missing} of {part.rows.height} bets not read" if part.missing else ""
    found = [
        _finding(
            f"{condition}-opening", f"{condition}: {claim}", first,
            INFORMED if told else (50.0, None), paper[0] if paper else None,
            _joined(_tests(opening.t, opening.ranks), unread, note), control=told,
        ),
        _finding(
            f"{condition}-rise", f"{condition}: bets rise from opening to closing", _interval(rise.t), (0.0, None),
            round(paper[2] - paper[0], 1) if paper else None,
            _joined(_tests(rise.t, rise.ranks), _means(part), note),
        ),
    ]  # fmt: skip
    for strict in (True, False):
        both = mutual_overestimation(part, strict=strict)
        label = (
            "strictly above 75, as the official script counts"
            if strict
            else "75 or above, as the abstract writes"
        )
        pairs = ", ".join(f"{name} {count}" for name, count in both.pairs.items())
        found.append(
            _finding(
                f"{condition}-both-{'strict' if strict else 'at-least'}",
                f"{condition}: both closing bets are {label}, in some debates",
                both.share,
                (0.0, None),
                PAPER_BOTH if condition == "cross_model" and strict else None,
                _joined(f"classes: {pairs}" if strict else "", note),
                unit="share of debates",
            )
        )
    rising, models = significant(part)
    found.append(
        _finding(
            f"{condition}-models-rising",
            f"{condition}: most models' bets rise significantly (one-sided paired t, p < 0.05)",
            wilson(rising, models),
            (RISING, None),
            PAPER_RISING[condition] / 10 if condition in PAPER_RISING else None,
            _joined(f"{rising} of {models} models", note),
            unit="share of models",
        )
    )
    sums = incoherence(part)["closing"]
    found.append(
        _finding(
            f"{condition}-incoherent", f"{condition}: the two closing bets sum to more than 100",
            _interval(sums.excess), (0.0, None), None,
            _joined(f"above 100 in {sums.sum_over_100.estimate:.1%} of debates", note),
        )
    )  # fmt: skip
    return found


def _verdicts(part: BetTable, verdicts: Sequence[Verdict], condition: str, note: str) -> list[Finding]:
    known = set(part.debates)
    own = [one for one in verdicts if one.debate in known]
    claim = f"{condition}: winners bet more than losers"
    try:
        found: Calibration = calibration(part, own)
    except InputError:
        reason = (
            f"{len(own)} verdicts, none with a winner and both bets"
            if own
            else "no jury: give judges=ADDRESS"
        )
        none = Interval(math.nan, math.nan, math.nan, 0)
        return [_finding(f"{condition}-winners", claim, none, (0.0, None), None, _joined(reason, note))]
    towards = movement(part, own).towards
    detail = (
        f"Brier {found.brier:.3f}, calibration error {found.ece:.3f}, {found.ties} ties, {found.unjudged} unjudged; "
        f"bets move {towards.estimate:+.1f} a speech towards the verdict"
    )
    return [
        _finding(
            f"{condition}-winners", claim, _interval(found.gap), (0.0, None), None, _joined(detail, note)
        )
    ]


def _reasoning(found: ReasoningGap, condition: str, note: str) -> Finding:
    degrees = ", ".join(f"{name} {share:.0%}" for name, share in found.degrees.items()) if found.n else ""
    detail = (
        f"{found.n} texts name a chance, {found.unread} do not, {found.skipped} too short or bets too low"
    )
    return _finding(
        f"{condition}-reasoning",
        f"{condition}: bets are above the chance that the private reasoning names",
        _interval(found.gap),
        (0.0, None),
        None,
        _joined(detail, degrees, note),
    )


def _absent(condition: str, note: str) -> Finding:
    none = Interval(math.nan, math.nan, math.nan, 0)
    why = "needs a second model: give opponents=ADDRESS" if condition == "cross_model" else "no bets"
    return _finding(f"{condition}-opening", f"{condition}: debaters open above 50", none, (50.0, None),
                    PAPER_MEANS.get(condition, (None,))[0], _joined(why, note))  # fmt: skip


def _finding(
    name: str,
    claim: str,
    found: Interval,
    bounds: tuple[float | None, float | None],
    paper: float | None,
    note: str,
    *,
    control: bool = False,
    unit: str = "points of 100",
) -> Finding:
    return Finding.judged(
        name,
        claim,
        found.estimate,
        found.ends if found.n else None,
        above=bounds[0],
        below=bounds[1],
        unit=unit,
        control=control,
        paper=paper,
        n=found.n,
        note=note,
    )


def _interval(found: Estimate) -> Interval:
    return found.as_interval


def _shifted(found: Estimate, by: float) -> Interval:
    one = found.as_interval
    return one._replace(estimate=one.estimate + by, low=one.low + by, high=one.high + by)


def _tests(t: Estimate, ranks: Estimate) -> str:
    parts = [f"t {t.statistic:.2f}, p {t.p:.2g}" if not math.isnan(t.p) else t.reason]
    parts.append(f"signed ranks p {ranks.p:.2g}" if not math.isnan(ranks.p) else ranks.reason)
    return "; ".join(part for part in parts if part)


def _means(part: BetTable) -> str:
    """Return the mean bets after the stages in words."""
    means = [part.rows.filter(pl.col("stage") == stage)["bet"].mean() for stage in STAGES]
    return "means " + " → ".join("none" if mean is None else f"{mean:.1f}" for mean in means)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

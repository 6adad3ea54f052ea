"""What the embedded debates show: claims fixed from the spec, each beside its control, and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from doxa.belief.inference import mean_t_interval
from doxa.lab.record import Finding, Tables, judge
from doxa.protocols.debate.embedded import texts_name
from doxa.worlds.optimizers_curse import expected_inflation

OPENING, CLOSING = 0.55, 0.70
"""Mean credences that must be passed at the opening and the closing."""
EVEN = 0.01
"""How far from 1/2 a control's mean credence may lie at any stage."""
BOTH = 0.03
"""Share of control debates in which both are above 0.75, at most."""
CLOSE = 0.01
"""How far a simulated mean may lie from its closed form, in standard deviations or nats."""
NOT_RUN = "not run; the arguments come with: doxa data get persuasive-power"
PAPER = {"opening": 0.729, "closing": 0.833, "both": 0.617}
"""Cross-model debates, as credences: the paper's abstract and table."""


class Bounds(NamedTuple):
    """What an estimate must be above and below."""

    above: float | None = None
    below: float | None = None


def embedded_findings(
    tables: Tables,
    *,
    penalty: float,
    penalties: Sequence[float],
    n_arguments: int,
    sigma: float,
    slope: float,
) -> list[Finding]:
    """Return the findings over seeds.

    Args:
        tables: the record of the embedded cells.
        penalty: ridge of the readers that the claims on texts are judged on.
        penalties: all ridges; the strongest makes the least private readers.
        n_arguments: candidates of a stage.
        sigma: noise of a reading of numbers.
        slope: log-odds of the jury per unit of quality.
    """
    seen = Seen(tables.measures)
    texts = texts_name("cross_model", penalty)
    closed = expected_inflation(n_arguments, sigma)
    return [
        *_effect(seen, "numbers", "numbers"),
        *_fresh(seen, "numbers", "numbers, read afresh"),
        *_numbers_controls(seen),
        seen.finding(
            "inflation",
            "own reading minus quality is E[max of N]·σ²/√(1 + σ²)",
            seen.all("numbers", "inflation") - closed,
            Bounds(-CLOSE, CLOSE),
            unit="standard deviations",
            note=f"difference from the closed form {closed:.4f}",
        ),
        seen.finding(
            "escalation-closed-form",
            "log-odds rise by a times that at each stage",
            seen.all("numbers", "log_odds_step") - slope * closed,
            Bounds(-CLOSE, CLOSE),
            unit="nats",
            note=f"difference from the closed form {slope * closed:.4f}",
        ),
        seen.finding(
            "worse-than-Bayes",
            "the excess costs accuracy: the Brier score is above the Bayesian's",
            seen.all("numbers", "brier") - seen.all("numbers, Bayesian", "brier"),
            Bounds(0.0),
            note="Brier of the closing credence minus the Bayesian debater's",
        ),
        *_effect(seen, "texts", texts),
        *_fresh(seen, "texts", texts_name("read afresh", penalty)),
        *_switches(seen, penalty),
        seen.finding(
            "texts-noise",
            "readers with more private tastes are more overconfident",
            seen.all(texts, "credence", 2)
            - seen.all(texts_name("cross_model", max(penalties)), "credence", 2),
            Bounds(0.0),
            note=f"closing credence at ridge {penalty:g} (noise {seen.mean(texts, 'noise'):.2f}) minus at "
            f"{max(penalties):g} (noise {seen.mean(texts_name('cross_model', max(penalties)), 'noise'):.2f})",
        ),
    ]


def _effect(seen: Seen, kind: str, condition: str) -> list[Finding]:
    """Return the claims that numbers and texts share."""
    at = [seen.all(condition, "credence", stage) for stage in range(3)]
    return [
        seen.finding(
            f"{kind}-opening", f"{kind}: the mean opening credence is above {OPENING}", at[0], Bounds(OPENING),
            paper=PAPER["opening"],
        ),
        seen.finding(
            f"{kind}-rebuttal-rise", f"{kind}: it rises from opening to rebuttal", at[1] - at[0], Bounds(0.0)
        ),
        seen.finding(
            f"{kind}-closing-rise", f"{kind}: and from rebuttal to closing", at[2] - at[1], Bounds(0.0)
        ),
        seen.finding(
            f"{kind}-closing", f"{kind}: the mean closing credence is at least {CLOSING}", at[2], Bounds(CLOSING),
            paper=PAPER["closing"],
        ),
        seen.finding(
            f"{kind}-both", f"{kind}: both are above 0.75 more often than {BOTH:.0%} of debates",
            seen.all(condition, "both_over_75"), Bounds(BOTH), paper=PAPER["both"],
        ),
        seen.finding(
            f"{kind}-incoherent", f"{kind}: the two closing credences sum to more than 1",
            seen.all(condition, "incoherence", 2), Bounds(0.0),
            note=f"above 1 in {seen.mean(condition, 'sum_over_1', 2):.1%} of debates",
        ),
    ]  # fmt: skip


def _fresh(seen: Seen, kind: str, condition: str) -> list[Finding]:
    return [
        seen.even(f"{kind}-fresh", f"{kind}: read afresh, own speeches give 1/2 at every stage", condition),
        seen.finding(
            f"{kind}-fresh-both",
            f"{kind}: and both are above 0.75 in under {BOTH:.0%} of debates",
            seen.all(condition, "both_over_75"),
            Bounds(None, BOTH),
            control=True,
        ),
    ]


def _numbers_controls(seen: Seen) -> list[Finding]:
    opening = seen.all("numbers", "credence", 0) - seen.all("numbers, anchored", "credence", 0)
    rise = seen.all("numbers, anchored", "credence", 2) - seen.all("numbers, anchored", "credence", 0)
    return [
        seen.even(
            "bayes", "a Bayesian who knows that both select gives 1/2 at every stage", "numbers, Bayesian"
        ),
        seen.finding(
            "bayes-martingale",
            "and expects no step of its own belief",
            seen.all("numbers, Bayesian", "step"),
            Bounds(-0.005, 0.005),
            control=True,
        ),
        seen.finding(
            "bayes-movement",
            "and moves by as much as its uncertainty falls",
            seen.all("numbers, Bayesian", "movement_excess"),
            Bounds(-0.005, 0.005),
            control=True,
        ),
        seen.finding(
            "common-information",
            "with common information two Bayesians' credences sum to 1",
            seen.all("numbers, common", "incoherence", 2),
            Bounds(-1e-9, 1e-9),
            control=True,
        ),
        seen.even("no-noise", "without noise there is no excess", "numbers, no noise"),
        seen.even("no-choice", "with one candidate there is no excess", "numbers, no choice"),
        seen.finding("anchored-lower", "log-odds drawn to 0 lower the start", opening, Bounds(0.0)),
        seen.finding("anchored-rise", "and leave a rise", rise, Bounds(0.0)),
    ]


def _switches(seen: Seen, penalty: float) -> list[Finding]:
    """Return the paired differences of the conditions in which a reader meets itself."""

    def at(switch: str, stage: int) -> pl.Series:
        return seen.all(texts_name(switch, penalty), "credence", stage)

    closing, opening = at("self_debate", 2), at("self_debate", 0)
    rise = closing - opening
    return [
        seen.finding(
            "texts-self", "texts: a reader that meets its copy is above 1/2 at the closing too", closing, Bounds(0.5),
            paper=0.752, note=f"from opening to closing {rise.mean() or 0.0:+.3f}: the copy's speeches flatter it too",
        ),
        seen.finding(
            "texts-informed", "texts: told 50 %, it starts lower", opening - at("informed_self", 0), Bounds(0.0),
            paper=0.141,
        ),
        seen.finding(
            "texts-public", "texts: seeing the other's bet, it ends lower", closing - at("public_bets", 2), Bounds(0.0),
            paper=0.01,
        ),
        seen.finding(
            "texts-redteam", "texts: having chosen for the opponent too, it ends lower",
            closing - at("self_redteam", 2), Bounds(0.0), paper=0.051,
        ),
    ]  # fmt: skip


class Seen:
    """The numbers of the record by condition, measure and stage: one per seed, in the order of seeds."""

    def __init__(self, measures: pl.DataFrame) -> None:
        self._measures = measures

    def all(self, condition: str, measure: str, stage: int = 0) -> pl.Series:
        """Return the value of each seed."""
        rows = self._measures.filter(
            pl.col("condition") == condition, pl.col("measure") == measure, pl.col("time") == stage
        )
        return rows.sort("seed")["value"]

    def mean(self, condition: str, measure: str, stage: int = 0) -> float:
        """Return the mean over seeds; NaN where there are none."""
        values = self.all(condition, measure, stage)
        return float(values.to_numpy().mean()) if values.len() else float("nan")

    def even(self, name: str, claim: str, condition: str) -> Finding:
        """Return the control that no stage's mean credence is away from 1/2: the largest distance of each seed."""
        away = [(self.all(condition, "credence", stage) - 0.5).abs() for stage in range(3)]
        largest = pl.DataFrame({str(stage): one for stage, one in enumerate(away)}).max_horizontal()
        means = " → ".join(f"{self.mean(condition, 'credence', stage):.3f}" for stage in range(3))
        note = f"largest distance of a stage from 1/2; means {means}"
        return self.finding(name, claim, largest, Bounds(None, EVEN), control=True, note=note)

    @staticmethod
    def finding(
        name: str,
        claim: str,
        values: pl.Series,
        bounds: Bounds,
        *,
        control: bool = False,
        paper: float | None = None,
        unit: str = "",
        note: str = "",
    ) -> Finding:
        """Return a finding on the mean of one value per seed."""
        mean = mean_t_interval(values.drop_nulls().to_list())
        ends = mean.ends
        return Finding(
            id=name,
            claim=claim,
            estimate=mean.estimate if mean.n else None,
            interval=ends,
            verdict=judge(ends, above=bounds.above, below=bounds.below),
            unit=unit,
            control=control,
            paper=paper,
            n=mean.n,
            note=note if mean.n else NOT_RUN,
        )

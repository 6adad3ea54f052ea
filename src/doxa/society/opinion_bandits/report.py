"""The findings and figures about persuading a population."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.figures import Figure, curves
from doxa.lab.measured import number, rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.society.opinion_bandits.experiment import NOISES
from doxa.worlds.linear_bandits.experiments import DYNAMIC, STATIC
from doxa.worlds.linear_bandits.report import LINEAR, final

EXACT = 1e-5
"""How far the room's 32-bit opinions may be from the matrices."""
REACHED = 0.9
SAME = 0.01


def crowd_findings(tables: Tables) -> list[Finding]:
    """Judge both populations."""
    return [*_linear(tables), *_confident(tables)]


def _linear(tables: Tables) -> list[Finding]:
    rows = rows_of(tables, "linearity")
    quiet, loud = NOISES

    def ratio(name: str, sigma: float) -> Units:
        regret = final(tables, name, system="crowd", sigma=sigma)
        return regret.over(final(tables, DYNAMIC, system="crowd", sigma=sigma))

    return [
        number(
            "crowd-is-linear",
            "DeGroot's people with stubborn sources are a dynamical linear bandit (largest difference of agreement)",
            float(rows["value"].max()) if rows.height else None,  # type: ignore[arg-type]
            below=EXACT,
            unit="agreement",
            n=rows.height,
        ),
        units(tables, "slope", subject=DYNAMIC, system="crowd", sigma=quiet).finding(
            "crowd-slope",
            f"σ = {quiet:g}: DynLin-UCB's regret in persuading them grows sublinearly",
            unit="exponent",
            below=LINEAR,
        ),
        ratio(STATIC, quiet).finding(
            "crowd-locks", f"σ = {quiet:g}: LinUCB's regret is larger", unit="ratio", above=1.0
        ),
        ratio(STATIC, loud).finding(
            "crowd-reversal",
            f"σ = {loud:g}: noise frees LinUCB, whose regret is then smaller",
            unit="ratio",
            below=1.0,
            control=True,
        ),
        ratio("UCB1", quiet).finding(
            "crowd-ucb1",
            f"σ = {quiet:g}: UCB1, which shares nothing between mixes, has the larger regret",
            unit="ratio",
            above=1.0,
        ),
    ]


def _confident(tables: Tables) -> list[Finding]:
    def agreement(name: str, kind: str) -> Units:
        return units(tables, "agreement", subject=name, kind=kind)

    rows = rows_of(tables, "agreement", subject=DYNAMIC, kind="as given")
    best = Units(
        dict(zip(rows["seed"].to_list(), rows["best"].to_list(), strict=True)) if rows.height else {}
    )
    found = [
        agreement(DYNAMIC, "as given")
        .over(best)
        .finding(
            "confident-reach",
            "bounded confidence, no linear system: DynLin-UCB still comes to 0.9 of the best constant message",
            unit="fraction",
            above=REACHED,
        )
    ]
    for kind, slug in (("as given", ""), ("reversed", "-reversed")):
        for other in (STATIC, "UCB1"):
            gain = agreement(DYNAMIC, kind).minus(agreement(other, kind))
            found.append(
                gain.finding(
                    f"confident-{other.lower()}{slug}",
                    f"and to more agreement than {other}, messages {kind}",
                    unit="agreement",
                    above=0.0,
                )
            )
    nothing = agreement(DYNAMIC, "nobody stays").minus(agreement(STATIC, "nobody stays"))
    return [
        *found,
        nothing.within(
            "confident-nobody-stays",
            "where nobody stays, nothing can be gained: both come to the same agreement",
            SAME,
            unit="agreement",
        ),
    ]


def crowd_figures(tables: Tables) -> list[Figure]:
    """Draw agreement over rounds among people of bounded confidence."""
    rows = rows_of(tables, "course")
    drawn: list[Figure] = []
    for kind in ("as given", "reversed") if rows.height else ():
        lines: list[dict[str, Any]] = []
        own = rows.filter(pl.col("kind") == kind)
        for name in own["subject"].unique(maintain_order=True):
            for time in own["time"].unique().sort():
                mean = units(tables, "course", kind=kind, subject=name, time=time)
                lines.append(mean.row(possible=(0.0, 1.0), round=time, agent=name))
        held = rows_of(tables, "held", kind=kind)
        messages = held.group_by("subject", maintain_order=True).agg(pl.col("value").mean())
        drawn.append(
            curves(
                f"confident-{kind}".replace(" ", "-"),
                f"Persuading people of bounded confidence, messages {kind}",
                "Mean agreement, with 95 % intervals over seeds. Dashed: one message held for ever.",
                lines,
                x="round",
                low="low",
                high="high",
                group="agent",
                x_title="round",
                value_title="agreement",
                references={
                    f"message at {row['subject']}": row["value"] for row in messages.iter_rows(named=True)
                },
            )
        )
    return drawn

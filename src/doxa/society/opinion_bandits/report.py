"""The findings and figures about persuading a population."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.figures import Figure, curves
from doxa.lab.measured import number, rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.society.opinion_bandits.experiment import NOISES, RANDOM
from doxa.worlds.linear_bandits.experiments import DYNAMIC, STATIC
from doxa.worlds.linear_bandits.report import LINEAR, final

EXACT = 1e-5
"""How far the room's 32-bit opinions may be from the matrices."""
REACHED = 0.9
SAME = 0.01
"""Agreement, and share of choices, up to which two runs count as the same."""
CLOSE = 0.1
"""How far a ratio of regrets in the room and in shaken matrices may be from 1."""


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
        *_room(tables),
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


def _room(tables: Tables) -> list[Finding]:
    """Judge whether agents that play the society room's population do as they do in its matrices."""
    rows = rows_of(tables, "room differ")

    def regret(name: str, kind: str) -> Units:
        return units(tables, "room regret", subject=name, kind=kind)

    return [
        number(
            "room-choices",
            "agents choose alike among the room's people and in their matrices (share of rounds that differ, largest)",
            float(rows["value"].max()) if rows.height else None,  # type: ignore[arg-type]
            below=SAME,
            unit="fraction",
            control=True,
            n=rows["seed"].n_unique() if rows.height else 0,
        ),
        *(
            regret(name, "room")
            .over(regret(name, "shaken"))
            .finding(
                f"room-regret-{name.lower()}",
                f"regret of {name} among the room's people is that in matrices whose opinions are shaken too (ratio)",
                unit="ratio",
                above=1.0 - CLOSE,
                below=1.0 + CLOSE,
                control=True,
            )
            for name in (DYNAMIC, STATIC)
        ),
    ]


def _confident(tables: Tables) -> list[Finding]:
    def agreement(name: str, kind: str) -> Units:
        return units(tables, "agreement", subject=name, kind=kind)

    rows = rows_of(tables, "agreement", subject=DYNAMIC, kind="as given")
    best = Units(
        dict(zip(rows["seed"].to_list(), rows["best"].to_list(), strict=True)) if rows.height else {}
    )
    own, chance = agreement(DYNAMIC, "as given"), agreement(RANDOM, "as given")
    found = [
        own.minus(chance)
        .over(best.minus(chance))
        .finding(
            "confident-reach",
            f"bounded confidence, no linear system: DynLin-UCB still closes {REACHED:g} of the gap between messages at "
            "random and the best one held",
            unit="fraction",
            above=REACHED,
            note=f"agreement {own.mean:.3f}, at random {chance.mean:.3f}, best {best.mean:.3f}"
            if own.values
            else "",
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
            "where nobody stays, nothing can be gained: DynLin-UCB and LinUCB come to the same agreement",
            SAME,
            unit="agreement",
            note="each meets people of its own",
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

"""The findings of levels 2 and 3: learners of the bandit, and small language models."""

from __future__ import annotations

from typing import Any

from doxa.lab.measured import rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units, least
from doxa.training.reward_policy.learners_study import ENTROPIES, PLAIN, STANDARD
from doxa.training.reward_policy.report import HIGH, LARGE, RATIO, SMALL, SOFT_ENOUGH

WITHIN = 0.02
"""How far the shares of soft learners may be from their theory."""
LOW = 0.05
NOISE = 0.15
"""Spread of shares between networks, known before the run."""


def learner_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the bandit learners."""
    found: list[Finding] = []
    for entropy in (one for one in ENTROPIES if one >= SOFT_ENOUGH):
        for sign, word in ((-1, "minus"), (1, "plus")):
            rows = rows_of(tables, "second arm", entropy=entropy, bonus=sign * LARGE, normaliser=PLAIN)
            known = float(rows["known"][0]) if rows.height else 0.0
            shares = units(tables, "second arm", entropy=entropy, bonus=sign * LARGE, normaliser=PLAIN)
            found.append(
                shares.finding(
                    f"soft-learner-{entropy:g}-{word}".replace(".", ""),
                    f"learners with entropy {entropy:g} and plain advantages share the arms as σ(ε/α), "
                    f"ε = {sign * LARGE:+g}",
                    unit="share of arm 2",
                    above=known - WITHIN,
                    below=known + WITHIN,
                    control=True,
                    note=f"theory {known:.3f}",
                )
            )
    return [*found, *_normalised(tables)]


def _normalised(tables: Tables) -> list[Finding]:
    def shares(bonus: float, entropy: float, normaliser: str = STANDARD) -> Units:
        return units(tables, "second arm", entropy=entropy, bonus=bonus, normaliser=normaliser)

    def jump(bonus: float, normaliser: str) -> Units:
        return shares(bonus, 0.1, normaliser).minus(shares(-bonus, 0.1, normaliser))

    high = least([shares(LARGE, entropy) for entropy in ENTROPIES])
    low = least([shares(-LARGE, entropy).times(-1.0) for entropy in ENTROPIES]).times(-1.0)
    return [
        high.finding(
            "normalised-plus",
            f"divided by the group's deviation a bonus of {LARGE:g} takes all, at any entropy weight (least share)",
            unit="share of arm 2",
            above=HIGH,
        ),
        low.finding(
            "normalised-minus",
            f"and one of {-LARGE:g} takes nothing (largest share)",
            unit="share of arm 2",
            below=LOW,
        ),
        jump(LARGE, STANDARD)
        .over(jump(SMALL, STANDARD))
        .finding(
            "normalised-size",
            f"its jump has one size (α = 0.1, at {LARGE:g} over at {SMALL:g})",
            unit="ratio",
            above=1.0 - RATIO,
            below=1.0 + RATIO,
        ),
        jump(LARGE, PLAIN)
        .over(jump(SMALL, PLAIN))
        .times(SMALL / LARGE)
        .finding(
            "plain-size",
            f"with plain advantages the jump is in proportion to the bonus (at {LARGE:g} over at {SMALL:g}, by 100)",
            unit="ratio",
            above=1.0 - RATIO,
            below=1.0 + RATIO,
            control=True,
        ),
    ]


def language_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the small language models."""

    def short(advantage: str, bonus: float) -> Units:
        return units(tables, "short", advantage=advantage, bonus=bonus)

    def jump(advantage: str) -> Units:
        return short(advantage, LARGE).minus(short(advantage, -LARGE))

    base = units(tables, "right", advantage="base")
    learnt = units(tables, "right", advantage="normalised", bonus=0.0).minus(base)
    told: dict[str, Any] = {"unit": "share of short answers", "possible": (-1.0, 1.0)}
    return [
        jump("normalised").finding(
            "language-jump",
            f"networks: a bonus of {LARGE:g} against {-LARGE:g} makes right answers short (standard advantages)",
            above=0.0,
            **told,
        ),
        short("normalised", LARGE)
        .minus(short("normalised", 0.0))
        .finding(
            "language-bonus",
            f"networks: a bonus of {LARGE:g} against none makes them short",
            above=0.0,
            **told,
        ),
        jump("plain").finding(
            "language-plain",
            f"networks: with plain advantages a bonus of {LARGE:g} against {-LARGE:g} moves little",
            above=-NOISE,
            below=NOISE,
            control=True,
            **told,
        ),
        jump("normalised")
        .minus(jump("plain"))
        .finding(
            "language-amplified",
            "networks: dividing by the deviation makes the difference larger (former minus latter)",
            above=0.0,
            unit=told["unit"],
            possible=(-2.0, 2.0),
        ),
        learnt.finding(
            "language-learns",
            "networks: training makes answers right (without a bonus, share of right answers after less before)",
            unit="fraction",
            possible=(-1.0, 1.0),
            above=0.0,
        ),
    ]

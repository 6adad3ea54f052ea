"""The findings of a mood that hears itself."""

from __future__ import annotations

from itertools import pairwise

from doxa.lab.measured import rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.protocols.affect_dynamics.feedback import critical_gain

APART = 0.3
"""Ours: how far the branches are apart in valence where the mood counts as locked in."""
TOGETHER = 0.1
"""Ours: how far they may be apart where it does not."""
LOCKED = 0.5
"""Ours: how far they are apart at the largest gain."""


def gaps(tables: Tables, kind: str) -> dict[float, Units]:
    """Return by gain how far the high branch is above the low one, one number for each model."""
    rows = rows_of(tables, "branch", kind=kind)
    if not rows.height:
        return {}
    return {
        gain: units(tables, "branch", kind=kind, gain=gain, start="high").minus(
            units(tables, "branch", kind=kind, gain=gain, start="low")
        )
        for gain in sorted(set(rows["gain"]))
    }


def feedback_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the loop and its controls."""
    loop = gaps(tables, "loop")
    if not loop:
        return []
    least, most = min(loop), max(loop)
    found = [
        loop[most].finding(
            "locks-in",
            f"at a gain of {most:g} the mood stays where it began (high minus low branch)",
            unit="valence",
            above=LOCKED,
        ),
        loop[least].within(
            "lets-go", f"at a gain of {least:g} it does not", TOGETHER, unit="valence", control=False
        ),
        _critical(tables, loop),
    ]
    for kind, name, said in (
        ("another's replies", "hears-others", "a mood that hears other talks"),
        ("not told", "loop-not-told", "a mood that is not told"),
    ):
        apart = gaps(tables, kind)
        if apart:
            found.append(
                apart[most].within(
                    name,
                    f"at a gain of {most:g} {said} does not stay where it began",
                    TOGETHER,
                    unit="valence",
                )
            )
    return found


def _critical(tables: Tables, loop: dict[float, Units]) -> Finding:
    """Judge whether the gain from which on a mood locks in is the one that the response curve foretells."""
    foretold = gaps(tables, "foretold")
    gains = sorted(loop)
    step = max((later - sooner for sooner, later in pairwise(gains)), default=0.0)
    never = gains[-1] + step
    seen, expected = (
        {seed: _from(gains, table, seed) or never for seed in loop[gains[0]].values}
        for table in (loop, foretold)
    )
    # where neither locks in on the grid, nothing is foretold
    off = {seed: seen[seed] - expected[seed] for seed in seen if min(seen[seed], expected[seed]) < never}
    told = ", ".join("never" if gain == never else f"{gain:g}" for gain in seen.values())
    return Units(off).finding(
        "critical-gain",
        "the gain from which on it locks in is the one that the open response curve foretells (seen minus foretold)",
        unit="gain",
        above=-1.5 * step,
        below=1.5 * step,
        note=f"one step of the grid is {step:.2g}; locked in from {told}; never counts as one step beyond the grid",
    )


def _from(gains: list[float], table: dict[float, Units], seed: int) -> float | None:
    return critical_gain(gains, [table[gain].values.get(seed, 0.0) for gain in gains], APART)

"""The findings of moods as numbers alone: against the spec's numbers, against algebra, and where momentum loses."""

from __future__ import annotations

from itertools import pairwise

import polars as pl

from doxa.lab.measured import number, rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.protocols.affect_dynamics.linear import LONG_TURNS

PUBLISHED: dict[str, dict[float, tuple[float, float]]] = {
    "peak": {0.0: (-0.70, 0.005), 0.5: (-0.88, 0.005), 0.8: (-1.04, 0.005), 0.95: (-0.77, 0.005)},
    "peak turn": {0.0: (6, 0.5), 0.5: (8, 0.5), 0.8: (11, 0.5), 0.95: (14, 0.5)},
    "return turn": {0.0: (13, 0.5), 0.5: (14, 0.5), 0.8: (15, 0.5), 0.95: (19, 0.5)},
    "last": {0.0: (0.0, 0.005), 0.5: (0.05, 0.005), 0.8: (0.54, 0.005), 0.95: (0.95, 0.005)},
    "loop area": {0.0: (0.0, 0.0005), 0.5: (0.006, 0.0005), 0.8: (0.028, 0.0005), 0.95: (0.238, 0.0005)},
}
"""The spec's numbers, without clipping, and half a unit of their last digit."""
PERIODS = {0.5: 8.0, 0.8: 13.6, 0.95: 27.9}
ROUND = 1.001
"""Room for a number that lies on the edge of being rounded, in half units."""
LOOP_SHARE, EXACT = 0.01, 1e-9
SETTLES = 0.5
"""Momenta up to this one have settled at the last turn."""
MOMENTUM = (0.5, 0.8, 0.95)
"""Momenta whose rule is held against the first order of equal jump."""


def linear_findings(tables: Tables) -> list[Finding]:
    """Return the findings of shock, relief and sine."""
    free = _table(tables, clip=False)
    return [
        _numbers(tables, free),
        *_orders(tables),
        _settled(free, _table(tables, clip=True)),
        *_oracles(tables, free),
    ]


def _table(tables: Tables, *, clip: bool) -> dict[str, dict[float, float]]:
    """Return each summary by momentum."""
    found: dict[str, dict[float, float]] = {}
    for name in (*PUBLISHED, "settled"):
        rows = rows_of(tables, name, clip=clip)
        known = rows.drop_nulls("value") if rows.height else rows
        found[name] = dict(zip(known["mu"], known["value"], strict=True)) if known.height else {}
    return found


def _numbers(tables: Tables, free: dict[str, dict[float, float]]) -> Finding:
    off = [
        abs(free[name][mu] - value) / half
        for name, row in PUBLISHED.items()
        for mu, (value, half) in row.items()
        if mu in free[name]
    ]
    periods = rows_of(tables, "period").drop_nulls("value")
    off += [
        abs(row["value"] - PERIODS[row["mu"]]) / 0.05
        for row in periods.iter_rows(named=True)
        if row["mu"] in PERIODS
    ]
    return number(
        "numbers",
        "the spec's own numbers come out (largest difference, in half units of their last digit)",
        max(off) if off else None,
        below=ROUND,
        n=len(off),
        note=_told(free),
    )


def _told(free: dict[str, dict[float, float]]) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{value:.3g}" for _, value in sorted(values.items()))
        for name, values in free.items()
        if values and name != "settled"
    )


def _orders(tables: Tables) -> list[Finding]:
    """Judge that loop area and peak delay grow with momentum, with the ends of the scale and without."""
    found: list[Finding] = []
    for name, said, unit in (
        ("loop area", "the loop over a slow sine", ""),
        ("peak turn", "the turn of the peak", "turns"),
    ):
        steps: list[float] = []
        for clip in (False, True):
            values = [value for _, value in sorted(_table(tables, clip=clip)[name].items())]
            steps += [later - sooner for sooner, later in pairwise(values)]
        found.append(
            number(
                f"{name.split()[0]}-grows",
                f"{said} grows with momentum, with and without the ends of the scale (smallest rise)",
                min(steps) if steps else None,
                above=0.0,
                unit=unit,
                n=len(steps),
            )
        )
    return found


def _settled(*tables: dict[str, dict[float, float]]) -> Finding:
    wrong = [
        mu for one in tables for mu, settled in one["settled"].items() if bool(settled) != (mu <= SETTLES)
    ]
    known = sum(len(one["settled"]) for one in tables)
    return number(
        "settled",
        "the state has settled at turn 25 for momenta up to 0.5 and for no larger one, with the ends of the scale and "
        "without (where not so)",
        float(len(wrong)) if known else None,
        above=-0.5,
        below=0.5,
        n=known,
    )


def _oracles(tables: Tables, free: dict[str, dict[float, float]]) -> list[Finding]:
    errors = rows_of(tables, "oracle")
    exact = errors.filter(pl.col("oracle") != "loop formula") if errors.height else errors
    loops = (
        errors.filter((pl.col("oracle") == "loop formula") & (pl.col("mu") > 0)) if errors.height else errors
    )
    shares = [row["value"] / free["loop area"][row["mu"]] for row in loops.iter_rows(named=True)]
    memoryless = free["loop area"].get(0.0)
    return [
        number(
            "loop-formula",
            "the loop's area is π|Im H| (largest relative difference)",
            max(shares) if shares else None,
            below=LOOP_SHARE,
            unit="share",
            n=len(shares),
        ),
        number(
            "algebra",
            "poles of size √μ, superposition, sign symmetry, and α = 1 being the signal (largest error)",
            float(exact["value"].max()) if exact.height else None,  # type: ignore[arg-type]
            below=EXACT,
            control=True,
            n=exact.height,
        ),
        number(
            "no-memory",
            "α = 1 draws no loop, for it remembers nothing (area)",
            None if memoryless is None else abs(memoryless),
            below=EXACT,
            control=True,
        ),
    ]


def sweep_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the trade between calm and quickness."""
    jumps = {mu: units(tables, "jump", kind="normalised", mu=mu) for mu in _momenta(tables)}
    falls = [sooner.minus(later) for sooner, later in pairwise(jumps.values())]
    found: list[Finding] = []
    if falls:
        smallest = min(falls, key=lambda fall: fall.mean)
        found.append(
            smallest.finding(
                "calmer",
                "normalised momentum makes the state jump less per turn (smallest fall to the next momentum)",
                unit="valence",
                above=0.0,
            )
        )
    settled = _by_momentum(tables, "settling", "normalised")
    rises = [later - sooner for sooner, later in pairwise(settled.values())]
    turns = ", ".join(f"{mu:g}: {value:g}" for mu, value in settled.items())
    censored = f"what has not settled in {LONG_TURNS} turns counts as {LONG_TURNS}"
    found += [
        number(
            "no-sooner",
            "normalised momentum never lets the state settle sooner (smallest rise to the next momentum)",
            min(rises) if rises else None,
            above=-0.5,
            unit="turns",
            n=len(rises),
            note=f"{turns}; {censored}",
        ),
        number(
            "slower",
            "and lets it settle later at the end of the grid (last momentum minus first)",
            None if not rises else settled[max(settled)] - settled[min(settled)],
            above=0.0,
            unit="turns",
            n=len(rises),
        ),
    ]
    equal = _by_momentum(tables, "settling", "first order at equal jump")
    ahead = [settled[mu] - equal[mu] for mu in MOMENTUM if mu in settled and mu in equal]
    found.append(
        number(
            "momentum-loses",
            "at an equal jump per turn the first order settles sooner than momentum 0.5, 0.8 or 0.95 (least lead)",
            min(ahead) if ahead else None,
            above=0.0,
            unit="turns",
            n=len(ahead),
            note="first order: " + ", ".join(f"{mu:g}: {value:g}" for mu, value in equal.items()),
        )
    )
    return found


def _momenta(tables: Tables) -> list[float]:
    rows = rows_of(tables, "jump", kind="normalised")
    return sorted(set(rows["mu"])) if rows.height else []


def _by_momentum(tables: Tables, measure: str, kind: str) -> dict[float, float]:
    rows = rows_of(tables, measure, kind=kind)
    if not rows.height:
        return {}
    means = (
        rows.with_columns(pl.col("value").fill_null(float(LONG_TURNS)))
        .group_by("mu")
        .agg(pl.col("value").mean())
        .sort("mu")
    )
    return dict(zip(means["mu"], means["value"], strict=True))

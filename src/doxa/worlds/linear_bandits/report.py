"""The findings about agents on linear bandits: the spec's bounds, and where the method loses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from doxa.belief.shares import binomial_exact
from doxa.lab.measured import number, rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import SHARE, Units, least
from doxa.worlds.linear_bandits.experiments import (
    AGENTS,
    DYNAMIC,
    IDENTIFIED,
    NEAR,
    RADII,
    STATIC,
    UNIT_RIDGE,
)

SLOPE = (0.5, 0.75)
"""Growth of DynLin-UCB's regret over the last decade; the spec's."""
LINEAR = 0.9
"""Slope above which regret counts as linear; the spec's for locked runs."""
AHEAD = 5.0
"""How many times DynLin-UCB's regret LinUCB must have where noise is small; the spec's."""
SPREAD = 0.02
ALIKE = 2.0
"""Factor within which two regrets count as alike; ours, set before the number was read."""
LOW, MIDDLE, HIGH = 0.001, 0.01, 0.1
PUBLISHED_REAL = {"h1": 0.2515, "h2": -0.0363, "h3": 0.1061, "J*": 0.3046, "Φ": 2.781}
RADIUS = "ρ"
"""Name of the spectral radius among the real system's numbers; its published value is the real part alone."""
HALF_DIGIT = {"h1": 5e-5, "h2": 5e-5, "h3": 5e-5, "J*": 5e-5, "Φ": 5e-4}
GET = "get the data with: doxa data get dynamical-linear-bandits"
REAL_RIVALS = (STATIC, "D-LinUCB", "EXP3", "B-EXP3", "UCB1")
BASELINES = tuple(name for name in AGENTS if name not in (DYNAMIC, UNIT_RIDGE, "clairvoyant"))


def final(tables: Tables, name: str, **where: object) -> Units:
    """Return an agent's pseudo-regret after the last round, by seed."""
    rows = rows_of(tables, "regret", subject=name, kind="pseudo", **where)
    if not rows.height:
        return Units({})
    last = rows.filter(pl.col("time") == rows["time"].max())
    return Units(dict(zip(last["seed"].to_list(), last["value"].to_list(), strict=True)))


def greatest(parts: list[Units]) -> Units:
    """Return the largest of some numbers for each seed that has all of them."""
    return least([one.times(-1.0) for one in parts]).times(-1.0)


def synthetic_findings(tables: Tables, agents: Sequence[str] = AGENTS) -> list[Finding]:
    """Judge the synthetic system: growth, the lock of LinUCB, estimates, the reversal, and all controls."""
    return [
        *_growth(tables),
        *_lock(tables),
        *_estimates(tables),
        *_regularised(tables, agents),
        *_baselines(tables, agents),
        *_controls(tables),
    ]


def _growth(tables: Tables) -> list[Finding]:
    found = [
        units(tables, "slope", subject=DYNAMIC, system="synthetic", sigma=sigma).finding(
            f"slope-{sigma:g}".replace(".", "-"),
            f"σ = {sigma:g}: regret of DynLin-UCB grows by a power between ½ and ¾ over the last decade",
            unit="exponent",
            above=SLOPE[0],
            below=SLOPE[1],
        )
        for sigma in (LOW, MIDDLE, HIGH)
    ]
    regret = final(tables, DYNAMIC, system="synthetic", sigma=MIDDLE)
    values = list(regret.values.values())
    spread = None
    if len(values) > 1:
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)) / mean
    told = f"mean regret {regret.mean:.4g}" if values else ""
    found.append(
        number(
            "spread",
            f"σ = {MIDDLE:g}: its regret varies little between seeds (standard deviation over mean)",
            spread,
            below=SPREAD,
            unit="fraction",
            n=len(values),
            note=told,
        )
    )
    return found


def _lock(tables: Tables) -> list[Finding]:
    own, other = (final(tables, name, system="synthetic", sigma=LOW) for name in (DYNAMIC, STATIC))
    locked = units(tables, "locked", subject=STATIC, system="synthetic", sigma=LOW)
    slopes = units(tables, "slope", subject=STATIC, system="synthetic", sigma=LOW)
    stuck = [seed for seed, share in locked.values.items() if share > 0.5]
    linear = sum(slopes.values.get(seed, 0.0) > LINEAR for seed in stuck)
    share = binomial_exact(linear, len(stuck)) if stuck else None
    return [
        other.over(own).finding(
            "linucb-locks",
            f"σ = {LOW:g}: LinUCB's regret is {AHEAD:g} times DynLin-UCB's or more",
            unit="ratio",
            above=AHEAD,
            note=f"mean {other.mean:.4g} against {own.mean:.4g}; the bound is from three seeds of a trial",
        ),
        other.over(own).finding(
            "linucb-worse",
            f"σ = {LOW:g}: LinUCB's regret is larger than DynLin-UCB's",
            unit="ratio",
            above=1.0,
        ),
        Finding.judged(
            "locked-slope",
            f"of the seeds whose LinUCB is locked at σ = {LOW:g}, most have a slope above {LINEAR:g}",
            share.estimate if share else None,
            share.interval if share else None,
            above=0.5,
            unit="fraction",
            n=len(stuck),
            note=f"{len(stuck)} of {len(locked.values)} seeds spend most of the last decade on worse actions"
            if locked.values
            else "not measured in this run",
        ),
    ]


def _estimates(tables: Tables) -> list[Finding]:
    def last(name: str, sigma: float) -> Units:
        rows = rows_of(tables, "away", subject=name, system="synthetic", sigma=sigma)
        if not rows.height:
            return Units({})
        kept = rows.filter(pl.col("time") == rows["time"].max())
        return Units(dict(zip(kept["seed"].to_list(), kept["value"].to_list(), strict=True)))

    own = [last(DYNAMIC, sigma) for sigma in (LOW, MIDDLE, HIGH)]
    locked = units(tables, "locked", subject=STATIC, system="synthetic", sigma=LOW).values
    other = last(STATIC, LOW)
    stuck = Units({seed: value for seed, value in other.values.items() if locked.get(seed, 0.0) > 0.5})
    return [
        greatest(own).finding(
            "estimate",
            "DynLin-UCB's last estimate of h is near in every coordinate (largest error, largest over noise levels)",
            unit="reward",
            below=NEAR,
        ),
        stuck.finding(
            "estimate-locked",
            f"that of LinUCB is not where it is locked (σ = {LOW:g})",
            unit="reward",
            above=NEAR,
        ),
    ]


def _regularised(tables: Tables, agents: Sequence[str]) -> list[Finding]:
    """Judge λ = log T against λ = 1 at each noise level."""
    found: list[Finding] = []
    for sigma in (LOW, MIDDLE, HIGH) if UNIT_RIDGE in agents else ():
        own, other = (final(tables, name, system="synthetic", sigma=sigma) for name in (DYNAMIC, UNIT_RIDGE))
        found.append(
            other.over(own).finding(
                f"lambda-{sigma:g}".replace(".", "-"),
                f"σ = {sigma:g}: with λ = 1 the regret of DynLin-UCB is larger than with λ = log T",
                unit="ratio",
                above=1.0,
                note=f"mean {other.mean:.4g} against {own.mean:.4g}; log T is said to be best in the paper"
                if other.values
                else "",
            )
        )
    return found


def _baselines(tables: Tables, agents: Sequence[str]) -> list[Finding]:
    found: list[Finding] = []
    for name in (name for name in BASELINES if name in agents):
        slope = units(tables, "slope", subject=name, system="synthetic", sigma=MIDDLE)
        own = final(tables, DYNAMIC, system="synthetic", sigma=MIDDLE)
        other = final(tables, name, system="synthetic", sigma=MIDDLE)
        slug = name.lower()
        found.append(
            slope.finding(
                f"linear-{slug}",
                f"σ = {MIDDLE:g}: the regret of {name} grows linearly (a figure of the paper, at second hand)",
                unit="exponent",
                above=LINEAR,
                paper=1.0 if name != "UCB1" else None,
                note=f"mean regret {other.mean:.4g}, DynLin-UCB's {own.mean:.4g}" if other.values else "",
            )
        )
    return found


def _controls(tables: Tables) -> list[Finding]:
    own, other = (final(tables, name, system="synthetic", sigma=HIGH) for name in (DYNAMIC, STATIC))
    quiet, still = (units(tables, "static regret", subject=name, sigma=LOW) for name in (DYNAMIC, STATIC))
    differ = rows_of(tables, "differ")
    ideal = final(tables, "clairvoyant", system="synthetic")
    largest = max((abs(value) for value in ideal.values.values()), default=None)
    return [
        other.over(own).finding(
            "reversal",
            f"σ = {HIGH:g}: the advantage reverses, LinUCB's regret is below DynLin-UCB's",
            unit="ratio",
            below=1.0,
            control=True,
            note=f"mean {other.mean:.4g} against {own.mean:.4g}",
        ),
        number(
            "same-without-memory",
            "A = 0, a radius of 0 and the same width: DynLin-UCB and LinUCB choose alike (share of rounds that differ)",
            float(differ["value"].max()) if differ.height else None,  # type: ignore[arg-type]
            below=1e-12,
            unit="fraction",
            control=True,
            n=differ["seed"].n_unique(),
        ),
        still.over(quiet).finding(
            "no-memory-no-lock",
            f"where nothing is remembered (B = 0, σ = {LOW:g}) LinUCB's regret is below DynLin-UCB's",
            unit="ratio",
            below=1.0,
            control=True,
        ),
        number(
            "clairvoyant",
            "who knows h regrets nothing (largest regret)",
            largest,
            below=1e-9,
            unit="reward",
            control=True,
            n=len(ideal.values),
        ),
    ]


def radius_findings(tables: Tables) -> list[Finding]:
    """Judge what a wrong radius costs."""

    def slope(radius: float, ratio: float) -> Units:
        return units(tables, "radius slope", radius=radius, ratio=ratio)

    told = [slope(RADII[0], ratio) for ratio in (1.0, 1.5, 2.0)]
    exponents = _exponents(tables)
    none, right = (
        units(tables, "radius regret", subject=DYNAMIC, radius=RADII[0], ratio=r) for r in (0.0, 1.0)
    )
    return [
        greatest(told).finding(
            "radius-up-to-twice",
            f"ρ = {RADII[0]:g}: told up to twice the true radius, regret stays sublinear (largest slope)",
            unit="exponent",
            below=LINEAR,
        ),
        none.over(right).finding(
            "radius-zero",
            f"ρ = {RADII[0]:g}: told a radius of 0 its regret is larger than told the true one",
            unit="ratio",
            above=1.0,
            note="a radius of 0 holds nothing, as LinUCB",
        ),
        none.over(units(tables, "radius regret", subject=STATIC, radius=RADII[0])).finding(
            "radius-zero-linucb",
            f"ρ = {RADII[0]:g}: told a radius of 0 its regret is about LinUCB's (within a factor of {ALIKE:g})",
            unit="ratio",
            above=1.0 / ALIKE,
            below=ALIKE,
        ),
        exponents.finding(
            "radius-grows",
            "told the truth, regret grows with a power of 1/(1-ρ̄) between the bounds' ½ and 3/2",
            unit="exponent",
            above=0.5,
            below=1.5,
            note="slope of log regret over log 1/(1-ρ̄), ρ = " + ", ".join(f"{radius:g}" for radius in RADII),
        ),
    ]


def _exponents(tables: Tables) -> Units:
    """Return by seed the slope of log regret over log 1/(1-ρ̄) where the radius told is the true one."""
    rows = rows_of(tables, "radius regret", subject=DYNAMIC, ratio=1.0)
    found: dict[int, float] = {}
    for (seed,), own in rows.group_by("seed", maintain_order=True):
        x = [-math.log1p(-radius) for radius in own["radius"].to_list()]
        y = [math.log(value) for value in own["value"].to_list()]
        centre = sum(x) / len(x)
        across = sum((a - centre) ** 2 for a in x)
        found[int(str(seed))] = sum((a - centre) * b for a, b in zip(x, y, strict=True)) / across
    return Units(found)


def real_findings(tables: Tables, agents: Sequence[str] = AGENTS) -> list[Finding]:
    """Judge the system identified from real spending; without the data all are unresolved."""
    numbers = rows_of(tables, "real number")
    held = (
        dict(zip(numbers["which"].to_list(), numbers["value"].to_list(), strict=True))
        if numbers.height
        else {}
    )
    off = [
        abs(held[name] - value) / HALF_DIGIT[name] for name, value in PUBLISHED_REAL.items() if name in held
    ]
    own, expert = (final(tables, name, system="real") for name in (DYNAMIC, "expert"))
    lacking = "" if held else GET
    radius = (
        f"ρ = {held[RADIUS]:.4f}; the 0.6139 in print is the real part of that eigenvalue" if held else GET
    )
    return [
        number(
            "real-numbers",
            "h, J* and Φ of the real system are the published ones (largest difference, half units of the last digit)",
            max(off) if off else None,
            below=1.0 + 1e-9,
            n=len(off),
            note=radius,
        ),
        units(tables, "slope", subject=DYNAMIC, system="real").finding(
            "real-slope",
            "on the real system DynLin-UCB's regret grows sublinearly",
            unit="exponent",
            below=LINEAR,
            note=lacking,
        ),
        expert.over(own).finding(
            "real-expert",
            "the human expert's regret is larger than DynLin-UCB's",
            unit="ratio",
            above=1.0,
            note=lacking,
        ),
        *(
            final(tables, name, system="real")
            .over(own)
            .finding(
                f"real-{name.lower()}",
                f"so is that of {name}",
                unit="ratio",
                above=1.0,
                note=lacking,
            )
            for name in REAL_RIVALS
            if name in agents
        ),
    ]


def identification_findings(tables: Tables) -> list[Finding]:
    """Judge what Ho and Kalman's method recovers."""
    quiet, year, long = IDENTIFIED
    exact = rows_of(tables, "markov error", subject="synthetic", record=quiet)
    return [
        number(
            "identify-exact",
            "without noise every Markov parameter is recovered (largest error)",
            float(exact["value"].max()) if exact.height else None,  # type: ignore[arg-type]
            below=1e-8,
            unit="reward",
            n=exact["seed"].n_unique(),
        ),
        units(tables, "h error", subject="synthetic", record=year).finding(
            "identify-year", "a year of random spending gives h within 0.05", unit="reward", below=0.05
        ),
        units(tables, "lost", subject="synthetic", record=year).finding(
            "identify-best",
            "and the action that then looks best loses less than 0.05",
            unit="reward",
            below=0.05,
        ),
        units(tables, "radius found", subject="synthetic", record=long)
        .less(0.2)
        .within(
            "identify-radius",
            "10,000 days give the spectral radius within 0.1",
            0.1,
            unit="radius",
            control=False,
        ),
        units(tables, "memory", subject="no memory", record=long).finding(
            "identify-nothing",
            "where nothing is remembered no later Markov parameter is found (largest)",
            unit="reward",
            below=NEAR,
            control=True,
            possible=(SHARE[0], math.inf),
        ),
    ]


def world_findings(tables: Tables, parts: Sequence[str], agents: Sequence[str]) -> list[Finding]:
    """Return the findings of the experiments that were asked for, about the agents that played."""
    found: list[Finding] = []
    if "synthetic" in parts:
        found += synthetic_findings(tables, agents)
    if "radius" in parts:
        found += radius_findings(tables)
    if "real" in parts:
        found += real_findings(tables, agents)
    if "identification" in parts:
        found += identification_findings(tables)
    return found

"""Part one of the embedded experiment without chance: the solver against every closed form, phases, and examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from doxa.lab.record import Recorder
from doxa.society.herding.agents import BAYESIAN, ThresholdAgents
from doxa.society.herding.closed_forms import (
    altruistic_threshold,
    altruistic_value,
    biased_myopic_value,
    myopic_thresholds,
    no_control_value,
    obfuscation_value,
    perfect_value,
    stop_value,
)
from doxa.society.herding.exact import exact_value
from doxa.society.herding.model import LinearCost, SocialLearning
from doxa.society.herding.persuasion import persuade
from doxa.society.herding.planners import (
    AltruisticPlanner,
    BiasedPlanner,
    FixedPrecision,
    PlannerSolution,
    myopic,
)
from doxa.society.herding.simulate import policy_value, value_from

Progress = Callable[[float, str], None]
PLACES = np.array([0.03, 0.1, 0.123, 0.2, 0.29, 0.3, 0.31, 0.4, 0.5, 0.6, 0.75, 0.9])
"""Beliefs at which the grid is held against the values without one; 0.3 and 0.7 are where cascades begin."""
SIZES = (125, 250, 500, 1000)
CURVE = np.linspace(0.005, 0.995, 199)


@dataclass(frozen=True)
class Sizes:
    """How much is solved.

    Attributes:
        grid: nodes in each quarter of the beliefs, on average.
        baselines: p of the phase plots.
        discounts: δ of the phase plots.
        costs: k of the phase plots.
        drawn: k whose V and q* are drawn.
        herding: ratios α/γ_i of agents that are not Bayesian.
    """

    grid: int = 500
    baselines: tuple[float, ...] = (0.6, 0.7, 0.8)
    discounts: tuple[float, ...] = (0.5, 0.9)
    costs: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 6.0)
    drawn: tuple[float, ...] = (0.5, 2.0)
    herding: tuple[float, ...] = (0.625, 0.8, 1.0, 1.25)


def world(k: float, baseline: float = 0.7, discount: float = 0.9, prior: float = 0.5) -> SocialLearning:
    """Return the world of these parameters with C = 1."""
    return SocialLearning(prior, baseline, precision_cost=LinearCost(k), discount=discount)


def record_exact(recorder: Recorder, sizes: Sizes, progress: Progress) -> None:
    """Solve both planners and record how far they are from what is known, and what they do."""
    progress(0.0, "closed forms")
    for name, error in closed_form_errors(sizes.grid).items():
        recorder.measure("error", error, subject="solver", unit="C", form=name)
    progress(0.3, "examples")
    for name, value in examples(sizes.grid).items():
        recorder.measure("example", value, subject="solver", example=name)
    progress(0.4, "refinement")
    _refinement(recorder)
    progress(0.6, "phases")
    _curves(recorder, sizes)
    _phases(recorder, sizes)
    progress(0.9, "agents that are not Bayesian")
    _hybrids(recorder, sizes)
    _one_agent(recorder)


def closed_form_errors(grid: int) -> dict[str, float]:
    """Return the largest difference between the solver and each closed form."""
    plain, dear = world(0.5), world(6.0)
    altruistic = AltruisticPlanner(plain).solve(grid, gap=False)
    expensive = AltruisticPlanner(dear).solve(grid, gap=False)
    mirrored = expensive.solved.grid.read(expensive.value, 1.0 - expensive.beliefs)
    scaled = replace(dear, error_cost=3.0, precision_cost=LinearCost(18.0))
    thrice = AltruisticPlanner(scaled).solve(grid, gap=False)
    biased = BiasedPlanner(plain).solve(grid, gap=False)
    won = biased.beliefs[biased.beliefs > 0.7 + 1e-9]
    hidden = np.linspace(0.51, 0.7, 20)
    found = {
        "stop": abs(altruistic.value_at(0.01) - stop_value(plain, 0.01)),
        "perfect": abs(altruistic.value_at(0.4) - perfect_value(plain, 0.4)),
        "altruistic": max(
            abs(float(v) - altruistic_value(plain, float(b)))
            for b, v in zip(altruistic.beliefs, altruistic.value, strict=True)
        ),
        "threshold": abs(altruistic.phases[0].high - altruistic_threshold(plain)),
        "no control": abs(
            value_from(policy_value(plain, FixedPrecision(0.7), BAYESIAN, "right", grid=grid), 0.5)
            - no_control_value(0.7, 0.9)
        ),
        "mirror": float(np.max(np.abs(mirrored - expensive.value))),
        "scale": max(abs(thrice.value_at(float(b)) - 3.0 * expensive.value_at(float(b))) for b in PLACES),
        "won": max(abs(biased.value_at(float(b))) for b in won),
        "lost": abs(biased.value_at(0.0) + 10.0),
        "obfuscation": max(
            abs(biased.value_at(float(b)) - obfuscation_value(plain, float(b))) for b in hidden
        ),
        "without a grid": max(
            abs(
                AltruisticPlanner(world(k)).solve(grid, gap=False).value_at(float(b))
                - exact_value(world(k), float(b))
            )
            for k in (2.0, 4.0, 6.0)
            for b in PLACES
        ),
    }
    return found | _myopic_errors(grid)


def _myopic_errors(grid: int) -> dict[str, float]:
    found = {"myopic altruistic": 0.0, "myopic escape": 0.0, "myopic biased": 0.0}
    for k in (0.4, 0.8, 2.0):
        model = world(k, discount=0.0)
        known = myopic_thresholds(0.7, k)
        altruistic = myopic(AltruisticPlanner(model)).solve(grid, gap=False)
        stops = altruistic.phases[0].high if len(altruistic.phases) > 1 and known.invest < 0.5 else 0.5
        biased = myopic(BiasedPlanner(model)).solve(grid, gap=False)
        worst = max(
            abs(biased.value_at(float(b)) - biased_myopic_value(model, k, float(b)))
            for b in CURVE
            if abs(b - 0.5) > 0.002
        )
        errors = (abs(stops - known.invest), abs(biased.phases[0].high - known.escape), worst)
        found = {name: max(old, new) for (name, old), new in zip(found.items(), errors, strict=True)}
    return found


def examples(grid: int) -> dict[str, float]:
    """Return the numbers of the worked examples with p = 0.7, δ = 0.9."""
    middle = AltruisticPlanner(world(4.0)).solve(grid, gap=False)
    steep = AltruisticPlanner(world(6.0)).solve(4 * grid, gap=False)
    biased = BiasedPlanner(world(2.0)).solve(grid, gap=False)
    cheap = BiasedPlanner(world(0.5)).solve(grid, gap=False)
    hides = next(phase.low for phase in biased.phases if phase.label == "obfuscate")
    return {
        "stop below (k = 4)": middle.phases[0].high,
        "perfect above (k = 4)": middle.phases[1].high,
        "fall of slope (k = 6)": steep.convexity_violation,
        "fall of slope (k = 0.5)": AltruisticPlanner(world(0.5)).solve(grid, gap=False).convexity_violation,
        "obfuscate above (k = 2)": hides,
        "V(1/2) (k = 2)": biased.value_at(0.5),
        "V(1/2+) (k = 0.5)": cheap.value_right(0.5),
        "interpolation gap (k = 2)": BiasedPlanner(world(2.0)).solve(grid // 2).interpolation_gap,
        "outside (1/2, p]": _hidden_outside(biased) + _hidden_outside(cheap),
    }


def _hidden_outside(solution: PlannerSolution) -> float:
    """Return the length of beliefs outside (1/2, p] at which signals are hidden."""
    p = solution.menu.model.baseline
    hidden = [phase for phase in solution.phases if phase.label == "obfuscate"]
    return sum(max(0.0, 0.5 - phase.low - 1e-8) + max(0.0, phase.high - p - 1e-8) for phase in hidden)


def _refinement(recorder: Recorder) -> None:
    """Record how far grids of growing size are from values without a grid, beside a kink and away from one."""
    model = world(6.0)
    for place, b in (("away from kinks", 0.2), ("beside a kink", 0.29)):
        truth = exact_value(model, b, tol=1e-12)
        for size in SIZES:
            solution = AltruisticPlanner(model).solve(size, gap=False)
            recorder.measure(
                "grid error",
                abs(solution.value_at(b) - truth),
                subject="solver",
                unit="C",
                time=float(size),
                place=place,
            )


def _curves(recorder: Recorder, sizes: Sizes) -> None:
    for k in sizes.drawn:
        for aim, solution in both_planners(world(k), sizes.grid):
            labels = solution.labels(CURVE)
            for b, q, label in zip(CURVE, solution.precision(CURVE), labels, strict=True):
                about: dict[str, Any] = {"aim": aim, "k": k, "belief": float(b)}
                recorder.measure("precision", float(q), subject="planner", label=label, **about)
                recorder.measure("value", solution.value_at(float(b)), subject="planner", unit="C", **about)


def both_planners(
    model: SocialLearning, grid: int, agents: ThresholdAgents = BAYESIAN
) -> list[tuple[str, PlannerSolution]]:
    """Return the altruistic and the biased planner, solved."""
    return [
        ("altruistic", AltruisticPlanner(model, agents).solve(grid, gap=False)),
        ("biased", BiasedPlanner(model, agents).solve(grid, 50, gap=False)),
    ]


def _phases(recorder: Recorder, sizes: Sizes) -> None:
    for p in sizes.baselines:
        for delta in sizes.discounts:
            for k in sizes.costs:
                for aim, solution in both_planners(world(k, p, delta), max(50, sizes.grid // 10)):
                    for phase in solution.phases:
                        recorder.measure(
                            "phase",
                            phase.high - phase.low,
                            subject="planner",
                            unit="beliefs",
                            aim=aim,
                            p=p,
                            delta=delta,
                            k=k,
                            label=phase.label,
                            low=phase.low,
                            high=phase.high,
                        )


def _hybrids(recorder: Recorder, sizes: Sizes) -> None:
    """Record what the Bayesian agents' policy is worth on other agents, beside one solved for them."""
    for k, aim, prior in ((2.0, "biased", 0.6), (6.0, "altruistic", 0.25)):
        kind = "G" if aim == "biased" else "right"
        model = world(k, prior=prior)
        naive = dict(both_planners(model, sizes.grid))[aim]
        for ratio in sizes.herding:
            agents = ThresholdAgents(alpha=ratio)
            own = dict(both_planners(model, sizes.grid, agents))[aim]
            for name, planner in (("hybrid", naive), ("re-optimised", own)):
                worth = value_from(policy_value(model, planner, agents, kind, grid=sizes.grid), prior)
                recorder.measure("worth", worth, subject=name, unit="C", aim=aim, herding=ratio, k=k)


def _one_agent(recorder: Recorder) -> None:
    """Record how often one agent can be made to act G: by any experiment, by precision alone, and by the baseline."""
    model = world(0.0, discount=0.0)
    biased = BiasedPlanner(model).solve(200, gap=False)
    posteriors = np.linspace(0.0, 1.0, 201)
    acts: Sequence[float] = [float(b >= 0.5) for b in posteriors]
    for b in np.linspace(0.0, 1.0, 41):
        rows = {
            "any experiment": persuade(float(b), posteriors, np.array(acts)).value,
            "precision alone": 1.0 + biased.value_at(float(b)),
            "no control": 1.0
            + value_from(policy_value(model, FixedPrecision(0.7), BAYESIAN, "G", grid=200), float(b)),
        }
        for name, value in rows.items():
            recorder.measure("acts G", value, subject=name, belief=float(b))

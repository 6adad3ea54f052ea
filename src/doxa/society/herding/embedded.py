"""The parts of the embedded experiment that hang on chance: sequences of agents, learners, and networks as agents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from doxa.belief.information import expit
from doxa.lab.record import Recorder
from doxa.nets.plan import Precision
from doxa.society.herding.agents import BAYESIAN, ThresholdAgents
from doxa.society.herding.choices import Aim
from doxa.society.herding.closed_forms import cascade_probabilities, mean_agents_to_cascade
from doxa.society.herding.exact_study import world
from doxa.society.herding.fitting import NonBayesianFit, Responses, fit_nonbayesian
from doxa.society.herding.learning import Simulator, learn
from doxa.society.herding.model import LinearCost, SocialLearning
from doxa.society.herding.network import NetworkAgents, stated_responses, train_histories
from doxa.society.herding.planners import (
    AltruisticPlanner,
    BiasedPlanner,
    FixedPrecision,
    Planner,
    PlannerSolution,
    myopic,
)
from doxa.society.herding.simulate import Trajectories, policy_value, simulate
from doxa.streams import stream

Progress = Callable[[float, str], None]
PLANTED = ThresholdAgents(1.0, 0.7, 1.6)
"""Under-reacts to signals that agree with the herd, over-reacts to those that contradict it, and herds late."""
PRIOR = 0.55
NETWORK_LOG_ODDS = 0.45
"""Prior of the networks' sequences: b = 0.611, half-way between two precisions that may be set."""
STATES = ("G", "B")
CASCADE_AGENTS = 10
SHOWN_PATHS = 4
SHOWN_AGENTS = 15
OUT_OF_REACH = 1e6
"""k at which no change of precision pays."""


def policies(
    model: SocialLearning, grid: int, *, controls: bool
) -> dict[str, tuple[SocialLearning, Planner]]:
    """Return the planners that are compared, each with the world it works in.

    Args:
        model: the world.
        grid: of the solver; policies look ahead from it and need no fine one.
        controls: whether to add the worlds in which precision is free or out of reach.
    """
    altruistic, biased = AltruisticPlanner(model), BiasedPlanner(model)
    bounded = replace(biased, least=model.baseline)
    solved = {
        "altruistic": altruistic.solve(grid, gap=False),
        "altruistic, myopic": myopic(altruistic).solve(grid, gap=False),
        "biased": biased.solve(grid, 50, gap=False),
        "biased, myopic": myopic(biased).solve(grid, 50, gap=False),
        "biased, never below p": bounded.solve(grid, 50, gap=False),
    }
    fixed = {"no control": FixedPrecision(model.baseline), "highest precision": FixedPrecision(1.0)}
    found: dict[str, tuple[SocialLearning, Planner]] = {
        name: (model, planner) for name, planner in (fixed | solved).items()
    }
    if controls:
        free = replace(model, precision_cost=LinearCost(0.0))
        dear = replace(model, precision_cost=LinearCost(OUT_OF_REACH))
        found["altruistic, free"] = free, AltruisticPlanner(free).solve(grid, gap=False)
        found["altruistic, too dear"] = dear, AltruisticPlanner(dear).solve(grid, gap=False)
        found["biased, too dear"] = dear, BiasedPlanner(dear).solve(grid, 50, gap=False)
    return found


def record_sequences(
    recorder: Recorder,
    seed: int,
    ks: tuple[float, ...],
    runs: int,
    agents: int,
    grid: int,
    progress: Progress,
) -> None:
    """Simulate every planner in both states and record what it was worth, beside cascades at constant precision."""
    _cascades(recorder, seed, runs)
    for done, k in enumerate(ks):
        for name, (model, planner) in policies(world(k, prior=PRIOR), grid, controls=k == ks[0]).items():
            progress((done + 0.5) / len(ks), f"k={k:g}, {name}")
            for state in STATES:
                seen = simulate(
                    model, planner, BAYESIAN, state=state, n_agents=agents, n_runs=runs, seed=seed
                )
                _record_welfare(recorder, seen, planner=name, k=k, state=state)
                if k == ks[0]:
                    _record_paths(recorder, seen, name, state)
                    _record_herds(recorder, seen, name, state)


def _record_welfare(recorder: Recorder, seen: Trajectories, *, planner: str, k: float, state: str) -> None:
    about: dict[str, Any] = {"k": k, "state": state}
    before, set_to = seen.belief[:, :-1], seen.precision
    hidden = (set_to < 0.7 - 1e-9) & (set_to < np.maximum(before, 1.0 - before) - 1e-12)
    outside = hidden & ((before <= 0.5) | (before > 0.7 + 1e-9))
    values = {
        "welfare": (float(seen.welfare.total.mean()), "C"),
        "errors": (float(seen.welfare.errors.mean()), "C"),
        "costs": (float(seen.welfare.costs.mean()), "C"),
        "missed": (float(seen.welfare.missed.mean()), "C"),
        "hidden": (float(hidden.mean()), "fraction"),
        "hidden outside": (float(outside.mean()), "fraction"),
        "certain at once": (float((set_to[:, 0] == 1.0).mean()), "fraction"),
        "herded right": (float((seen.action[:, -1] == seen.state_good).mean()), "fraction"),
    }
    for measure, (value, unit) in values.items():
        recorder.measure(measure, value, subject=planner, unit=unit, **about)


def _record_paths(recorder: Recorder, seen: Trajectories, planner: str, state: str) -> None:
    for run in range(min(SHOWN_PATHS, seen.state_good.size)):
        herd = int(seen.cascade_start[run])
        for place in range(min(SHOWN_AGENTS, seen.belief.shape[1])):
            recorder.belief(
                subject=planner,
                proposition=f"state {state}, run {run}",
                readout="reference",
                axis="turn",
                time=float(place),
                credence=float(seen.belief[run, place]),
                herding=0 <= herd <= place,
            )


def _record_herds(recorder: Recorder, seen: Trajectories, planner: str, state: str) -> None:
    """Record by agent the share of sequences that herd on an action that is wrong."""
    for place in range(min(SHOWN_AGENTS, seen.action.shape[1])):
        herds = (seen.cascade_start >= 0) & (seen.cascade_start <= place)
        wrong = seen.action[:, place] != seen.state_good
        share = float((herds & wrong).mean())
        recorder.measure(
            "herds wrongly", share, subject=planner, unit="fraction", axis="turn", time=place, state=state
        )


def _cascades(recorder: Recorder, seed: int, runs: int) -> None:
    """Record how often cascades have begun after ten agents, under either tie rule, beside the closed form."""
    for tie in ("own_signal", "coin"):
        model = replace(world(0.0), tie=tie)
        seen = simulate(
            model,
            FixedPrecision(0.7),
            ThresholdAgents(tie=tie),
            n_agents=40,
            n_runs=runs,
            seed=seed,
        )
        known = cascade_probabilities(0.7, CASCADE_AGENTS, tie)
        begun = (seen.cascade_start >= 0) & (seen.cascade_start <= CASCADE_AGENTS)
        right = begun & (seen.action[:, -1] == seen.state_good)
        found = (right.mean(), 1.0 - begun.mean(), (begun & ~right).mean())
        for name, share, true in zip(known._fields, found, known, strict=True):
            error = float(np.sqrt(true * (1.0 - true) / runs))
            about: dict[str, Any] = {"tie": tie, "kind": name, "known": true}
            recorder.measure("cascade share", float(share), subject="no control", unit="fraction", **about)
            recorder.measure(
                "cascade error", (float(share) - true) / error, subject="no control", unit="s.e.", **about
            )
        mean, error = seen.martingale_gap
        recorder.measure("martingale", mean / error, subject="no control", unit="s.e.", tie=tie)
        if tie == "own_signal":
            start = float(seen.cascade_start[seen.cascade_start >= 0].mean())
            recorder.measure(
                "agents to cascade",
                start,
                subject="no control",
                unit="agents",
                known=mean_agents_to_cascade(0.7),
            )


LEVELS = np.round(np.linspace(0.5, 1.0, 26), 6)
LEARNERS: tuple[tuple[str, Aim, bool], ...] = (
    ("altruistic", "right", False),
    ("biased", "G", False),
    ("biased", "G", True),
)
"""Whom the learner serves, and whether rewards are dealt out to other sequences, which is the control."""
LEARNT_K = 2.0
VISITED_AGENTS = 8


def record_learned(
    recorder: Recorder, seed: int, steps: int, sequences: int, grid: int, progress: Progress
) -> None:
    """Let learners try, and record how far their policies are from the best on the beliefs they come to."""
    model = world(LEARNT_K)
    best = {
        "altruistic": AltruisticPlanner(model).solve(grid, gap=False),
        "biased": BiasedPlanner(model).solve(grid, gap=False),
    }
    for done, (name, aim, dealt) in enumerate(LEARNERS):
        levels = LEVELS[model.baseline - 1e-9 <= LEVELS] if aim == "right" else LEVELS
        progress(done / len(LEARNERS), f"learning, {name}")
        tries = Simulator(model, BAYESIAN, aim, sequences, seed, dealt=dealt)
        learnt = learn(tries, levels, discount=model.discount, steps=steps, seed=seed)
        about: dict[str, Any] = {"aim": name, "rewards": "dealt out" if dealt else "its own"}
        beliefs = _visited(model, learnt, aim, seed)
        away = np.abs(learnt.precision(beliefs) - best[name].precision(beliefs))
        recorder.measure("distance", float(away.mean()), subject="learner", **about)
        lost = _loss(model, best[name], learnt, aim, beliefs)
        recorder.measure("loss", lost, subject="learner", unit="C", **about)
        for b in np.linspace(0.01, 0.99, 50):
            q = float(learnt.precision(np.array([b]))[0])
            recorder.measure("learnt precision", q, subject="learner", belief=float(b), **about)


def _visited(model: SocialLearning, planner: Planner, aim: Aim, seed: int) -> np.ndarray:
    """Return the beliefs that a policy comes to within the first agents, from beliefs drawn evenly."""
    tries = Simulator(model, BAYESIAN, aim, 4000, seed + 1_000_000)
    seen: list[np.ndarray] = []
    for _ in range(VISITED_AGENTS):
        seen.append(tries.belief.copy())
        tries.set_precision(planner.precision(tries.belief))
    return np.concatenate(seen)


def _loss(
    model: SocialLearning, best: PlannerSolution, learnt: Planner, aim: Aim, beliefs: np.ndarray
) -> float:
    """Return how much less a policy is worth than the best, on average over some beliefs."""
    grid, value = policy_value(model, learnt, BAYESIAN, aim)
    return float(np.mean(best.solved.grid.read(best.value, beliefs) - grid.read(value, beliefs)))


def record_networks(
    recorder: Recorder,
    seed: int,
    steps: int,
    runs: int,
    progress: Progress,
    *,
    width: int,
    precision: Precision,
) -> None:
    """Train networks on histories, refit them, and record what a planner loses that takes them for Bayesian."""
    kinds = {"planted": PLANTED, "Bayesian": BAYESIAN}
    models = train_histories(
        list(kinds.values()),
        seed,
        steps=steps,
        width=width,
        precision=precision,
        progress=lambda done, total: progress(0.8 * done / total, "training"),
    )
    model = world(0.5, prior=float(expit(NETWORK_LOG_ODDS)))
    levels = tuple(float(q) for q in models.tokens.levels[:-1])
    naive = BiasedPlanner(model).solve(200, levels=levels, gap=False)
    for which, (name, agents) in enumerate(kinds.items()):
        recorder.measure("loss", float(models.loss[which, -1]), subject=name, unit="nats")
        _record_fit(recorder, name, fit_nonbayesian(_simulated_answers(agents, seed)), agents, "parametric")
        fit = fit_nonbayesian(stated_responses(models, which))
        _record_fit(recorder, name, fit, agents, "network")
        progress(0.85 + 0.05 * which, "steering the network")
        own = BiasedPlanner(model, fit.agents).solve(200, levels=levels, gap=False)
        network = NetworkAgents(models, which, NETWORK_LOG_ODDS)
        for label, planner in (("hybrid", naive), ("re-optimised", own), ("no control", FixedPrecision(0.7))):
            seen = simulate(model, planner, network, n_agents=models.tokens.most, n_runs=runs, seed=seed)
            worth = -float((seen.welfare.missed + seen.welfare.costs).mean())
            recorder.measure("worth", worth, subject=label, unit="C", agents=name)
            recorder.measure(
                "welfare", float(seen.welfare.total.mean()), subject=label, unit="C", agents=name
            )


def _record_fit(
    recorder: Recorder, name: str, fit: NonBayesianFit, planted: ThresholdAgents, source: str
) -> None:
    true = (planted.alpha, planted.gamma_consistent, planted.gamma_inconsistent)
    for weight, value in zip(("alpha", "gamma_consistent", "gamma_inconsistent"), true, strict=True):
        found = getattr(fit, weight)
        recorder.measure(
            "weight",
            found.estimate,
            subject=name,
            source=source,
            weight=weight,
            planted=value,
            error=found.error,
        )


def _simulated_answers(agents: ThresholdAgents, seed: int, n: int = 4000) -> Responses:
    """Return what agents of known weights state, with noise of half a nat."""
    rng = stream(seed, "herding", "answers")
    log_odds, precision = 3.0 * (2.0 * rng.random(n) - 1.0), 0.55 + 0.4 * rng.random(n)
    signal = rng.random(n) < 0.5
    stated = agents.thought(log_odds, precision, signal) + 0.5 * rng.standard_normal(n)
    return Responses(log_odds, precision, signal, stated)

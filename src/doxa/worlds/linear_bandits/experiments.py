"""The experiments on linear bandits: agents side by side, radii told wrongly, real data, and identification."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doxa.dynamics.identification import ho_kalman
from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.worlds.linear_bandits.actions import budgeted_actions
from doxa.worlds.linear_bandits.agent import Agent
from doxa.worlds.linear_bandits.arms import AR2, UCB1, BatchExp3, Exp3, FixedPolicy, clairvoyant
from doxa.worlds.linear_bandits.bounds import Bounds
from doxa.worlds.linear_bandits.regressing import DiscountedLinUCB, DynLinUCB, LinUCB
from doxa.worlds.linear_bandits.result import BanditResult
from doxa.worlds.linear_bandits.simulation import simulate
from doxa.worlds.linear_bandits.system import DynamicalLinearBandit

Progress = Callable[[float, str], None]
BUDGET = 1.5
SETTLED = (0.5625, 0.5, 0.1 + 0.01 / 0.9)
"""h of the synthetic system; ``remembering`` keeps it whatever the radius."""
DYNAMIC = "DynLin-UCB"
UNIT_RIDGE = "DynLin-UCB, λ = 1"
STATIC = "LinUCB"
QUIET = 0.001
"""σ at which agents are compared where nothing is remembered: that at which LinUCB is locked where much is."""
AGENTS = (DYNAMIC, UNIT_RIDGE, STATIC, "D-LinUCB", "EXP3", "B-EXP3", "AR2", "UCB1", "clairvoyant")
ALIKE = 100_000
"""Most rounds in which two agents that should be the same are compared one by one."""
NEAR = 0.01
"""How far an estimate of h may be off in a coordinate."""
SHOWN = 40
RATIOS = (0.0, 0.5, 1.0, 1.5, 2.0)
RADII = (0.2, 0.5, 0.8, 0.9)


def remembering(radius: float = 0.2, sigma: float = 0.01) -> DynamicalLinearBandit:
    """Return the synthetic system with another spectral radius and the same h; at 0.2 it is the paper's.

    Raises:
        InputError: the radius is not in [0, 1).
    """
    if not 0.0 <= radius < 1.0:
        raise InputError(f"radius={radius}: must be in [0, 1)")
    return DynamicalLinearBandit(
        np.diag([radius, 0.0, radius / 2]),
        np.diag([SETTLED[0] * (1 - radius), 0.0, (SETTLED[2] - 0.1) * (1 - radius / 2) / 0.1]),
        [1.0, 0.0, 0.1],
        [0.0, 0.5, 0.1],
        sigma,
        budgeted_actions(3, BUDGET),
    )


def without_memory(sigma: float) -> DynamicalLinearBandit:
    """Return the static bandit with the synthetic system's h: nothing moves, θ is all there is."""
    nothing = np.zeros((1, 1))
    return DynamicalLinearBandit(
        nothing, np.zeros((1, 3)), [0.0], list(SETTLED), sigma, budgeted_actions(3, BUDGET)
    )


def make_agents(
    bandit: DynamicalLinearBandit,
    horizon: int,
    names: Sequence[str],
    *,
    told: DynamicalLinearBandit | None = None,
) -> list[Agent]:
    """Return agents by name, told the exact sizes of a system.

    Args:
        bandit: whose actions they choose among.
        horizon: T.
        names: some of ``AGENTS``.
        told: the system whose sizes and radius they are told; None for the bandit itself.
    """
    known = told or bandit
    bounds, radius, sigma, u = Bounds.of(known), known.spectral_radius, known.sigma, bandit.actions
    common: dict[str, Any] = {"sigma": sigma, "horizon": horizon, "bounds": bounds}
    kinds: dict[str, Callable[[], Agent]] = {
        DYNAMIC: lambda: DynLinUCB(u, radius, **common),
        UNIT_RIDGE: lambda: DynLinUCB(u, radius, lam=1.0, name=UNIT_RIDGE, **common),
        STATIC: lambda: LinUCB(u, rho_bar=radius, **common),
        "D-LinUCB": lambda: DiscountedLinUCB(u, rho_bar=radius, **common),
        "EXP3": lambda: Exp3(u, horizon, bounds, rho_bar=radius),
        "B-EXP3": lambda: BatchExp3(u, horizon, bounds, rho_bar=radius),
        "AR2": lambda: AR2(u, radius, sigma, horizon),
        "UCB1": lambda: UCB1(u),
        "clairvoyant": lambda: clairvoyant(bandit),
    }
    return [kinds[name]() for name in names]


def record_synthetic(
    recorder: Recorder, seed: int, sigma: float, horizon: int, names: Sequence[str], progress: Progress
) -> None:
    """Let agents play the paper's synthetic system, and record regret, growth, estimates and actions."""
    bandit = remembering(sigma=sigma)
    progress(0.05, "playing")
    found = simulate(bandit, make_agents(bandit, horizon, names), horizon, seed=seed, keep_rounds=False)
    record_result(recorder, found, bandit, system="synthetic", sigma=sigma)
    progress(0.8, "controls")
    _record_controls(recorder, seed, sigma, horizon)


def record_result(
    recorder: Recorder, found: BanditResult, bandit: DynamicalLinearBandit, **about: Any
) -> None:
    """Record what agents did in one trial.

    Measures: ``regret`` (three kinds) and ``share`` of actions over rounds, ``slope`` of the last decade, ``away``
    (largest error of a coordinate of h), ``locked`` (share of the last decade not spent on the best action).
    """
    horizon = int(found.checkpoints[-1])
    shown = _spread(found.checkpoints)
    slopes = found.slope(horizon / 10, horizon)
    for place, name in enumerate(found.names):
        told: dict[str, Any] = {"subject": name, **about}
        for kind in ("pseudo", "expected", "realised"):
            curve = found.regret(kind)[place, 0]
            for mark in shown if kind == "pseudo" else shown[-1:]:
                at = float(found.checkpoints[mark])
                recorder.measure(
                    "regret", float(curve[mark]), unit="reward", axis="round", time=at, kind=kind, **told
                )
        slope = float(slopes.slopes[place, 0])
        recorder.measure("slope", slope, missing="regret is 0 in the window", **told)
        _record_estimates(recorder, found, place, bandit, shown, told)
        _record_shares(recorder, found, place, bandit, shown, told)


def _record_estimates(
    recorder: Recorder,
    found: BanditResult,
    place: int,
    bandit: DynamicalLinearBandit,
    shown: Sequence[int],
    told: dict[str, Any],
) -> None:
    estimates = found.estimates[place][0]
    if not np.isfinite(estimates).any():
        return
    away = np.abs(estimates - bandit.h).max(axis=-1)
    for mark in shown:
        at = float(found.checkpoints[mark])
        recorder.measure("away", float(away[mark]), unit="reward", axis="round", time=at, **told)


def _record_shares(
    recorder: Recorder,
    found: BanditResult,
    place: int,
    bandit: DynamicalLinearBandit,
    shown: Sequence[int],
    told: dict[str, Any],
) -> None:
    arms, pulls, marks = found.arms[place], found.pulls[place][0], found.checkpoints
    values = arms @ bandit.h
    decade = int(np.searchsorted(marks, marks[-1] / 10))
    since = (pulls[-1] - pulls[decade]) / max(int(marks[-1] - marks[decade]), 1)
    recorder.measure(
        "locked", 1.0 - float(since[values >= values.max() - 1e-12].sum()), unit="fraction", **told
    )
    if len(arms) < 2 or told["subject"] not in (DYNAMIC, STATIC):
        return
    before = 0
    for mark in shown:
        spent = pulls[mark] - (pulls[before] if before else 0)
        for arm, share in enumerate(spent / max(spent.sum(), 1)):
            at = float(marks[mark])
            recorder.measure("share", float(share), unit="fraction", axis="round", time=at, arm=arm, **told)
        before = mark


def _spread(checkpoints: np.ndarray) -> list[int]:
    """Return the places of about 40 checkpoints, the last among them."""
    return sorted(
        set(np.linspace(0, checkpoints.size - 1, min(SHOWN, checkpoints.size)).astype(int).tolist())
    )


def _record_controls(recorder: Recorder, seed: int, sigma: float, horizon: int) -> None:
    """Record that a radius of 0 is LinUCB with the same width, and who wins where nothing is remembered."""
    plain = remembering(0.0, sigma)
    bounds = Bounds.of(plain)
    common: dict[str, Any] = {"sigma": sigma, "horizon": horizon, "bounds": bounds}
    pair = [
        DynLinUCB(plain.actions, 0.0, **common),
        LinUCB(plain.actions, width="carry", **common),
    ]
    played = simulate(plain, pair, min(horizon, ALIKE), seed=seed, keep_rounds=True).actions
    differ = float("nan") if played is None else float((played[0] != played[1]).mean())
    recorder.measure("differ", differ, subject=DYNAMIC, unit="fraction", sigma=sigma)
    if sigma != QUIET:
        return
    static = without_memory(sigma)
    agents = make_agents(static, horizon, (DYNAMIC, STATIC), told=remembering(sigma=sigma))
    found = simulate(static, agents, horizon, seed=seed, keep_rounds=False)
    for name in found.names:
        recorder.measure(
            "static regret", float(found.final(name)[0]), subject=name, unit="reward", sigma=sigma
        )


def record_radius(recorder: Recorder, seed: int, horizon: int, sigma: float, progress: Progress) -> None:
    """Tell DynLin-UCB a radius from 0 to twice the true one, on systems that remember for longer and longer."""
    for done, radius in enumerate(RADII):
        progress(done / len(RADII), f"radius {radius:g}")
        bandit = remembering(radius, sigma)
        agents: list[Agent] = [LinUCB(
            bandit.actions, sigma, horizon, bounds=Bounds.of(bandit), rho_bar=radius
        )]  # fmt: skip
        told = {f"{ratio:g}": ratio * radius for ratio in RATIOS}
        agents += [
            DynLinUCB(bandit.actions, bar, sigma, horizon, bounds=Bounds.of(bandit), name=name)
            for name, bar in told.items()
            if bar < 1.0
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # too small a radius is what is tried here
            found = simulate(bandit, agents, horizon, seed=seed, keep_rounds=False)
        slopes = found.slope(horizon / 10, horizon)
        for ratio in RATIOS:
            about: dict[str, Any] = {"subject": DYNAMIC, "radius": radius, "ratio": ratio}
            refused, played = "a bound of 1 or more is refused", f"{ratio:g}" in found.names
            value = float(found.final(f"{ratio:g}")[0]) if played else None
            slope = float(slopes.of(f"{ratio:g}")[0]) if played else None
            recorder.measure("radius regret", value, unit="reward", missing=refused, **about)
            recorder.measure("radius slope", slope, missing=refused, **about)
        recorder.measure(
            "radius regret", float(found.final(STATIC)[0]), subject=STATIC, unit="reward", radius=radius
        )


def record_real(
    recorder: Recorder, seed: int, path: Path, horizon: int, names: Sequence[str], progress: Progress
) -> None:
    """Let agents play the system identified from a year of spending, beside the human expert."""
    bandit = DynamicalLinearBandit.from_config(path)
    numbers = {
        **{f"h{place + 1}": float(value) for place, value in enumerate(bandit.h)},
        "J*": bandit.optimal_value,
        "Φ": bandit.phi,
        "ρ": bandit.spectral_radius,
    }
    for name, value in numbers.items():
        recorder.measure("real number", value, subject="system", which=name)
    progress(0.05, "playing")
    agents = make_agents(bandit, horizon, names)
    expert = FixedPolicy(bandit.expert_action(BUDGET)[None], name="expert")
    found = simulate(bandit, [*agents, expert], horizon, seed=seed, keep_rounds=False)
    record_result(recorder, found, bandit, system="real", sigma=bandit.sigma)


@dataclass(frozen=True)
class Record:
    """How long a record is that a system is identified from, and σ of the system that made it."""

    days: int
    sigma: float


IDENTIFIED = {
    "without noise": Record(200, 0.0),
    "a year": Record(365, 0.01),
    "10,000 days": Record(10_000, 0.01),
}
LAGS = 12


def record_identification(recorder: Recorder, seed: int) -> None:
    """Identify the synthetic system, and one without memory, from random spending, by Ho and Kalman."""
    for kind in ("synthetic", "no memory"):
        for name, kept in IDENTIFIED.items():
            bandit = remembering(sigma=kept.sigma) if kind == "synthetic" else without_memory(kept.sigma)
            rng = stream(seed, "linear-bandit", "identification", kind, name)
            u = rng.random((kept.days, 3))
            y, state = np.zeros(kept.days), bandit.init()
            for t in range(kept.days):
                state, paid = bandit.step(state, u[t], rng.standard_normal(len(bandit.A) + 1))
                y[t] = paid.reward
            found = ho_kalman(u, y, order=2, lags=LAGS)
            markov = found.markov[:, 0]
            about: dict[str, Any] = {"subject": kind, "record": name}
            recorder.measure(
                "markov error", float(np.abs(markov - _markov(bandit)).max()), unit="reward", **about
            )
            h = markov.sum(axis=0)
            recorder.measure("h error", float(np.abs(h - bandit.h).max()), unit="reward", **about)
            recorder.measure("memory", float(np.abs(markov[1:]).max()), unit="reward", **about)
            recorder.measure("radius found", found.system.spectral_radius(), **about)
            best = float(bandit.values.max() - bandit.J(bandit.actions[int(np.argmax(bandit.actions @ h))]))
            recorder.measure("lost", best, unit="reward", **about)


def _markov(bandit: DynamicalLinearBandit) -> np.ndarray:
    """Return the true Markov parameters of lags 0 to ``LAGS``."""
    return bandit.system.impulse_response(LAGS + 1)[:, 0]
